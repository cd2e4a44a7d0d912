//! Finds the agent's socket, rejects one that could be somebody else's, and connects.
//!
//! The threat: another local user creates a folder or a socket where ours would be (CVE-2014-2905), receives
//! our requests, and answers with tokens of their own. So the folder must belong to this user alone, and so
//! must the process at the other end, whatever the path says.

use std::path::{Path, PathBuf};

use seqera_agent_proto::files::{self, Writer};
use seqera_agent_proto::place::Places;
use serde::Deserialize;
use tokio::time::Instant;

use crate::error::Error;

mod miss;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

pub(crate) use self::miss::Miss;
#[cfg(unix)]
use self::unix as system;
#[cfg(windows)]
use self::windows as system;

/// `agent.json` has three short fields; a longer file is something else.
const AGENT_JSON_MAX: u64 = 4096;

/// A connected socket whose other end belongs to this user.
pub(crate) struct Found {
    pub(crate) stream: system::Stream,
    /// The index of the socket among the candidates.
    pub(crate) place: usize,
    pub(crate) socket: PathBuf,
}

/// Tries the candidates in order, starting with number `from`, until one accepts the connection.
///
/// A place that cannot be trusted ends the search only if it is the first, because an agent would be started
/// there. A later one is skipped, and so is one that another user has made, as the agent does: they must not be
/// able to lock this user out.
pub(crate) fn search(places: &Places, from: usize, deadline: Instant) -> Result<Found, Miss> {
    for (place, socket) in candidates(places).into_iter().enumerate().skip(from) {
        match dial(&socket, deadline) {
            Ok(stream) => return Ok(Found { stream, place, socket }),
            Err(Miss::Nobody) => {}
            Err(Miss::Failed(Error::Distrusted { .. })) if place > 0 => {}
            Err(Miss::Failed(Error::Distrusted { .. }))
                if !places.socket_is_chosen && system::is_squatted(&socket) => {}
            Err(failed) => return Err(failed),
        }
    }
    Err(Miss::Nobody)
}

/// The socket at the first place, for calls that block; `None` if it is not there or cannot be used.
#[cfg(target_os = "linux")]
pub(crate) fn first_blocking(
    places: &Places,
    wait: std::time::Duration,
) -> Option<std::os::unix::net::UnixStream> {
    system::dial_blocking(places.sockets.first()?, wait).ok()
}

/// Connects to one socket. Blocks while the agent's backlog is full, but not beyond the deadline.
pub(crate) fn dial(socket: &Path, deadline: Instant) -> Result<system::Stream, Miss> {
    system::dial(socket, deadline.saturating_duration_since(Instant::now()))
}

/// The computed places, then the socket that a running agent has recorded, since it may have been started
/// with another runtime folder. A socket that the user chose is the only candidate.
fn candidates(places: &Places) -> Vec<PathBuf> {
    let mut sockets = places.sockets.clone();
    if !places.socket_is_chosen {
        sockets.extend(recorded(places).filter(|socket| !places.sockets.contains(socket)));
    }
    sockets
}

/// What a running agent writes about itself.
#[derive(Deserialize)]
struct Record {
    socket: PathBuf,
    #[serde(default)]
    pid: u32,
}

/// `agent.json`; `None` if the file is missing or makes no sense.
fn record(places: &Places) -> Option<Record> {
    // An agent of an earlier version may still run under its id of then.
    let folders = [Some(places.run_dir()), places.former_run_dir()].into_iter().flatten();
    let read =
        |folder: PathBuf| files::read(&folder.join("agent.json"), AGENT_JSON_MAX, Writer::Program).ok();
    let text = folders.filter_map(read).next()?;
    serde_json::from_slice(&text).ok()
}

fn recorded(places: &Places) -> Option<PathBuf> {
    record(places).map(|record| record.socket).filter(|socket| socket.is_absolute())
}

/// The process that serves these places, by its own word.
pub(crate) fn recorded_pid(places: &Places) -> Option<u32> {
    record(places).map(|record| record.pid).filter(|pid| *pid > 0)
}

/// Where the agent listens or would listen, worked out without connecting.
pub(crate) fn expected_socket(places: &Places) -> Option<PathBuf> {
    let noted = (!places.socket_is_chosen).then(|| recorded(places)).flatten();
    noted.filter(|socket| socket.symlink_metadata().is_ok()).or_else(|| places.sockets.first().cloned())
}

#[cfg(unix)]
#[cfg(test)]
mod tests;
