//! Windows: a profile folder lets only its user in, and the names of file systems tell nothing here.

use std::fmt;
use std::fs::Metadata;
use std::path::Path;

/// What a path lies on.
pub(super) struct FileSystem {
    pub(super) is_network: bool,
}

impl fmt::Display for FileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_network { "on a network share" } else { "on a drive" })
    }
}

/// A UNC path is a share; a drive letter may be one, too, and is taken for a drive.
pub(super) fn file_system(path: &Path) -> FileSystem {
    FileSystem { is_network: path.as_os_str().to_string_lossy().starts_with(r"\\") }
}

pub(super) fn exposed(_: &Path, _: &Metadata) -> Option<(String, String)> {
    None
}
