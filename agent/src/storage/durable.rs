//! Files that survive a crash: private from the first byte, and always whole.
//!
//! New content goes to a temporary file beside the target, is forced to the disk, and takes the target's name
//! in one step; then the folder is forced to the disk. Whoever is killed at any point, or runs into a full
//! disk, leaves the old content or the new, never a piece.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use seqera_agent_proto::place::hex;

pub(crate) use super::folder::is_open_to_others;
use super::folder::{self, Fault, Links};

#[cfg(unix)]
#[path = "durable/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "durable/windows.rs"]
mod system;

/// How many names beside a file that was set aside before are tried.
const ASIDE_NAMES: u32 = 100;

/// Puts `bytes` in place of the file. `owner` names the writer in the temporary file's name, so that it
/// knows its own leftovers; the folder must exist.
///
/// # Errors
/// What the file system says. The old content is untouched then, and the temporary file is gone.
pub(crate) fn write(path: &Path, owner: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(path, owner)?;
    let written = fill(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written.and_then(|()| system::sync_folder(parent(path)))
}

fn fill(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = system::create_private(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Removes a file durably; `false` where there was none.
///
/// # Errors
/// What the file system says.
pub(crate) fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => system::sync_folder(parent(path)).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes what a killed `owner` has left of its writes to `path`: temporary files can hold a secret.
///
/// # Errors
/// What the file system says.
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

/// Renames a file that cannot be read to `….corrupt-<unix seconds>` and returns its new name.
///
/// # Errors
/// What the file system says.
pub(crate) fn set_aside(path: &Path, now: SystemTime) -> io::Result<PathBuf> {
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    for attempt in 0..ASIDE_NAMES {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".corrupt-{seconds}"));
        if attempt > 0 {
            name.push(format!("-{attempt}"));
        }
        let aside = PathBuf::from(name);
        if !aside.try_exists()? {
            fs::rename(path, &aside)?;
            return Ok(aside);
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many files were set aside"))
}

/// True for the name of a file that was set aside.
pub(crate) fn is_aside(name: &str) -> bool {
    name.rsplit_once(".corrupt-").is_some_and(|(_, time)| time.starts_with(|c: char| c.is_ascii_digit()))
}

/// Makes sure that the folder is there and that nobody else can change what is in it.
///
/// # Errors
/// Where it belongs to another user or others may write to it; the text names folder, reason and remedy.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    folder::make(path, true)?;
    check(path)
}

/// As [`private_folder`], and closes a folder of ours that was open to others.
///
/// # Errors
/// As [`private_folder`].
pub(crate) fn close_folder(path: &Path) -> io::Result<()> {
    folder::make(path, true)?;
    folder::close(path)?;
    check(path)
}

/// Checks a folder that may not exist yet: `false` if so.
///
/// # Errors
/// As [`private_folder`].
pub(crate) fn check_folder(path: &Path) -> io::Result<bool> {
    match check(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The error is all that a person sees, without a hint of the caller's; so it says what helps.
fn check(path: &Path) -> io::Result<()> {
    let Some(fault) = folder::fault(path, Links::Followed)? else { return Ok(()) };
    let shown = path.display();
    let (kind, refused) = match fault {
        Fault::Link | Fault::NotAFolder => (io::ErrorKind::NotADirectory, format!("{shown} {fault}")),
        Fault::Foreign { owner, us } => {
            (io::ErrorKind::PermissionDenied, format!("{shown} belongs to user {owner}, not to user {us}"))
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

/// A name that nobody can foresee, so that nobody can have put something in its place.
fn temporary(path: &Path, owner: &str) -> io::Result<PathBuf> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(parent(path).join(prefix(path, owner) + &hex(&random)))
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
