//! Which programs are started. What we start runs as this user and often gets a token, so nobody else may have
//! put it there.

use std::path::{Path, PathBuf};

use crate::error::Error;

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
/// everybody. A group may write to them: such an owner has allowed it. On Windows the access control lists are not
/// judged.
///
/// # Errors
/// [`Error::Distrusted`] for the first one, if there are some and none may be started; it names the file or folder
/// and what is wrong with it.
pub fn first(candidates: impl IntoIterator<Item = PathBuf>) -> Result<Option<PathBuf>, Error> {
    first_by(candidates, system::trusted)
}

/// The same for the agent's own program, where it does not lie beside this one: on Windows there is none.
///
/// # Errors
/// As for [`first`].
pub(crate) fn first_agent(candidates: impl IntoIterator<Item = PathBuf>) -> Result<Option<PathBuf>, Error> {
    first_by(candidates, system::agent)
}

fn first_by(
    candidates: impl IntoIterator<Item = PathBuf>,
    trusted: impl Fn(&Path) -> Result<PathBuf, Error>,
) -> Result<Option<PathBuf>, Error> {
    let mut refused = None;
    for program in candidates.into_iter().filter(|program| program.is_absolute()) {
        match trusted(&program) {
            Ok(real) => return Ok(Some(real)),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    refused.map_or(Ok(None), Err)
}
