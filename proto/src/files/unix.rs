//! Opening files on POSIX systems.

use std::ffi::OsStr;
use std::fs::{File, FileType, Metadata};
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{AtFlags, FileType as Kind, Mode, OFlags, openat, statat};

use super::{Refused, Writer, check, whole};

/// Flags of open(2) that keep a named pipe from blocking the opening, and a terminal from becoming that of this
/// process. Regular files are read and written as without them.
pub const WITHOUT_WAITING: i32 = OFlags::NONBLOCK.union(OFlags::NOCTTY).bits() as i32;

/// Flags of open(2) for a file of ours, which is never a link or a pipe.
pub const WITHOUT_FOLLOWING: i32 = WITHOUT_WAITING | OFlags::NOFOLLOW.bits() as i32;

pub(super) fn open(path: &Path, follow: bool) -> io::Result<File> {
    let no_link = if follow { OFlags::empty() } else { OFlags::NOFOLLOW };
    File::options().read(true).custom_flags(WITHOUT_WAITING | no_link.bits() as i32).open(path)
}

/// Reads a file in a folder that is open, wherever the folder's path leads by now. No link is followed.
///
/// # Errors
/// As [`super::read`].
pub fn read_in(folder: BorrowedFd<'_>, name: &OsStr, limit: u64, writer: Writer) -> io::Result<Vec<u8>> {
    // As in `super::open`: a look before, since opening a device can do something, and the one that counts after.
    let found = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let other = match Kind::from_raw_mode(found.st_mode) {
        Kind::RegularFile => None,
        Kind::Symlink => Some(Refused::Link),
        Kind::Directory => Some(Refused::NotAFile("a folder")),
        Kind::Fifo => Some(Refused::NotAFile("a named pipe")),
        Kind::Socket => Some(Refused::NotAFile("a socket")),
        _ => Some(Refused::NotAFile("a device")),
    };
    if let Some(refused) = other {
        return Err(refused.into());
    }
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(openat(folder, name, OFlags::RDONLY | flags, Mode::empty())?);
    check(&file.metadata()?, writer)?;
    whole(file, limit)
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
