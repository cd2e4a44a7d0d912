//! Opening files on POSIX systems.

use std::ffi::OsStr;
use std::fs::{File, FileType, Metadata};
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{AtFlags, FileType as Kind, Mode, OFlags, openat, statat};

use crate::programs::{WRITABLE_BY_ALL, is_kernel_of_windows};

/// Flags of open(2) that keep a named pipe from blocking the opening, and a terminal from becoming that of this
/// process. Regular files are read and written as without them.
pub const WITHOUT_WAITING: i32 = OFlags::NONBLOCK.union(OFlags::NOCTTY).bits() as i32;

/// Flags of open(2) for a file of ours, which is never a link or a pipe.
pub const WITHOUT_FOLLOWING: i32 = WITHOUT_WAITING | OFlags::NOFOLLOW.bits() as i32;

pub(super) fn open(path: &Path, follow: bool) -> io::Result<File> {
    let no_link = if follow { OFlags::empty() } else { OFlags::NOFOLLOW };
    File::options().read(true).custom_flags(WITHOUT_WAITING | no_link.bits() as i32).open(path)
}

/// What else than a regular file is at this name of a folder, with its article.
pub(super) fn other_in(folder: BorrowedFd<'_>, name: &OsStr) -> io::Result<Option<&'static str>> {
    let found = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(match Kind::from_raw_mode(found.st_mode) {
        Kind::RegularFile => None,
        Kind::Symlink => Some("a symbolic link"),
        Kind::Directory => Some("a folder"),
        Kind::Fifo => Some("a named pipe"),
        Kind::Socket => Some("a socket"),
        _ => Some("a device"),
    })
}

pub(super) fn open_in(folder: BorrowedFd<'_>, name: &OsStr) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(openat(folder, name, OFlags::RDONLY | flags, Mode::empty())?))
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

/// The permissions, if everybody may write there. Not in WSL, nor in containers on it: disks of Windows show all that
/// they hold like that, and for long its distributions made every file so.
pub(super) fn open_to_all(found: &Metadata) -> Option<u32> {
    let mode = found.mode() & 0o7777;
    (mode & WRITABLE_BY_ALL != 0 && !is_kernel_of_windows()).then_some(mode)
}

/// The stranger who has made the file, or a folder or link on the way to it, in a folder of all. A mount there is of
/// another device, and root's word.
pub(super) fn planter(path: &Path, opened: &Metadata) -> io::Result<Option<u32>> {
    let made_by = |name: &Path, found: &Metadata| {
        let folder = name.parent()?.metadata().ok()?;
        let is_of_all = folder.mode() & WRITABLE_BY_ALL != 0 && folder.dev() == found.dev();
        if is_of_all { stranger(found) } else { None }
    };
    let on_the_way =
        |path: &Path| path.ancestors().find_map(|name| made_by(name, &name.symlink_metadata().ok()?));
    let found = on_the_way(&std::path::absolute(path)?);
    Ok(found.or_else(|| match path.canonicalize() {
        Ok(real) => on_the_way(&real).or_else(|| made_by(&real, opened)),
        // It has no name any more, as the file of a shell's here-document behind `/dev/fd/3`.
        Err(_) => stranger(opened),
    }))
}
