//! Windows: only its user can open a profile folder, and the names of file systems do not tell whether they
//! are shared.

use std::fmt;
use std::fs::Metadata;
use std::path::Path;

/// The file system that a path is on.
pub(super) struct FileSystem {
    pub(super) is_network: bool,
}

impl fmt::Display for FileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_network { "on a network share" } else { "on a drive" })
    }
}

/// A UNC path is a network share. A drive letter may be one too, but counts as a drive here.
pub(super) fn file_system(path: &Path) -> FileSystem {
    FileSystem { is_network: path.as_os_str().to_string_lossy().starts_with(r"\\") }
}

pub(super) fn exposed(_: &Path, _: &Metadata) -> Option<(String, String)> {
    None
}
