//! Why the socket cannot be bound at a path.

use std::io;
use std::path::PathBuf;

use crate::storage::folder::FolderError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum BindError {
    /// The folder is not safe, or cannot be created.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The path is taken by something that is not ours.
    #[error("{} {_1}", _0.display())]
    InTheWay(PathBuf, &'static str),
    /// The system refuses, for example because the folder is missing or read-only, or the file system does
    /// not support sockets.
    #[error("{}: {_1}", _0.display())]
    Failed(PathBuf, io::Error),
}

impl BindError {
    /// True if another path may work. An unsafe folder is never skipped silently: clients refuse it too, and
    /// the user has to know.
    pub(super) fn try_elsewhere(&self) -> bool {
        matches!(self, Self::Failed(..) | Self::Folder(FolderError::Failed { .. }))
    }
}
