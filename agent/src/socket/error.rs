//! Why the socket cannot be bound at a path.

use std::io;
use std::path::PathBuf;

use crate::storage::folder::FolderError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum BindError {
    /// The folder is not safe, or cannot be created.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The folder was made by another user. Anybody can do that in `/tmp`.
    #[error("{} belongs to uid {owner}, not to you (uid {us})", path.display())]
    #[cfg_attr(windows, expect(dead_code, reason = "pipes are not in folders"))]
    Squatted { path: PathBuf, owner: u32, us: u32 },
    /// The path is taken by something that is not ours.
    #[error("{} {_1}", _0.display())]
    InTheWay(PathBuf, &'static str),
    /// Another program of this user serves there: an agent of another configuration folder, if the home folder of
    /// its starter was another one and the runtime folder the same.
    #[error("{} is served by another program{}", path.display(), pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Served { path: PathBuf, pid: Option<u32> },
    /// The system refuses, for example because the folder is missing or read-only, or the file system does
    /// not support sockets.
    #[error("{}: {_1}", _0.display())]
    Failed(PathBuf, io::Error),
}

impl BindError {
    /// True if another path may work. An unsafe folder of this user's own is never skipped: clients refuse it
    /// too, and the user can mend it.
    pub(super) fn try_elsewhere(&self) -> bool {
        let failed = matches!(self, Self::Failed(..) | Self::Folder(FolderError::Failed { .. }));
        failed || self.is_served() || self.is_by_others()
    }

    /// True if a program serves there. Clients ask it, hear that it is another agent, and look further.
    pub(super) fn is_served(&self) -> bool {
        matches!(self, Self::Served { .. })
    }

    /// True if another user is the cause. It must not stop the agent, but the user has to know.
    pub(super) fn is_by_others(&self) -> bool {
        matches!(self, Self::Squatted { .. })
    }
}
