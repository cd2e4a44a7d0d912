//! Why the socket cannot be in a place.

use std::io;
use std::path::PathBuf;

use crate::storage::folder::FolderError;

/// Why a place cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BindError {
    /// The folder is not safe, or cannot be made.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Something that is not ours is there.
    #[error("{} {_1}", _0.display())]
    InTheWay(PathBuf, &'static str),
    /// The system refuses: no such folder, read-only, a file system without sockets.
    #[error("{}: {_1}", _0.display())]
    Failed(PathBuf, io::Error),
}

impl BindError {
    /// True where another place may work. An unsafe folder is not passed over in silence: clients refuse
    /// it too, and the user has to know.
    pub(super) fn try_elsewhere(&self) -> bool {
        matches!(self, Self::Failed(..) | Self::Folder(FolderError::Failed { .. }))
    }
}
