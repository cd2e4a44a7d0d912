//! The owner file, `agent.owner` beside `agent.lock`: it says which process owns the sessions of this folder, on
//! file systems that cannot lock (NFS without a lock daemon) as well as on those that can.
//!
//! It is made by link(2), which fails where the name exists, so that only one of many processes succeeds. Its
//! writer is judged by process id and start time: it counts as gone only if that very process has ended, or the
//! machine has been restarted since. A process in another pid namespace cannot be seen, and counts as alive.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use seqera_agent_proto::files::{self, Writer};
use serde::{Deserialize, Serialize};

use crate::leases::program::{Programs, SystemPrograms};
use crate::process::system;
use crate::storage::record::Program;

/// A file that somebody is still writing is at most this old; a broken one that is older was left by a crash.
const WRITING: Duration = Duration::from_secs(10);

/// Stale files that are taken away before the attempt is given up: somebody else is faster each time.
const ATTEMPTS: u32 = 5;

/// A process that owns sessions, told apart from a later one of the same number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    /// Process id and start time.
    #[serde(flatten)]
    program: Program,
    /// The pid namespace, as the system names it; empty where there is no such thing.
    #[serde(default)]
    namespace: String,
    /// It holds the lock as well: whoever gets the lock knows that this process has ended.
    #[serde(default)]
    locked: bool,
}

impl Owner {
    /// This process.
    ///
    /// # Errors
    /// Where the system does not say when this process started.
    pub(super) fn this_process() -> io::Result<Self> {
        let program = SystemPrograms.identify(std::process::id())?;
        Ok(Self { program, namespace: system::pid_namespace(), locked: false })
    }

    /// The same process, which holds the lock as well.
    pub(super) fn with_lock(self) -> Self {
        Self { locked: true, ..self }
    }

    /// The process id, for people.
    pub(super) fn pid(&self) -> u32 {
        self.program.pid
    }

    /// True for the same process, whatever it has locked.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.program == other.program && self.namespace == other.namespace
    }

    /// True while the file of this process keeps `us` from owning. Whoever has the lock knows that an earlier
    /// holder of it has ended.
    fn owns_against(&self, us: &Self) -> bool {
        self.lives(us) && !(self.locked && us.locked)
    }

    /// False only where the process has ended for certain. `here` is the process that asks.
    pub(super) fn lives(&self, here: &Self) -> bool {
        if boot(&self.program) != boot(&here.program) {
            return false;
        }
        if self.namespace != here.namespace {
            return true;
        }
        match SystemPrograms.identify(self.program.pid) {
            Ok(now) => now == self.program,
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    }
}

/// Which boot of the machine a start time belongs to, where it says so.
fn boot(program: &Program) -> Option<&str> {
    program.started.rsplit_once('@').map(|(_, boot)| boot)
}

/// Makes `path` the file of `us`, unless another process that lives has done so: that one comes back. Blocks on
/// the file system.
///
/// # Errors
/// What the file system says, a folder that cannot be written above all.
pub(super) fn claim(path: &Path, us: &Owner) -> io::Result<Option<Owner>> {
    for _ in 0..ATTEMPTS {
        if make(path, us)? {
            return Ok(None);
        }
        match read(path)? {
            Content::Missing => {}
            Content::Of(owner) if owner.is_same(us) => return replace(path, us).map(|()| None),
            Content::Of(owner) if owner.owns_against(us) => return Ok(Some(owner)),
            Content::BeingWritten => return Err(io::ErrorKind::ResourceBusy.into()),
            Content::Of(_) | Content::Broken => take_away(path, us)?,
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

/// True while the file names `us`. Blocks on the file system.
///
/// # Errors
/// What the file system says; a missing file is no error.
pub(super) fn is_ours(path: &Path, us: &Owner) -> io::Result<bool> {
    Ok(matches!(read(path)?, Content::Of(owner) if owner.is_same(us)))
}

/// True if the file names a process that could not lock and of which nobody here can say whether it lives: that of
/// another host, or of an earlier boot. Blocks on the file system.
///
/// # Errors
/// What the file system says; a missing file is no error.
pub(super) fn may_live_elsewhere(path: &Path, us: &Owner) -> io::Result<bool> {
    Ok(match read(path)? {
        Content::Missing | Content::Broken => false,
        Content::BeingWritten => true,
        Content::Of(owner) => !owner.locked && boot(&owner.program) != boot(&us.program),
    })
}

/// Removes the file if it names `us`. Blocks on the file system.
pub(super) fn release(path: &Path, us: &Owner) {
    if is_ours(path, us).unwrap_or(false) {
        let _ = fs::remove_file(path);
    }
}

/// An owner file has some hundred bytes.
const LARGEST: u64 = 64 * 1024;

enum Content {
    Missing,
    Of(Owner),
    BeingWritten,
    /// Nobody can say whose it is.
    Broken,
}

fn read(path: &Path) -> io::Result<Content> {
    let bytes = match files::read(path, LARGEST, Writer::Program) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Content::Missing),
        Err(error) => return Err(error),
    };
    match serde_json::from_slice(&bytes) {
        Ok(owner) => Ok(Content::Of(owner)),
        Err(_) => Ok(if is_old(path)? { Content::Broken } else { Content::BeingWritten }),
    }
}

/// Older than anything that somebody is still writing; false for what has gone meanwhile. Both times are the
/// file system's own, so that a clock that is off does no harm.
fn is_old(path: &Path) -> io::Result<bool> {
    let now = probe_time(path)?;
    let written = match fs::metadata(path) {
        Ok(found) => found.modified()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    Ok(now.duration_since(written).unwrap_or_default() >= WRITING)
}

/// Several may remove the same file at once, and it is gone for all of them.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// The time of the file system, by a file that is made for that.
fn probe_time(path: &Path) -> io::Result<std::time::SystemTime> {
    let probe = beside(path, "time")?;
    let made = private_new(&probe).and_then(|file| file.metadata()?.modified());
    let _ = fs::remove_file(&probe);
    made
}

/// False where the name exists.
fn make(path: &Path, us: &Owner) -> io::Result<bool> {
    let new = beside(path, "new")?;
    let made = write(&new, us).and_then(|()| link(&new, path));
    let _ = fs::remove_file(&new);
    match made {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) if has_no_links(&error) => make_exclusively(path, us),
        Err(error) => Err(error),
    }
}

/// FAT and some network file systems have no hard links; a new file is exclusive there all the same.
fn make_exclusively(path: &Path, us: &Owner) -> io::Result<bool> {
    match write(path, us) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn has_no_links(error: &io::Error) -> bool {
    // EPERM is what link(2) says where the file system has no hard links.
    matches!(
        error.kind(),
        io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied | io::ErrorKind::TooManyLinks
    )
}

/// An NFS server whose answer was lost has made the link all the same: the file then has two names.
fn link(new: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(new, path) {
        Err(_) if has_two_names(new) => Ok(()),
        made => made,
    }
}

#[cfg(unix)]
fn has_two_names(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).is_ok_and(|found| found.nlink() == 2)
}

#[cfg(windows)]
fn has_two_names(_: &Path) -> bool {
    false
}

/// Our own file with other content: what we hold has changed.
fn replace(path: &Path, us: &Owner) -> io::Result<()> {
    let new = beside(path, "new")?;
    write(&new, us)?;
    fs::rename(&new, path)
}

/// Removes the file of a process that has ended. One process at a time: a file that is in place is replaced by
/// nobody else, so that what was read is what is removed.
fn take_away(path: &Path, us: &Owner) -> io::Result<()> {
    let breaking = path.with_extension("owner.breaking");
    match private_new(&breaking) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // Whoever made it is at work, or has crashed in the midst of it.
            if is_old(&breaking)? {
                remove(&breaking)?;
            }
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        Err(error) => return Err(error),
    }
    let removed = match read(path) {
        Ok(Content::Of(owner)) if owner.owns_against(us) => Ok(()),
        Ok(Content::Missing | Content::BeingWritten) => Ok(()),
        Ok(Content::Of(_) | Content::Broken) => remove(path),
        Err(error) => Err(error),
    };
    let _ = fs::remove_file(&breaking);
    removed
}

fn write(path: &Path, us: &Owner) -> io::Result<()> {
    let json = serde_json::to_vec(us)?;
    let mut file = private_new(path)?;
    file.write_all(&json)?;
    file.sync_all()
}

fn private_new(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// A name that no other process uses.
fn beside(path: &Path, what: &str) -> io::Result<PathBuf> {
    let random = getrandom::u64().map_err(io::Error::other)?;
    Ok(path.with_extension(format!("owner.{what}-{random:016x}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn us() -> Owner {
        Owner::this_process().unwrap()
    }

    /// A process that has ended.
    fn gone() -> Owner {
        let mut owner = us();
        owner.program.started = format!("1@{}", boot(&owner.program).unwrap_or_default());
        owner
    }

    fn left(path: &Path, owner: &Owner) {
        fs::write(path, serde_json::to_vec(owner).unwrap()).unwrap();
    }

    #[test]
    fn the_first_one_owns_and_the_next_is_told_who() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.owner");
        assert_eq!(claim(&path, &us()).unwrap(), None);
        assert!(is_ours(&path, &us()).unwrap());
        // The same process again, with the lock by now.
        let locked = Owner { locked: true, ..us() };
        assert_eq!(claim(&path, &locked).unwrap(), None);
        // Process 1 lives.
        let other = Owner { program: SystemPrograms.identify(1).unwrap(), ..us() };
        left(&path, &other);
        assert_eq!(claim(&path, &us()).unwrap(), Some(other.clone()));
        release(&path, &us());
        assert!(path.exists(), "another's file was removed");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "something was left beside it");
    }

    #[test]
    fn only_a_process_that_has_ended_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.owner");
        left(&path, &gone());
        assert_eq!(claim(&path, &us()).unwrap(), None);
        // Seen from here nobody can say.
        let hidden = Owner { namespace: "pid:[1]".into(), ..gone() };
        left(&path, &hidden);
        assert_eq!(claim(&path, &us()).unwrap(), Some(hidden.clone()));
        // Before the machine was restarted, wherever it was.
        let mut earlier = hidden;
        earlier.program.started = "1@another-boot".into();
        left(&path, &earlier);
        assert_eq!(claim(&path, &us()).unwrap(), None);
    }

    #[test]
    fn who_has_the_lock_knows_that_its_earlier_holder_has_ended() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.owner");
        let hidden = Owner { namespace: "pid:[1]".into(), locked: true, ..gone() };
        left(&path, &hidden);
        assert_eq!(claim(&path, &us()).unwrap(), Some(hidden));
        assert_eq!(claim(&path, &Owner { locked: true, ..us() }).unwrap(), None);
    }

    #[test]
    fn one_that_is_being_written_is_nobodys_and_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.owner");
        fs::write(&path, "{\"pid\":").unwrap();
        assert_eq!(claim(&path, &us()).unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        let old = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        assert_eq!(claim(&path, &us()).unwrap(), None);
    }

    #[test]
    fn what_another_process_has_removed_meanwhile_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.owner.breaking");
        assert!(!is_old(&path).unwrap());
        remove(&path).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    /// A single round rarely catches a file that another process is removing.
    #[test]
    fn of_many_processes_one_gets_it() {
        for round in 0..30 {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("agent.owner");
            let mut earlier = us();
            earlier.program.started = "1@another-boot".into();
            left(&path, &earlier);
            // Threads of one process would all be the same owner: each plays a process by a namespace of its own.
            let claims: Vec<_> = (0..16)
                .map(|n| {
                    let (path, us) = (path.clone(), Owner { namespace: format!("pid:[{n}]"), ..us() });
                    std::thread::spawn(move || until_decided(&path, &us))
                })
                .collect();
            let owners = claims.into_iter().map(|claim| claim.join().unwrap());
            assert_eq!(owners.filter(|owns| *owns).count(), 1, "round {round}");
        }
    }

    /// True if it becomes the owner.
    fn until_decided(path: &Path, us: &Owner) -> bool {
        loop {
            match claim(path, us) {
                Ok(other) => return other.is_none(),
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}
