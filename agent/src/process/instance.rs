//! One agent per user, host and configuration folder: two would spend one refresh token, and the provider
//! would end the session of both.
//!
//! Who owns the sessions is decided in the folder that holds the truth about them, and depends on no variable:
//! the lock on `run/<host id>/agent.lock`, held for the agent's life and released last, and the owner file
//! beside it, which decides alone where the file system cannot lock. `agent.json` names the agent, so that others
//! find it whatever their runtime folder is. Where the folder cannot be written, the agent serves and spends
//! nothing that is stored: whoever owns the session may be on the other side of a read-only mount.
//!
//! The file is longer than others because the whole question of who is the owner is answered here.
//!
//! Home folders on network file systems can hang: every access has a limit.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use seqera_agent_proto::files::{self, Writer};
use seqera_agent_proto::place::Places;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use crate::error::{AgentError, ErrorKind};
use crate::foreign::Label;
use crate::process::owner_file::{self, Owner};
use crate::sessions::shared;
use crate::socket::system;
use crate::storage::folder::{self, FolderError};

/// `agent.json` has some hundred bytes.
const LARGEST: u64 = 64 * 1024;

/// A local file system answers in microseconds; one that takes longer than this hangs.
pub(super) const FILE_LIMIT: Duration = Duration::from_secs(2);
/// A stopping agent waits so long for a running renewal ([Stopping](crate::manual::socket#stopping)).
pub(crate) const STOPPING_LIMIT: Duration = Duration::from_secs(20);
/// Between two looks at a lock that somebody holds.
pub(super) const POLL: Duration = Duration::from_millis(50);

/// The agent that runs, as `agent.json` names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Running {
    /// Process id.
    pub pid: u32,
    /// Version of its program.
    pub version: Label,
    /// Where it serves.
    pub socket: PathBuf,
    /// It has been told to stop, and will release the lock.
    #[serde(default)]
    pub stopping: bool,
    /// The process, for those who cannot lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
}

impl Running {
    /// The agent that `agent_json` names, if it serves now.
    pub(crate) async fn find(agent_json: PathBuf) -> Option<Self> {
        let running = Self::read(agent_json).await?;
        (!running.stopping && system::serves(&running.socket).await).then_some(running)
    }

    pub(super) async fn read(path: PathBuf) -> Option<Self> {
        let bytes = bounded(FILE_LIMIT, move || files::read(&path, LARGEST, Writer::Program)).await.ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}

/// What makes this process the owner of the sessions, or keeps it from being one.
#[derive(Debug)]
enum Hold {
    /// The locked file.
    Lock(File),
    /// The file system cannot lock; the owner file is ours.
    OwnerFile,
    /// Neither can be had: nothing that is stored may be spent, for this reason. A lock beside the socket keeps
    /// two such agents from serving one runtime folder.
    Nothing { why: String, _beside: Option<File> },
}

/// What became of one attempt to own the sessions.
enum Attempt {
    Ours(Hold),
    /// Somebody else owns them, or is about to.
    Taken(Option<Owner>),
}

/// How things stand when somebody looks whether this process still owns the sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It does.
    Owner,
    /// It does not, for this reason, and serves what it has in memory.
    Guest(String),
    /// Another process has become the owner.
    Lost(String),
}

/// The claim of this process to the sessions of its folder.
#[derive(Debug)]
pub(crate) struct Ownership {
    places: Places,
    us: Owner,
    hold: Mutex<Hold>,
}

impl Ownership {
    /// Looks whether what this process holds is still the file at its path, since a folder can be removed under
    /// an agent that runs. If not, it takes the file again, unless somebody else has done so.
    pub(crate) async fn confirm(&self) -> Standing {
        let mut hold = self.hold.lock().await;
        match self.holds(&hold).await {
            Ok(true) => return Standing::Owner,
            Ok(false) => {}
            // A file system that does not answer says nothing about who owns the sessions.
            Err(error) => {
                tracing::warn!(%error, "it cannot be seen who owns the sessions");
                return match &*hold {
                    Hold::Nothing { why, .. } => Standing::Guest(why.clone()),
                    Hold::Lock(_) | Hold::OwnerFile => Standing::Owner,
                };
            }
        }
        match (attempt(&self.places, &self.us).await, &*hold) {
            (Ok(Attempt::Ours(Hold::Nothing { why, .. })), _) => Standing::Guest(why),
            (Ok(Attempt::Ours(again)), _) => {
                tracing::warn!("what made this agent the owner of the sessions was gone, and is taken again");
                *hold = again;
                Standing::Owner
            }
            (Ok(Attempt::Taken(_)) | Err(_), Hold::Nothing { why, .. }) => Standing::Guest(why.clone()),
            (Ok(Attempt::Taken(owner)), _) => Standing::Lost(another(owner.as_ref())),
            (Err(error), _) => Standing::Guest(error.to_string()),
        }
    }

    /// True while the file at the path is the one that is held.
    async fn holds(&self, hold: &Hold) -> io::Result<bool> {
        let path = lock_path(&self.places);
        match hold {
            Hold::Lock(file) => {
                let held = file.try_clone()?;
                bounded(FILE_LIMIT, move || is_at(&held, &path)).await
            }
            Hold::OwnerFile => {
                let (path, us) = (owner_path(&self.places), self.us.clone());
                bounded(FILE_LIMIT, move || owner_file::is_ours(&path, &us)).await
            }
            Hold::Nothing { .. } => Ok(false),
        }
    }
}

#[async_trait]
impl shared::Ownership for Ownership {
    async fn may_spend(&self) -> Result<(), String> {
        match self.confirm().await {
            Standing::Owner => Ok(()),
            Standing::Guest(why) | Standing::Lost(why) => Err(why),
        }
    }
}

fn another(owner: Option<&Owner>) -> String {
    let who = owner.map(|owner| format!(" (pid {})", owner.pid())).unwrap_or_default();
    format!("another agent{who} owns the sessions of this folder now")
}

/// Whether a removed file still lies at its path under another name is nobody's question: a lock counts only
/// where others would look for it.
#[cfg(unix)]
fn is_at(held: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let held = held.metadata()?;
    match path.symlink_metadata() {
        Ok(found) => Ok((found.dev(), found.ino()) == (held.dev(), held.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// A file that is open and locked cannot be replaced.
#[cfg(windows)]
fn is_at(_: &File, path: &Path) -> io::Result<bool> {
    path.try_exists()
}

/// The right to be the agent of these places.
#[derive(Debug)]
pub(crate) struct Instance {
    /// Whether the sessions are this agent's.
    pub ownership: Arc<Ownership>,
    agent_json: PathBuf,
    running: Running,
    /// What the user should know of it, if anything.
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

/// Becomes the agent of these places, or finds the one that is. Waits for one that starts or stops. `inherited` is the
/// locked file of an earlier program of this process.
///
/// # Errors
/// Where a folder is not safe, or the owner of the sessions does not serve in time.
pub(crate) async fn claim(places: &Places, inherited: Option<File>) -> Result<Claim, AgentError> {
    let deadline = Instant::now() + STOPPING_LIMIT;
    let us = Owner::this_process().map_err(AgentError::internal)?;
    if let Some(lock) = inherited
        && let Some(lock) = still_held(places, lock).await
        && matches!(write_owner(places, us.clone().with_lock()).await, Ok(None) | Err(_))
    {
        return Ok(Claim::Ours(Instance::new(places, us, Hold::Lock(lock))));
    }
    loop {
        let owner = match attempt(places, &us).await? {
            Attempt::Ours(hold) => return Ok(Claim::Ours(Instance::new(places, us, hold))),
            Attempt::Taken(owner) => owner,
        };
        for agent_json in [Some(places.agent_json()), agent_json_beside(places)].into_iter().flatten() {
            if let Some(running) = Running::find(agent_json).await {
                return Ok(Claim::Theirs(running));
            }
        }
        if Instant::now() >= deadline {
            let running = Running::read(places.agent_json()).await;
            return Err(held_in_silence(&lock_path(places), owner.as_ref(), running));
        }
        sleep(POLL).await;
    }
}

/// The lock that an earlier program of this process has held without a gap, if it is still where others look for it.
async fn still_held(places: &Places, lock: File) -> Option<File> {
    let path = lock_path(places);
    let looked = bounded(FILE_LIMIT, move || {
        let is_held = is_at(&lock, &path)? && lock.try_lock().is_ok();
        Ok(is_held.then_some(lock))
    });
    looked.await.ok().flatten()
}

pub(super) fn lock_path(places: &Places) -> PathBuf {
    places.run_dir().join("agent.lock")
}

pub(super) fn owner_path(places: &Places) -> PathBuf {
    places.run_dir().join("agent.owner")
}

/// What lies in the run folder is on the file system that has just failed.
fn lock_beside(places: &Places) -> Option<PathBuf> {
    let run_dir = places.run_dir();
    let outside = places.sockets.iter().find(|socket| !socket.starts_with(&run_dir));
    outside.map(|socket| socket.with_extension("lock"))
}

fn agent_json_beside(places: &Places) -> Option<PathBuf> {
    lock_beside(places).map(|lock| lock.with_extension("json"))
}

/// Tries once to own the sessions of these places.
async fn attempt(places: &Places, us: &Owner) -> Result<Attempt, AgentError> {
    let unlocked = match lock_in(places.run_dir(), true, &lock_path(places)).await {
        Ok(None) => return Ok(Attempt::Taken(None)),
        Ok(Some(lock)) => {
            return Ok(match write_owner(places, us.clone().with_lock()).await {
                Ok(Some(owner)) => Attempt::Taken(Some(owner)),
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => Attempt::Taken(None),
                // The lock is enough for everybody who can lock.
                Ok(None) | Err(_) => Attempt::Ours(Hold::Lock(lock)),
            });
        }
        Err(LockError::Unsafe(error)) => return Err(not_private(&error)),
        Err(LockError::Failed(error)) => error,
    };
    // Whoever could lock has written this; whoever could not has made the owner file.
    if let Some(owner) = Running::read(places.agent_json()).await.and_then(|running| running.owner)
        && owner.lives(us)
        && !owner.is_same(us)
    {
        return Ok(Attempt::Taken(Some(owner)));
    }
    match write_owner(places, us.clone()).await {
        Ok(None) => Ok(Attempt::Ours(Hold::OwnerFile)),
        Ok(Some(owner)) => Ok(Attempt::Taken(Some(owner))),
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => Ok(Attempt::Taken(None)),
        Err(error) => without_folder(places, &unlocked, &error).await,
    }
}

pub(super) async fn write_owner(places: &Places, us: Owner) -> io::Result<Option<Owner>> {
    let path = owner_path(places);
    bounded(FILE_LIMIT, move || owner_file::claim(&path, &us)).await
}

/// The folder can be neither locked nor written.
async fn without_folder(
    places: &Places,
    unlocked: &io::Error,
    unwritten: &io::Error,
) -> Result<Attempt, AgentError> {
    tracing::debug!(%unlocked, %unwritten, "the sessions cannot be owned");
    let why = format!("{} cannot be written: {unwritten}", places.run_dir().display());
    let Some(beside) = lock_beside(places) else {
        return Ok(Attempt::Ours(Hold::Nothing { why, _beside: None }));
    };
    let folder = beside.parent().map(Path::to_owned).unwrap_or_default();
    match lock_in(folder, false, &beside).await {
        Ok(Some(lock)) => Ok(Attempt::Ours(Hold::Nothing { why, _beside: Some(lock) })),
        Ok(None) => Ok(Attempt::Taken(None)),
        Err(LockError::Unsafe(error)) => Err(not_private(&error)),
        Err(LockError::Failed(_)) => Ok(Attempt::Ours(Hold::Nothing { why, _beside: None })),
    }
}

pub(super) enum LockError {
    Unsafe(FolderError),
    Failed(io::Error),
}

pub(super) async fn lock_in(dir: PathBuf, parents: bool, path: &Path) -> Result<Option<File>, LockError> {
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
pub(super) async fn bounded<T: Send + 'static>(
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
    fn new(places: &Places, us: Owner, hold: Hold) -> Self {
        let run_dir = places.run_dir();
        let (problem, agent_json) = match &hold {
            Hold::Lock(_) => (None, places.agent_json()),
            Hold::OwnerFile => {
                let what = "cannot be locked; the file agent.owner says who owns the sessions";
                (Some(format!("{} {what}", run_dir.display())), places.agent_json())
            }
            Hold::Nothing { why, .. } => {
                let what = format!("{why}; no stored session is renewed from here");
                (Some(what), agent_json_beside(places).unwrap_or_else(|| places.agent_json()))
            }
        };
        let owner = !matches!(hold, Hold::Nothing { .. });
        let running = Running {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").into(),
            socket: PathBuf::new(),
            stopping: false,
            owner: owner.then(|| us.clone()),
        };
        let ownership = Ownership { places: places.clone(), us, hold: Mutex::new(hold) };
        Self { ownership: Arc::new(ownership), agent_json, running, problem }
    }

    /// The locked file, for the program that goes on in this process.
    #[cfg(unix)]
    pub(crate) async fn lock_to_hand_on(&self) -> Option<std::os::fd::OwnedFd> {
        match &*self.ownership.hold.lock().await {
            Hold::Lock(file) => file.try_clone().ok().map(Into::into),
            Hold::OwnerFile | Hold::Nothing { .. } => None,
        }
    }

    /// Where others find this agent.
    pub(crate) fn agent_json(&self) -> &Path {
        &self.agent_json
    }

    /// Looks whether this agent still owns its sessions, and writes `agent.json` again where it has gone.
    pub(crate) async fn look_after(&self) -> Standing {
        let standing = self.ownership.confirm().await;
        let path = self.agent_json.clone();
        let exists = bounded(FILE_LIMIT, move || path.try_exists()).await;
        if standing == Standing::Owner && matches!(exists, Ok(false)) {
            self.write().await;
        }
        standing
    }

    /// Tells others where this agent serves. A failure is logged: the socket is found without it.
    pub(crate) async fn announce(&mut self, socket: &Path) {
        socket.clone_into(&mut self.running.socket);
        self.write().await;
    }

    /// Tells those who start that the lock will be released.
    pub(crate) async fn announce_stopping(&mut self) {
        self.running.stopping = true;
        let hold = self.ownership.hold.lock().await;
        if self.files_are_ours(&hold).await {
            self.write().await;
        }
    }

    /// False where the files are another agent's by now.
    async fn files_are_ours(&self, hold: &Hold) -> bool {
        matches!(self.ownership.holds(hold).await, Ok(true)) || matches!(hold, Hold::Nothing { .. })
    }

    async fn write(&self) {
        let path = self.agent_json.clone();
        let json = serde_json::to_vec(&self.running);
        let written = bounded(FILE_LIMIT, move || replace(&path, &json.map_err(io::Error::other)?)).await;
        if let Err(error) = written {
            tracing::warn!(%error, path = %self.agent_json.display(), "agent.json was not written");
        }
    }

    /// Gives up the right to be the agent. The last thing that a stopping agent does: the lock goes with it.
    pub(crate) async fn release(self) {
        let hold = self.ownership.hold.lock().await;
        if !self.files_are_ours(&hold).await {
            return;
        }
        let (json, owner, us) =
            (self.agent_json, owner_path(&self.ownership.places), self.ownership.us.clone());
        let _ = bounded(FILE_LIMIT, move || {
            owner_file::release(&owner, &us);
            std::fs::remove_file(json)
        })
        .await;
    }
}

/// Readers see the old file or the new one. It need not survive a crash of the host.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("json.new");
    // Whatever is there was left by an agent that was killed, or put there by somebody else.
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private_file().create_new(true).open(&new)?;
    io::Write::write_all(&mut file, content)?;
    std::fs::rename(&new, path)
}

/// A link is not followed: none of ours is one.
fn private_file() -> std::fs::OpenOptions {
    let mut options = File::options();
    options.read(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600).custom_flags(files::WITHOUT_FOLLOWING);
    }
    options
}

fn not_private(error: &FolderError) -> AgentError {
    AgentError::new(ErrorKind::Misconfigured, error.to_string(), "the folder must be yours alone (mode 0700)")
}

pub(super) fn held_in_silence(lock: &Path, owner: Option<&Owner>, running: Option<Running>) -> AgentError {
    let who = match (running, owner) {
        (Some(running), _) => format!(" (pid {}, version {})", running.pid, running.version),
        (None, Some(owner)) => format!(" (pid {})", owner.pid()),
        (None, None) => String::new(),
    };
    let message = format!("another agent{who} holds {} and cannot be reached", lock.display());
    let hint = "end that process, which may be in another container, then try again";
    AgentError::new(ErrorKind::Internal, message, hint)
}

#[cfg(unix)]
#[cfg(test)]
pub(in crate::process) mod tests;
