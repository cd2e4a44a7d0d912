//! Whether the agent runs where this command does. One that was started inside a sandbox or a container stays in it,
//! and everybody's renewals then go the way of that sandbox.

use std::time::Duration;

use seqera_client::proto::reason::Reason;
use seqera_client::proto::v1::{InfoResponse, Namespaces};
use seqera_client::{Client, Options};
use serde_json::{Value, json};

use crate::screen::failure::Failure;
use crate::settings::context::{Context, wait};

/// What the agent has of its own, in words.
pub(crate) fn differences(info: &InfoResponse) -> Vec<&'static str> {
    compared(&info.namespaces.clone().unwrap_or_default(), &here())
}

/// What may be behind a failure of the agent: that it reaches what this command does not, and not what this command
/// reaches. `None` if it runs where this command does, or if the failure is of another kind.
pub(crate) fn explain(context: &Context, failure: &Failure) -> Option<String> {
    const OF_FILES: [Reason; 3] = [Reason::Misconfigured, Reason::StoreFailed, Reason::KeychainLocked];
    let what = match failure {
        failure if failure.is(Reason::IssuerUnreachable) => NETWORK,
        failure if OF_FILES.iter().any(|reason| failure.is(*reason)) => FILES,
        _ => return None,
    };
    let options = context.options().ok()?;
    let client = Client::new(Options { start_agent: false, deadline: LIMIT, ..options });
    let info = wait(async { Ok(client.info().await?) }).ok()?;
    differences(&info).contains(&what).then(|| {
        let first = failure.hint.text().map(|hint| format!("{hint}; ")).unwrap_or_default();
        format!("{first}{}: {REMEDY}", elsewhere(info.pid, &[what]))
    })
}

/// Where the agent is, as a sentence.
pub(crate) fn elsewhere(pid: u32, what: &[&str]) -> String {
    format!("the agent (process {pid}) has {}, as in a sandbox or a container", what.join(", "))
}

pub(crate) const REMEDY: &str = "'seqera agent restart', run outside of it, starts one that has not";

/// For one answer from memory, after a failure.
const LIMIT: Duration = Duration::from_secs(2);

pub(crate) fn object(info: &InfoResponse) -> Value {
    let Namespaces { net, mnt, pid, user } = info.namespaces.clone().unwrap_or_default();
    json!({"net": net, "mnt": mnt, "pid": pid, "user": user, "differ": differences(info)})
}

const NETWORK: &str = "its own network";
const FILES: &str = "its own file systems";

/// An agent of an earlier version names nothing.
fn compared(there: &Namespaces, here: &Namespaces) -> Vec<&'static str> {
    let pairs = [
        (&there.net, &here.net, NETWORK),
        (&there.mnt, &here.mnt, FILES),
        (&there.pid, &here.pid, "its own processes"),
        (&there.user, &here.user, "its own users"),
    ];
    let differ =
        pairs.into_iter().filter(|(there, here, _)| !there.is_empty() && !here.is_empty() && there != here);
    differ.map(|(_, _, what)| what).collect()
}

#[cfg(target_os = "linux")]
fn here() -> Namespaces {
    let name = |kind: &str| {
        let link = std::fs::read_link(format!("/proc/self/ns/{kind}")).unwrap_or_default();
        link.to_string_lossy().into_owned()
    };
    Namespaces { net: name("net"), mnt: name("mnt"), pid: name("pid"), user: name("user") }
}

/// Other systems have no such thing.
#[cfg(not(target_os = "linux"))]
fn here() -> Namespaces {
    Namespaces::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_both_name_and_what_differs_is_told() {
        let here = Namespaces { net: "net:[1]".into(), mnt: "mnt:[2]".into(), ..Namespaces::default() };
        assert!(compared(&here, &here).is_empty());
        assert!(compared(&Namespaces::default(), &here).is_empty());
        let there = Namespaces { net: "net:[9]".into(), pid: "pid:[3]".into(), ..here.clone() };
        assert_eq!(compared(&there, &here), ["its own network"]);
    }
}
