//! One agent per user, host and configuration folder: two would spend one refresh token, and the provider
//! would end the session of both.
//!
//! The lock on `run/<host id>/agent.lock` is held for the agent's life and released last. `agent.json`
//! beside it names the agent, so that others find it whatever their runtime folder is. Home folders on
//! network file systems can refuse to lock, or hang: every access has a limit, and the lock moves beside
//! the socket.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use seqera_agent_proto::place::Places;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout};

use crate::error::{AgentError, ErrorKind};
use crate::socket::system;
use crate::storage::folder::{self, FolderError};

/// A local file system answers in microseconds; one that takes longer than this hangs.
const FILE_LIMIT: Duration = Duration::from_secs(2);
/// A stopping agent waits so long for a running renewal ([Stopping](crate::manual::socket#stopping)).
pub(crate) const STOPPING_LIMIT: Duration = Duration::from_secs(20);
/// Between two looks at a lock that somebody holds.
const POLL: Duration = Duration::from_millis(50);

/// The agent that runs, as `agent.json` names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Running {
    /// Process id.
    pub pid: u32,
    /// Version of its program.
    pub version: String,
    /// Where it serves.
    pub socket: PathBuf,
    /// It has been told to stop, and will release the lock.
    #[serde(default)]
    pub stopping: bool,
}

impl Running {
    /// The agent that `agent_json` names, if it serves now.
    pub(crate) async fn find(agent_json: PathBuf) -> Option<Self> {
        let running = Self::read(agent_json).await?;
        (!running.stopping && system::serves(&running.socket).await).then_some(running)
    }

    async fn read(path: PathBuf) -> Option<Self> {
        let bytes = bounded(FILE_LIMIT, move || std::fs::read(path)).await.ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}

/// The right to be the agent of these places.
#[derive(Debug)]
pub(crate) struct Instance {
    /// Locked until it is dropped.
    _lock: File,
    agent_json: PathBuf,
    running: Running,
    /// What the user should know of the lock, if anything.
    pub problem: Option<String>,
}

/// What came of the wish to be the agent.
#[derive(Debug)]
pub(crate) enum Claim {
    /// This process is.
    Ours(Instance),
    /// Another one is, and serves.
    Theirs(Running),
}

/// Becomes the agent of these places, or finds the one that is. Waits for one that starts or stops.
///
/// # Errors
/// Where a folder is not safe, nothing can be locked, or the lock's holder does not serve in time.
pub(crate) async fn claim(places: &Places) -> Result<Claim, AgentError> {
    let deadline = Instant::now() + STOPPING_LIMIT;
    let place = LockPlace::choose(places).await?;
    // `agent.json`, wherever the lock is.
    let agent_json = place.path.with_extension("json");
    let mut attempt = place.first;
    loop {
        if let Some(lock) = attempt {
            return Ok(Claim::Ours(Instance::new(lock, agent_json, place.problem)));
        }
        if let Some(running) = Running::find(agent_json.clone()).await {
            return Ok(Claim::Theirs(running));
        }
        if Instant::now() >= deadline {
            return Err(held_in_silence(&place.path, Running::read(agent_json).await));
        }
        sleep(POLL).await;
        attempt = try_lock(&place.path).await.map_err(|error| unlockable(&place.path, &error))?;
    }
}

/// The file that is locked, found by the first attempt to lock it.
struct LockPlace {
    path: PathBuf,
    /// `None`: somebody holds it.
    first: Option<File>,
    problem: Option<String>,
}

impl LockPlace {
    async fn choose(places: &Places) -> Result<Self, AgentError> {
        let run_dir = places.run_dir();
        let path = run_dir.join("agent.lock");
        let why = match lock_in(run_dir.clone(), true, &path).await {
            Ok(first) => return Ok(Self { path, first, problem: None }),
            Err(LockError::Unsafe(error)) => return Err(not_private(&error)),
            Err(LockError::Failed(error)) => error,
        };
        let mut last = unlockable(&path, &why);
        // What lies in the run folder is on the file system that has just failed.
        for beside in places.sockets.iter().filter(|socket| !socket.starts_with(&run_dir)) {
            let (dir, beside) = (beside.parent().map(Path::to_owned), beside.with_extension("lock"));
            match lock_in(dir.unwrap_or_default(), false, &beside).await {
                Ok(first) => {
                    let problem = format!(
                        "{}: cannot be locked ({why}); {} is locked instead, which other hosts do not see",
                        path.display(),
                        beside.display()
                    );
                    return Ok(Self { path: beside, first, problem: Some(problem) });
                }
                Err(LockError::Unsafe(error)) => return Err(not_private(&error)),
                Err(LockError::Failed(error)) => last = unlockable(&beside, &error),
            }
        }
        Err(last)
    }
}

enum LockError {
    Unsafe(FolderError),
    Failed(io::Error),
}

async fn lock_in(dir: PathBuf, parents: bool, path: &Path) -> Result<Option<File>, LockError> {
    let checked = bounded(FILE_LIMIT, move || Ok(folder::private(&dir, parents))).await;
    match checked.map_err(LockError::Failed)? {
        Ok(()) => try_lock(path).await.map_err(LockError::Failed),
        Err(FolderError::Failed { error, .. }) => Err(LockError::Failed(error)),
        Err(error) => Err(LockError::Unsafe(error)),
    }
}

/// The locked file; `None` where somebody else holds it. The file is never removed: a lock on a removed
/// file would not be seen by the next one who makes it.
async fn try_lock(path: &Path) -> io::Result<Option<File>> {
    let path = path.to_owned();
    bounded(FILE_LIMIT, move || {
        let file = private_file().create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    })
    .await
}

/// Runs `work` on a thread of its own, since no call to a file system that hangs can be ended. What comes
/// after the limit is dropped there.
async fn bounded<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (done, result) = tokio::sync::oneshot::channel();
    std::thread::Builder::new().name("file".into()).spawn(move || {
        let _ = done.send(work());
    })?;
    match timeout(limit, result).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(io::Error::other("the thread ended")),
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the file system does not answer")),
    }
}

impl Instance {
    fn new(lock: File, agent_json: PathBuf, problem: Option<String>) -> Self {
        let running = Running {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            socket: PathBuf::new(),
            stopping: false,
        };
        Self { _lock: lock, agent_json, running, problem }
    }

    /// Tells others where this agent serves. A failure is logged: the socket is found without it.
    pub(crate) async fn announce(&mut self, socket: &Path) {
        socket.clone_into(&mut self.running.socket);
        self.write().await;
    }

    /// Tells those who start that the lock will be released.
    pub(crate) async fn announce_stopping(&mut self) {
        self.running.stopping = true;
        self.write().await;
    }

    async fn write(&self) {
        let path = self.agent_json.clone();
        let json = serde_json::to_vec(&self.running);
        let written = bounded(FILE_LIMIT, move || replace(&path, &json.map_err(io::Error::other)?)).await;
        if let Err(error) = written {
            tracing::warn!(%error, path = %self.agent_json.display(), "agent.json was not written");
        }
    }

    /// Gives up the right to be the agent. The last thing that a stopping agent does.
    pub(crate) async fn release(self) {
        let path = self.agent_json.clone();
        let _ = bounded(FILE_LIMIT, move || std::fs::remove_file(path)).await;
    }
}

/// Readers see the old file or the new one. It need not survive a crash of the host.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("json.new");
    let mut file = private_file().create(true).truncate(true).open(&new)?;
    io::Write::write_all(&mut file, content)?;
    std::fs::rename(&new, path)
}

fn private_file() -> std::fs::OpenOptions {
    let mut options = File::options();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn not_private(error: &FolderError) -> AgentError {
    AgentError::new(ErrorKind::Misconfigured, error.to_string(), "the folder must be yours alone (mode 0700)")
}

fn unlockable(path: &Path, error: &io::Error) -> AgentError {
    let message = format!("{} cannot be locked: {error}", path.display());
    let hint = "set SEQERA_CLI_CONFIG_DIR to a folder of a file system that can lock files";
    AgentError::new(ErrorKind::Misconfigured, message, hint)
}

fn held_in_silence(lock: &Path, holder: Option<Running>) -> AgentError {
    let who = holder.map(|running| format!(" (pid {}, version {})", running.pid, running.version));
    let message =
        format!("another agent{} holds {} and does not serve", who.unwrap_or_default(), lock.display());
    AgentError::new(ErrorKind::Internal, message, "end that process, then try again")
}

#[cfg(unix)]
#[cfg(test)]
mod tests;
