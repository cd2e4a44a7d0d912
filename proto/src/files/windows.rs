//! Opening files on Windows, where files belong to whom the access list of their folder says.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::Path;

use windows_sys::Win32::Storage::FileSystem::FILE_FLAG_OPEN_REPARSE_POINT;

/// With the flag, a link is opened itself, and the look at what is open finds it.
pub(super) fn open(path: &Path, follow: bool) -> io::Result<File> {
    let flags = if follow { 0 } else { FILE_FLAG_OPEN_REPARSE_POINT };
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// What is there, with its article, if it is neither file, folder nor link.
pub(super) fn what(_: FileType) -> &'static str {
    "a device"
}

/// Never anybody: the access list decides.
pub(super) fn stranger(_: &Metadata) -> Option<u32> {
    None
}
