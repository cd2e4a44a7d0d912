//! Opening files on Windows, where files belong to whom the access list of their folder says.

use std::fs::{File, FileType, Metadata};
use std::io;
use std::path::Path;

/// The look before finds a link. Nobody else can put one there in between: the access list of the folder keeps
/// others out.
pub(super) fn open(path: &Path, _follow: bool) -> io::Result<File> {
    File::open(path)
}

/// What is there, with its article, if it is neither file, folder nor link.
pub(super) fn what(_: FileType) -> &'static str {
    "a device"
}

/// Never anybody: the access list decides.
pub(super) fn stranger(_: &Metadata) -> Option<u32> {
    None
}

/// Never: the access list decides.
pub(super) fn open_to_all(_: &Metadata) -> Option<u32> {
    None
}
