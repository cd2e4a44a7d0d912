//! The records of this host under another id: the one of earlier versions, which changed with the node name, or the
//! one of a host whose disk this was. Whoever takes them over first holds that id's right to be the agent, so that
//! no two agents ever spend one refresh token.

use async_trait::async_trait;
use seqera_agent_proto::place::Places;
use tokio::time::{Instant, sleep};

use crate::error::AgentError;
use crate::process::instance::{
    FILE_LIMIT, LockError, POLL, Running, STOPPING_LIMIT, bounded, held_in_silence, lock_in, lock_path,
    owner_path, write_owner,
};
use crate::process::owner_file::{self, Owner};
use crate::sessions::shared::{Hold, OtherHosts};
use crate::storage::other_hosts;

/// Why the right to be the agent of other places could not be had.
enum Refusal {
    /// Their agent runs.
    Runs(Option<Owner>),
    /// Nobody can tell, for this reason.
    Unknown(String),
}

/// The right to be the agent of other places.
struct Held {
    places: Places,
    us: Owner,
    lock: Option<std::fs::File>,
}

impl Drop for Held {
    fn drop(&mut self) {
        let (path, us, lock) = (owner_path(&self.places), self.us.clone(), self.lock.take());
        // The file system may hang.
        let _ = std::thread::Builder::new().name("file".into()).spawn(move || {
            owner_file::release(&path, &us);
            drop(lock);
        });
    }
}

/// The places of the same folder for another host id.
fn places_of(places: &Places, host: &str) -> Places {
    Places { host_id: host.to_owned(), ..places.clone() }
}

async fn hold(places: Places, us: Owner) -> Result<Held, Refusal> {
    let lock = match lock_in(places.run_dir(), true, &lock_path(&places)).await {
        Ok(Some(lock)) => lock,
        Ok(None) => return Err(Refusal::Runs(None)),
        Err(LockError::Unsafe(error)) => return Err(Refusal::Unknown(error.to_string())),
        Err(LockError::Failed(error)) => {
            let what = "cannot be locked, so that nobody can tell whether its agent still runs";
            return Err(Refusal::Unknown(format!("{} {what}: {error}", places.run_dir().display())));
        }
    };
    // On a network file system, the host of an agent that could not lock is another one, and may be alive.
    if places.former_id.is_none() {
        let (path, us) = (owner_path(&places), us.clone());
        let elsewhere = bounded(FILE_LIMIT, move || owner_file::may_live_elsewhere(&path, &us)).await;
        if !matches!(elsewhere, Ok(false)) {
            let path = owner_path(&places);
            let what = "its agent may still run there: stop it; if that host is gone, remove";
            return Err(Refusal::Unknown(format!("{what} {}", path.display())));
        }
    }
    match write_owner(&places, us.clone().with_lock()).await {
        Ok(Some(owner)) => Err(Refusal::Runs(Some(owner))),
        Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => Err(Refusal::Runs(None)),
        // The lock is enough for everybody who can lock.
        Ok(None) | Err(_) => Ok(Held { places, us, lock: Some(lock) }),
    }
}

/// Moves the records of this host from its id of earlier versions to the one of now, where there are none yet. Another
/// agent is returned if one of an earlier version still serves them.
///
/// # Errors
/// Such an agent owns them and cannot be reached.
pub(super) async fn inherit(places: &Places) -> Result<Option<Running>, AgentError> {
    let Some(former) = &places.former_id else { return Ok(None) };
    let old = places_of(places, former);
    let us = Owner::this_process().map_err(AgentError::internal)?;
    let deadline = Instant::now() + STOPPING_LIMIT;
    loop {
        let looked = places.clone();
        if !bounded(FILE_LIMIT, move || Ok(other_hosts::has_former(&looked))).await.unwrap_or(false) {
            return Ok(None);
        }
        let owner = match hold(old.clone(), us.clone()).await {
            Ok(_held) => {
                let (new, former) = (places.clone(), former.clone());
                match bounded(FILE_LIMIT, move || other_hosts::move_former(&new, &former)).await {
                    Ok(()) => {
                        tracing::info!(former = %old.host_id, "the sessions of this host have a lasting id now")
                    }
                    Err(error) => {
                        tracing::warn!(%error, former = %old.host_id, "sessions were left under an earlier id")
                    }
                }
                return Ok(None);
            }
            Err(Refusal::Unknown(why)) => {
                tracing::warn!(why, former = %old.host_id, "sessions were left under an earlier id");
                return Ok(None);
            }
            Err(Refusal::Runs(owner)) => owner,
        };
        if let Some(running) = Running::find(old.agent_json()).await {
            return Ok(Some(running));
        }
        if Instant::now() >= deadline {
            let running = Running::read(old.agent_json()).await;
            return Err(held_in_silence(&lock_path(&old), owner.as_ref(), running));
        }
        sleep(POLL).await;
    }
}

/// The other hosts of these places.
pub(super) struct Neighbours(pub(super) Places);

#[async_trait]
impl OtherHosts for Neighbours {
    async fn hold(&self, host: &str) -> Result<Hold, String> {
        let us = Owner::this_process().map_err(|error| error.to_string())?;
        let theirs = places_of(&self.0, host);
        let agent_json = theirs.agent_json();
        match hold(theirs, us).await {
            Ok(held) => Ok(Box::new(held)),
            Err(Refusal::Unknown(why)) => Err(why),
            Err(Refusal::Runs(owner)) => {
                let running = Running::read(agent_json).await.map(|running| running.pid);
                let pid = running.or(owner.map(|owner| owner.pid()));
                let who = pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
                Err(format!(
                    "its agent{who} runs: it keeps its sessions; stop it there with 'seqera agent stop'"
                ))
            }
        }
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests;
