//! Files that survive a crash: private from the first byte, and always whole.
//!
//! New content goes to a temporary file beside the target, is synced to the disk and then renamed to the target
//! in one step; then the folder is synced. A process that is killed at any point, or finds the disk full,
//! leaves the old content or the new, never a part of either.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use seqera_agent_proto::files::{self, Writer};
use seqera_agent_proto::place::hex;

pub(crate) use super::folder::is_open_to_others;
use super::folder::{self, Fault, Links};

#[cfg(unix)]
#[path = "durable/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "durable/windows.rs"]
mod system;

/// How many names are tried for a file that is set aside, in case others of the same second have taken some.
const ASIDE_NAMES: u32 = 100;

/// The name of the configuration folder unless a variable names another one.
const OWN_FOLDER: &str = "seqera-ai";

/// Replaces the content of the file with `bytes`. The name of the temporary file contains `owner`, so that
/// [`sweep`] recognises what this writer has left behind. The folder must exist.
///
/// # Errors
/// Any error of the file system. If writing or renaming failed, the old content is untouched and the temporary
/// file is removed. If only the sync of the folder failed, the new content is there but may not survive a crash.
pub(crate) fn write(path: &Path, owner: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(path, owner)?;
    let written = fill(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written.and_then(|()| system::sync_folder(parent(path)))
}

/// Adds `bytes` to a file of ours, which must exist. A crash or an error can leave a part of them at its end.
///
/// # Errors
/// Any error of the file system, or what else than a file of ours is at the path.
pub(crate) fn append(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = system::open_to_append(path)?;
    files::check(&file.metadata()?, Writer::Program)?;
    file.write_all(bytes)?;
    file.sync_data()
}

fn fill(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = system::create_private(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Removes a file durably; returns `false` if it did not exist.
///
/// # Errors
/// Any error of the file system other than "not found".
pub(crate) fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => system::sync_folder(parent(path)).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Gives a file a second name beside the first, durably; returns `false` if that name is taken. So a name can be
/// taken without ever replacing what another host puts there in the same moment.
///
/// # Errors
/// Any other error of the file system, such as that it has no hard links.
pub(crate) fn add_name(path: &Path, name: &Path) -> io::Result<bool> {
    match fs::hard_link(path, name) {
        Ok(()) => system::sync_folder(parent(name)).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Moves a file to a folder of the same file system, durably.
///
/// # Errors
/// Any error of the file system.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    system::sync_folder(parent(to))?;
    system::sync_folder(parent(from))
}

/// Removes the temporary files that `owner` left when it was killed while writing to `path`: they can contain a
/// secret.
///
/// # Errors
/// Any error of the file system while listing the folder or removing a file.
pub(crate) fn sweep(path: &Path, owner: &str) -> io::Result<()> {
    let prefix = prefix(path, owner);
    for entry in fs::read_dir(parent(path))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Renames a damaged file to `….corrupt-<unix seconds>` and returns its new path.
///
/// # Errors
/// Fails if all names for this second are taken, and with any error of the file system.
pub(crate) fn set_aside(path: &Path, now: SystemTime) -> io::Result<PathBuf> {
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    for attempt in 0..ASIDE_NAMES {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".corrupt-{seconds}"));
        if attempt > 0 {
            name.push(format!("-{attempt}"));
        }
        let aside = PathBuf::from(name);
        // Looks at a link itself: one that leads nowhere has the name, too.
        match aside.symlink_metadata() {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return fs::rename(path, &aside).map(|()| aside);
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many files were set aside"))
}

/// True if [`set_aside`] made this name.
pub(crate) fn is_aside(name: &str) -> bool {
    name.rsplit_once(".corrupt-").is_some_and(|(_, time)| time.starts_with(|c: char| c.is_ascii_digit()))
}

/// Makes sure that the folder exists and that nobody else can change what is in it.
///
/// # Errors
/// Fails if the path is not a folder, or the folder belongs to another user, or others may write to it; the text
/// names the folder, the reason and, if there is one, the remedy. Also any error of the file system.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    folder::may_create(path)?;
    folder::make(path, true)?;
    check(path)
}

/// Like [`private_folder`], but first takes away the access that others have to a folder of ours.
///
/// # Errors
/// The same as [`private_folder`].
pub(crate) fn close_folder(path: &Path) -> io::Result<()> {
    folder::may_create(path)?;
    folder::make(path, true)?;
    folder::close(path)?;
    check(path)
}

/// Checks a folder that may not exist yet; returns `false` if it does not.
///
/// # Errors
/// The same as [`private_folder`].
pub(crate) fn check_folder(path: &Path) -> io::Result<bool> {
    match check(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Closes the configuration folder to its group. Where the umask is 002, as on many clusters, every folder is made
/// open to a group that has no other member. A folder of another name may be shared on purpose, and stays as it is.
fn close_to_group(path: &Path) -> io::Result<()> {
    if path.file_name().is_none_or(|name| name != OWN_FOLDER) || !folder::is_open_to_group(path) {
        return Ok(());
    }
    folder::close(path)?;
    tracing::warn!(folder = %path.display(), "its group could write to this folder; closed to others (0700)");
    Ok(())
}

/// The error says what helps, because a person sees nothing else: callers add no hint to it.
fn check(path: &Path) -> io::Result<()> {
    close_to_group(path)?;
    let Some(fault) = folder::fault(path, Links::Followed)? else { return Ok(()) };
    let shown = path.display();
    let (kind, refused) = match fault {
        Fault::Link | Fault::NotAFolder => (io::ErrorKind::NotADirectory, format!("{shown} {fault}")),
        Fault::Foreign { owner, us } => {
            let remedy = folder::remedy(us);
            let what = format!("{shown} belongs to user {owner}, not to user {us}{remedy}");
            (io::ErrorKind::PermissionDenied, what)
        }
        Fault::Writable { mode } => (
            io::ErrorKind::PermissionDenied,
            format!("others may write to {shown} (mode {mode:o}): run 'chmod go-w {shown}'"),
        ),
    };
    Err(io::Error::new(kind, refused))
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

fn prefix(path: &Path, owner: &str) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!(".{name}.{owner}~")
}

/// A path that nobody can guess, so that nobody can put something there first.
fn temporary(path: &Path, owner: &str) -> io::Result<PathBuf> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(parent(path).join(prefix(path, owner) + &hex(&random)))
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
