//! Which programs are started. What we start runs as this user and often gets a token, so nobody else may have
//! put it there.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
pub(crate) use crate::program::system::Held;

#[cfg(unix)]
#[path = "program/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "program/windows.rs"]
mod system;

/// The first of these programs that may be started, by its real path; `None` if there are none. Start that path: a
/// link can lead elsewhere a moment later. Relative paths are passed over: they would mean another program in every
/// working directory.
///
/// The file, its folder and the folder that the given path names must belong to root, to this user or to the owner
/// of the running program (module trees of clusters, a shared conda, Homebrew), and may not be writable for
/// everybody; no more may a folder further above be, but for those like `/tmp`, and links on the way belong to such an
/// owner. A group may write to them: such an owner has allowed it. On Windows they may belong to the administrators
/// and the system as well, and their access lists may let no group that anybody is in write.
///
/// # Errors
/// [`Error::Distrusted`] for the first one, if there are some and none may be started; it names the file or folder
/// and what is wrong with it.
pub fn first(candidates: impl IntoIterator<Item = PathBuf>) -> Result<Option<PathBuf>, Error> {
    first_by(candidates, system::trusted)
}

/// The same for the agent's own program, which is started by [`Held::executable`].
///
/// # Errors
/// As for [`first`].
pub(crate) fn first_agent(candidates: impl IntoIterator<Item = PathBuf>) -> Result<Option<Held>, Error> {
    first_by(candidates, system::held)
}

/// Has a program that was found look for others in folders that lie where they lie and in which not everybody can put
/// them: the interpreter of a script (`#!/usr/bin/env node`) gets all that the script is given, and one in the working
/// directory could be anybody's. `search_path` is `PATH` as it is.
pub fn narrow(command: &mut Command, search_path: Option<&OsStr>) {
    let all = search_path.map(std::env::split_paths).into_iter().flatten();
    let safe: Vec<_> = all.filter(|folder| folder.is_absolute() && !system::is_open(folder)).collect();
    match std::env::join_paths(&safe) {
        Ok(path) if !safe.is_empty() => command.env("PATH", path),
        // An empty one would be the working directory; without one the system has its own.
        _ => command.env_remove("PATH"),
    };
}

/// This very program, to be started once more. On Linux it is the file that runs, wherever its path leads by now, as
/// after an upgrade; elsewhere it is what lies at its path, if that may be started.
///
/// # Errors
/// Where the system does not say which it is. `PermissionDenied` with an [`Error::Distrusted`] for one that others can
/// change.
pub fn itself() -> io::Result<Command> {
    #[cfg(target_os = "linux")]
    if Path::new(ITSELF).exists() {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new(ITSELF);
        // The name without the word that the kernel adds to one that was removed.
        command.arg0("seqera");
        return Ok(command);
    }
    let refused = |error| io::Error::new(io::ErrorKind::PermissionDenied, error);
    system::trusted(&std::env::current_exe()?).map(Command::new).map_err(refused)
}

/// The file that runs.
#[cfg(target_os = "linux")]
const ITSELF: &str = "/proc/self/exe";

/// The file or folder that a whole group may write to, of those that a program depends on. That is accepted, since an
/// owner who is trusted has allowed it; a group of the owner's own does not count.
pub fn open_to_a_group(program: &Path) -> Option<PathBuf> {
    system::open_to_a_group(program)
}

/// True if nobody else decides where this path leads, now and later.
#[cfg(unix)]
pub(crate) fn is_led_by_owners(path: &Path) -> bool {
    system::is_led_by_owners(path)
}

fn first_by<T>(
    candidates: impl IntoIterator<Item = PathBuf>,
    trusted: impl Fn(&Path) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    let mut refused = None;
    for program in candidates.into_iter().filter(|program| program.is_absolute()) {
        match trusted(&program) {
            Ok(found) => return Ok(Some(found)),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    refused.map_or(Ok(None), Err)
}
