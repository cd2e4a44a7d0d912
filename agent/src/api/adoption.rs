//! `Sessions.Adopt`: sessions of other hosts, to be seen and to be taken over.

use std::collections::BTreeSet;

use seqera_agent_proto::v1::{AdoptRequest, SessionState, SessionStatus, session_status};

use crate::api::{convert, status};
use crate::error::{AgentError, ErrorKind};
use crate::profile::ProfileName;
use crate::sessions::registry::Registry;
use crate::storage::other_hosts::Elsewhere;

/// The sessions that were taken over, or would be.
///
/// # Errors
/// `OTHER_HOST` if there is none, or its host keeps it; `BAD_REQUEST` if it is not clear which host is meant.
pub(crate) async fn adopt(
    registry: &Registry,
    asked: AdoptRequest,
) -> Result<Vec<SessionStatus>, AgentError> {
    let found = find(registry, &asked).await?;
    if asked.look_only {
        return Ok(found.iter().map(shown).collect());
    }
    let host = &found[0].host;
    let hold = registry.shared.other_hosts.hold(host).await;
    let _hold = hold.map_err(|why| kept(&found[0], &why))?;
    // What that host did before it was held is what counts.
    let found = find(registry, &AdoptRequest { host: host.clone(), ..asked }).await?;
    let mut adopted = Vec::new();
    for there in found {
        let (name, host) = (there.profile.clone(), of(&there));
        let worker = registry.ensure(&name);
        worker.adopt(there).await?;
        adopted.push(SessionStatus { host: Some(host), ..status::status(registry, &name, &worker.view()) });
    }
    Ok(adopted)
}

/// The sessions that are meant, all of one host.
async fn find(registry: &Registry, asked: &AdoptRequest) -> Result<Vec<Elsewhere>, AgentError> {
    let profile: Option<ProfileName> = match asked.profile.as_str() {
        "" => None,
        name => Some(name.parse()?),
    };
    let mut found =
        registry.shared.state.look_elsewhere().await.map_err(|error| AgentError::not_durable(&error))?;
    found.retain(|there| profile.as_ref().is_none_or(|name| there.profile == *name));
    let everywhere = found.clone();
    let named = |there: &Elsewhere| {
        there.host_name.as_ref().is_some_and(|name| name.eq_ignore_ascii_case(&asked.host))
    };
    found.retain(|there| asked.host.is_empty() || there.host == asked.host || named(there));
    let hosts: BTreeSet<_> = found.iter().map(|there| &there.host).collect();
    match hosts.len() {
        1 => Ok(found),
        0 => Err(nothing(&everywhere)),
        _ => Err(unclear(&found)),
    }
}

fn nothing(everywhere: &[Elsewhere]) -> AgentError {
    let what = "there is no such session of another host to take over";
    let hint = match everywhere {
        [] => "run 'seqera login'".to_owned(),
        some => format!("there are sessions of {}", hosts(some)),
    };
    AgentError::new(ErrorKind::OtherHost, what, hint)
}

fn unclear(found: &[Elsewhere]) -> AgentError {
    let hint = format!("name one with --adopt=HOST, by its name or id: {}", hosts(found));
    AgentError::new(ErrorKind::BadRequest, "several hosts have such a session", hint)
}

/// The hosts in words, each with its id.
fn hosts(found: &[Elsewhere]) -> String {
    let words: BTreeSet<_> =
        found.iter().map(|there| format!("{} (id {})", there.in_words(), there.host)).collect();
    words.into_iter().collect::<Vec<_>>().join("; ")
}

fn kept(there: &Elsewhere, why: &str) -> AgentError {
    let what = format!("{} keeps its sessions: {why}", there.in_words());
    AgentError::new(ErrorKind::OtherHost, what, "or sign in here as well: run 'seqera login'")
}

/// A session of another host, as `profile list` shows it.
pub(crate) fn shown(there: &Elsewhere) -> SessionStatus {
    SessionStatus {
        state: SessionState::OtherHost.into(),
        host: Some(of(there)),
        ..convert::recorded(&there.profile, &there.record)
    }
}

fn of(there: &Elsewhere) -> session_status::Host {
    session_status::Host {
        id: there.host.clone(),
        name: there.host_name.clone().unwrap_or_default(),
        last_renewed_at: there.record.last_seen().map(convert::unix),
    }
}
