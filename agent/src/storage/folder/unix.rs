//! Owner and permissions as POSIX has them.

use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use super::fault::Fault;

const PRIVATE: u32 = 0o700;
/// Whatever group and others may do.
const OTHERS: u32 = 0o077;
/// What makes a folder unsafe; that others read it is harmless, since the files in it are private.
const OTHERS_WRITE: u32 = 0o022;

/// `Ok` where it is there already and `parents` are made too.
pub(in crate::storage) fn make(path: &Path, parents: bool) -> io::Result<()> {
    DirBuilder::new().recursive(parents).mode(PRIVATE).create(path)
}

pub(super) fn access_fault(meta: &Metadata) -> Option<Fault> {
    if meta.uid() != us() {
        Some(Fault::Foreign { owner: meta.uid(), us: us() })
    } else if meta.mode() & OTHERS_WRITE != 0 {
        Some(Fault::Writable { mode: meta.mode() & 0o7777 })
    } else {
        None
    }
}

/// Closes a folder of ours that others may read or write to. Another user's stays as it is, and fails the
/// check.
pub(in crate::storage) fn close(path: &Path) -> io::Result<()> {
    let found = fs::metadata(path)?;
    if found.mode() & OTHERS != 0 && found.is_dir() && found.uid() == us() {
        fs::set_permissions(path, Permissions::from_mode(PRIVATE))?;
    }
    Ok(())
}

/// True where other users may read what is there. What cannot be looked at is not.
pub(crate) fn is_open_to_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.mode() & OTHERS != 0)
}

/// The real user id: it names the folders of sockets, and clients look for it on the socket's folder and its
/// peer. The effective one differs in a set-uid program only, which none of ours is.
fn us() -> u32 {
    rustix::process::getuid().as_raw()
}
