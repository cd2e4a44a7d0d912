//! A program between its check and its start.

use std::path::PathBuf;

/// A program that was checked and may be started.
pub(crate) struct Held {
    /// By its real path.
    pub(crate) path: PathBuf,
    /// The very file that was checked.
    #[cfg(target_os = "linux")]
    pub(super) file: Option<std::fs::File>,
    /// The very file that was checked, open so that it stays where it is.
    #[cfg(windows)]
    pub(super) _file: std::fs::File,
}

impl Held {
    /// What to start while this lives. On Linux a compiled program is started by the descriptor that was checked, so
    /// that nothing can take its place in between. A script is not: its interpreter could not open it. On Windows
    /// nothing can take the place of a file that is open like this.
    pub(crate) fn executable(&self) -> PathBuf {
        #[cfg(target_os = "linux")]
        if let Some(file) = &self.file {
            use std::os::fd::AsRawFd;
            return PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        }
        self.path.clone()
    }
}
