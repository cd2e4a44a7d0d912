//! Opening files on POSIX systems.

use std::fs::{File, FileType, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// Flags of open(2) that keep a named pipe from blocking the opening, and a terminal from becoming that of this
/// process. Regular files are read and written as without them.
pub const WITHOUT_WAITING: i32 = OFlags::NONBLOCK.union(OFlags::NOCTTY).bits() as i32;

/// Flags of open(2) for a file of ours, which is never a link or a pipe.
pub const WITHOUT_FOLLOWING: i32 = WITHOUT_WAITING | OFlags::NOFOLLOW.bits() as i32;

pub(super) fn open(path: &Path, follow: bool) -> io::Result<File> {
    let no_link = if follow { OFlags::empty() } else { OFlags::NOFOLLOW };
    File::options().read(true).custom_flags(WITHOUT_WAITING | no_link.bits() as i32).open(path)
}

/// What is there, with its article, if it is neither file, folder nor link.
pub(super) fn what(kind: FileType) -> &'static str {
    if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

/// The owner, if that is neither this user nor root.
pub(super) fn stranger(found: &Metadata) -> Option<u32> {
    let owner = found.uid();
    (owner != 0 && owner != rustix::process::getuid().as_raw()).then_some(owner)
}
