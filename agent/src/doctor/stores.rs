//! The stores that hold the secrets: which one is in use, how fast it answers, and whether it holds what it
//! should.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use prost_types::Timestamp;
use seqera_agent_proto::v1::Check;
use seqera_agent_proto::v1::check::Verdict;

use super::report::{Report, of, ok, problem, skipped, warning};
use crate::clock::from_unix;
use crate::profile::ProfileName;
use crate::sessions::registry::Registry;
use crate::sessions::shared::Shared;
use crate::storage::ladder::StoreChoice;
use crate::storage::record::{Fallback, Record};
use crate::storage::store::{StoreError, StoreKind};

/// A keychain that takes longer delays the first renewals after a start.
const SLOW: Duration = Duration::from_secs(1);

/// In the file: a variable counts for an agent that is started with it, and for none that runs.
const ANOTHER: &str = "choose another one: 'credentialStore' in config.json, then 'seqera agent restart'";

const UNLOCK: &str = "unlock the keychain; sessions in it are kept";

pub(super) async fn examine(registry: &Arc<Registry>, repair: bool, report: &Report) {
    let shared = &registry.shared;
    let rungs = match shared.ladder.choice() {
        StoreChoice::Auto => vec![StoreKind::Keychain, StoreKind::File],
        chosen => chosen.only().into_iter().collect(),
    };
    let mut used = shared.ladder.current_kind();
    for kind in rungs {
        let check = rung(kind, kind == used, shared).await;
        // A store that is not available is passed over, and the next rung of the ladder is used.
        if kind == used && check.verdict() == Verdict::Skipped {
            used = StoreKind::File;
        }
        report.tell(check).await;
    }
    let recorded = shared.state.snapshot();
    let mut names: BTreeSet<ProfileName> = recorded.profiles.keys().cloned().collect();
    names.extend(shared.ladder.list_all().await.profiles.into_keys());
    for name in &names {
        if let Some(check) = secret(name, shared, repair).await {
            report.tell(of(name, check)).await;
        }
    }
    other_hosts(shared, report).await;
}

/// The sessions of other hosts in this folder. One whose profile is not signed in here may be this host's own, from
/// before it got another name.
async fn other_hosts(shared: &Shared, report: &Report) {
    for there in shared.state.elsewhere() {
        let name = &there.profile;
        let text = format!("this session belongs to {}", there.in_words());
        let is_here = shared.state.record(name).is_some_and(|record| record.is_signed_in());
        let check = if is_here {
            skipped("other host", text)
        } else {
            let remedy = format!(
                "if that is this host under an earlier name, or its disk has come here: \
                 run 'seqera login --adopt --profile {name}'"
            );
            warning("other host", text, &remedy)
        };
        report.tell(of(name, check)).await;
    }
}

/// Checks one store by listing what it holds.
async fn rung(kind: StoreKind, is_used: bool, shared: &Shared) -> Check {
    let name = kind.as_str();
    let begun = shared.now();
    let answer = shared.ladder.list(kind).await;
    let took = shared.now().since(begun);
    let used = if is_used { "in use" } else { "not in use" };
    match answer {
        Ok(_) if kind == StoreKind::Memory => {
            let remedy = "sessions end with the agent; 'auto' keeps them, from 'seqera agent restart' on";
            warning(name, "chosen: nothing outlives the agent", remedy)
        }
        Ok(_) if took > SLOW => warning(
            name,
            format!("{used}, but it took {} ms to answer", took.as_millis()),
            "see what keeps the keychain's service busy",
        ),
        Ok(_) => ok(name, format!("{used}, answered in {} ms", took.as_millis())),
        Err(StoreError::Locked(why)) => warning(name, format!("{used}, locked: {why}"), UNLOCK),
        Err(StoreError::Unavailable(why) | StoreError::Silent(why))
            if shared.ladder.choice() == StoreChoice::Auto =>
        {
            skipped(name, why)
        }
        Err(error) => problem(name, error.to_string(), ANOTHER),
    }
}

/// Checks whether a profile's secret is where it should be. `None` means that there should be no secret, and
/// there is none.
async fn secret(name: &ProfileName, shared: &Shared, repair: bool) -> Option<Check> {
    const WHAT: &str = "secret";
    let record = shared.state.record(name).unwrap_or_default();
    let place = record.store.unwrap_or(StoreKind::File);
    let login = format!("run 'seqera login --force --profile {name}'");
    Some(match shared.ladder.load(name, place).await {
        Ok(Some(_)) if record.signed_out => warning(
            WHAT,
            "signed out, and its secret is still there",
            &format!("run 'seqera logout --profile {name}'"),
        ),
        Ok(Some(_)) => match &record.ended {
            // The secret is of no use any more; it is kept so that somebody can examine it.
            Some(why) => warning(
                "session",
                format!("has ended: {why}"),
                &format!("run 'seqera login --profile {name}'"),
            ),
            None => kept(name, place, &record, shared).await,
        },
        Ok(None) if record.store.is_none() || record.signed_out => return None,
        Ok(None) => problem(WHAT, format!("it is gone from the {}", place.as_str()), &login),
        Err(StoreError::Corrupt(what)) if repair => set_aside(name, place, &what, shared).await,
        Err(StoreError::Corrupt(what)) => problem(
            WHAT,
            what,
            &format!("{login}, or 'seqera agent doctor --repair': both set the file aside"),
        ),
        Err(StoreError::Locked(why)) => warning(WHAT, format!("the keychain is locked: {why}"), UNLOCK),
        Err(StoreError::OtherHost(host)) => {
            let known = shared.state.elsewhere().iter().find(|there| there.host == host);
            let who = known.map_or_else(|| format!("another host (id {host})"), |there| there.in_words());
            skipped(WHAT, format!("the session of {who}, over the same home folder"))
        }
        Err(_) if record.store.is_none() => return None,
        Err(error) => problem(WHAT, error.to_string(), &login),
    })
}

/// Says where the secret is, and why it is not in a better store if one has failed.
async fn kept(name: &ProfileName, place: StoreKind, record: &Record, shared: &Shared) -> Check {
    let fallback = record.fallback.as_ref().filter(|_| shared.ladder.choice() == StoreChoice::Auto);
    let place = shared.ladder.shown(name, place).await;
    let Some(Fallback { from, why, since }) = fallback else {
        return ok("secret", format!("kept in the {place}"));
    };
    let (from, since) = (from.as_str(), Timestamp::from(from_unix(*since)));
    let text = format!("kept in the {place} since {since}, because the {from} failed: {why}");
    let remedy = format!(
        "see to the {from}: after a renewal, at most once an hour, the secret is offered to it again; \
         'seqera login --force --profile {name}' does so at once"
    );
    warning("secret", text, &remedy)
}

async fn set_aside(name: &ProfileName, place: StoreKind, what: &str, shared: &Shared) -> Check {
    let login = format!("run 'seqera login --force --profile {name}'");
    match shared.ladder.set_aside(name, place, shared.now().wall).await {
        Ok(moved) => problem("secret", format!("{what}: set aside as {}", moved.join(", ")), &login),
        Err(error) => problem("secret", format!("{what}; it cannot be set aside: {error}"), &login),
    }
}
