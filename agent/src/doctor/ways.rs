//! The way to each provider: the proxy and the certificate authorities in force, who answers and how fast,
//! and whether the clocks agree.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use seqera_agent_proto::v1::{Check, DiagnoseRequest};
use url::Url;

use super::report::{Report, of, ok, problem, skipped, warning};
use crate::network::{Network, direct};
use crate::profile::{Profile, ProfileName};
use crate::providers::http::{Http, Reply, is_proxied, skipped_authorities};
use crate::providers::known::Providers;
use crate::providers::{Issuers, Otherwise, Probe};
use crate::sessions::registry::Registry;
use crate::sessions::shared::Shared;
use crate::sessions::target::target;
use crate::token::Kind;

/// How many providers are asked at the same time.
const AT_ONCE: usize = 8;

/// Providers tolerate this much difference between their clock and ours when they check the times in a token.
const CLOCK_LEEWAY: Duration = Duration::from_secs(30);
/// Beyond this, sign-ins fail at many providers.
const CLOCK_WRONG: Duration = Duration::from_secs(300);

pub(super) async fn examine(
    registry: &Arc<Registry>,
    providers: &Providers,
    asked: &DiagnoseRequest,
    report: &Report,
) {
    let profiles = profiles(registry, asked, report).await;
    let looked = futures_util::stream::iter(profiles)
        .map(|(name, profile)| async move { (look(&profile, providers, &registry.shared).await, name) });
    let mut looked = std::pin::pin!(looked.buffered(AT_ONCE));
    while let Some((checks, name)) = looked.next().await {
        for check in checks {
            report.tell(of(&name, check)).await;
        }
    }
}

/// Every profile that is configured or signed in, and the one that the caller would sign in to. Of one that was
/// signed out, perhaps long ago and under a wrong address, nobody expects that its provider answers.
async fn profiles(
    registry: &Registry,
    asked: &DiagnoseRequest,
    report: &Report,
) -> Vec<(ProfileName, Profile)> {
    let recorded = registry.shared.state.snapshot();
    let in_use = recorded.profiles.iter().filter(|(_, record)| !record.signed_out);
    let known = in_use.map(|(name, record)| (name.clone(), record.profile.clone()));
    let mut profiles: Vec<_> = known.filter(|(_, profile)| !profile.authority.is_empty()).collect();
    let taken: BTreeSet<_> = profiles.iter().map(|(name, _)| name.clone()).collect();
    for name in registry.names().difference(&taken).cloned() {
        let configured = registry.configured(&name);
        profiles.extend(configured.map(|profile| (name, profile)));
    }
    match target(registry, &asked.profile, &asked.settings.clone().unwrap_or_default()) {
        Ok((name, profile)) => match recorded.profiles.get(&name).filter(|record| !record.signed_out) {
            Some(record) => report_difference(&name, &record.profile, &profile, report).await,
            // These are the settings that a sign-in would take over now.
            None => {
                profiles.retain(|(known, _)| *known != name);
                profiles.push((name, profile));
            }
        },
        Err(error) => report.tell(problem("settings", error.to_string(), &error.hint())).await,
    }
    profiles
}

/// A profile keeps the network settings of its sign-in, even if the shell has others later.
async fn report_difference(name: &ProfileName, known: &Profile, now: &Profile, report: &Report) {
    if known.network.recorded() == now.network.recorded() {
        return;
    }
    let certificates = certificates(now).map(|check| format!("; certificates: {}", check.text));
    let certificates = certificates.unwrap_or_default();
    let text = format!("this shell and config.json say: {}{certificates}", proxy(now).text);
    let remedy = format!("to take that over: seqera login --force --profile {name}");
    report.tell(of(name, warning("proxy", text, &remedy))).await;
}

async fn look(profile: &Profile, providers: &Providers, shared: &Shared) -> Vec<Check> {
    let http = providers.http(profile);
    let mut checks = vec![proxy(profile)];
    checks.extend(certificates(profile));
    checks.extend(passed_over(profile).await);
    // The first probe asks the authority, and only the authority's clock matters.
    let mut clock_is_known = false;
    for Probe { what, url, otherwise } in providers.issuer(profile, Kind::Renewable).probes() {
        let (answer, offset) = ask(what, &url, &http, shared).await;
        checks.push(match (answer, otherwise) {
            (Err(check), _) => check,
            (Ok((reply, text)), _) if reply.is_success() => ok(what, text),
            (Ok((_, text)), Otherwise::Fine) => ok(what, text),
            (Ok((_, text)), Otherwise::Missing(means)) => skipped(what, format!("{text}: {means}")),
            (Ok((_, text)), Otherwise::Wrong(remedy)) => problem(what, text, remedy),
        });
        if !std::mem::replace(&mut clock_is_known, true) {
            checks.extend(offset.map(|offset| clock(offset, &profile.authority)));
        }
    }
    checks
}

/// What of the network settings has no effect, although the rest of them has.
async fn passed_over(profile: &Profile) -> Vec<Check> {
    let Network { proxy, no_proxy, ca_file, .. } = &profile.network;
    let odd = if proxy.is_empty() { Vec::new() } else { direct::odd(no_proxy) };
    let mut checks = Vec::new();
    if !odd.is_empty() {
        let text = format!("{} names no host, in the list of those without proxy", odd.join(" and "));
        let remedy =
            "write hosts, .domains, addresses or 10.0.0.0/8 into noProxy or NO_PROXY, then sign in again";
        checks.push(warning("proxy", text, remedy));
    }
    for why in skipped_authorities(ca_file).await {
        let remedy = "export that certificate again, or take it out; the others count";
        checks.push(warning("certificates", format!("{ca_file}: {why}"), remedy));
    }
    checks
}

/// The proxy in force.
fn proxy(profile: &Profile) -> Check {
    let network = &profile.network;
    let proxied = Url::parse(&profile.authority).is_ok_and(|url| is_proxied(&url, network));
    let text = match (proxied, network.proxy.is_empty()) {
        (true, _) => network.shown_proxy(),
        (false, false) => format!("none for this host; {} for others", network.shown_proxy()),
        (false, true) => "none".to_owned(),
    };
    ok("proxy", text)
}

/// The certificate authorities in force, if they are not just those of the system.
fn certificates(profile: &Profile) -> Option<Check> {
    let file = Some(&profile.network.ca_file).filter(|file| !file.is_empty())?;
    Some(ok("certificates", format!("those of the system, and {file}")))
}

/// How far the provider's clock is ahead of ours, in seconds.
type Offset = i64;

/// Asks one address. Returns the answer and a description of it, or the check that says why no answer came.
async fn ask(
    name: &str,
    url: &str,
    http: &Http,
    shared: &Shared,
) -> (Result<(Reply, String), Check>, Option<Offset>) {
    let Ok(url) = Url::parse(url) else {
        return (
            Err(problem(name, format!("{url} is not an address"), "correct the profile's addresses")),
            None,
        );
    };
    let begun = shared.now();
    let answer = http.fetch(&url, None).await;
    let took = shared.now().since(begun);
    match answer {
        Ok(reply) => {
            let offset = reply.date.map(|date| ahead(date, begun.wall + took / 2));
            let status =
                if reply.is_success() { String::new() } else { format!(" with status {}", reply.status) };
            let text = format!("{url} answered{status} in {} ms", took.as_millis());
            (Ok((reply, text)), offset)
        }
        Err(fault) => {
            let remedy = fault.why().hint_or("check the network, proxy and VPN, and the address itself");
            (Err(problem(name, format!("{url} cannot be reached: {fault}"), remedy)), None)
        }
    }
}

fn ahead(theirs: SystemTime, ours: SystemTime) -> Offset {
    let seconds = |length: Duration| i64::try_from(length.as_secs()).unwrap_or(i64::MAX);
    match theirs.duration_since(ours) {
        Ok(ahead) => seconds(ahead),
        Err(behind) => -seconds(behind.duration()),
    }
}

/// `Date` has a resolution of one second, and the answer was on its way for a while, so a difference of a
/// second or two does not count.
fn clock(offset: Offset, authority: &str) -> Check {
    const NAME: &str = "clock";
    const REMEDY: &str = "set the clock of this machine; 'timedatectl set-ntp true' keeps it right";
    let by = Duration::from_secs(offset.unsigned_abs());
    let side = if offset > 0 { "behind" } else { "ahead of" };
    let text = format!("{} s {side} {authority}", by.as_secs());
    match by {
        _ if by > CLOCK_WRONG => problem(NAME, text, REMEDY),
        _ if by > CLOCK_LEEWAY => warning(NAME, text, REMEDY),
        _ if by <= Duration::from_secs(2) => ok(NAME, format!("agrees with {authority}")),
        _ => ok(NAME, text),
    }
}

#[cfg(test)]
mod tests {
    use seqera_agent_proto::v1::check::Verdict;

    use super::*;

    #[test]
    fn a_clock_is_judged_by_what_its_error_breaks() {
        for (offset, verdict, start) in [
            (1, Verdict::Ok, "agrees with"),
            (-20, Verdict::Ok, "20 s ahead of"),
            (31, Verdict::Warning, "31 s behind"),
            (-301, Verdict::Problem, "301 s ahead of"),
        ] {
            let check = clock(offset, "https://a");
            assert_eq!(check.verdict(), verdict, "{offset}");
            assert!(check.text.starts_with(start), "{}", check.text);
            assert_eq!(check.remedy.is_empty(), verdict == Verdict::Ok);
        }
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!((ahead(at(10), at(7)), ahead(at(7), at(10))), (3, -3));
    }

    #[test]
    fn proxy_and_authorities_are_named_without_a_password() {
        let network = Network::read("http://ada:canary@proxy:3128", ".corp", "/corp.pem").unwrap();
        let at = |authority: &str| {
            let profile =
                Profile { authority: authority.into(), network: network.clone(), ..Profile::default() };
            (proxy(&profile).text, certificates(&profile).map(|check| check.text))
        };
        let authorities = Some("those of the system, and /corp.pem".to_owned());
        assert_eq!(at("https://cloud.test/api"), ("http://proxy:3128".to_owned(), authorities));
        assert_eq!(at("https://in.corp/api").0, "none for this host; http://proxy:3128 for others");
        assert_eq!(proxy(&Profile::default()).text, "none");
        assert_eq!(certificates(&Profile::default()), None);
    }
}
