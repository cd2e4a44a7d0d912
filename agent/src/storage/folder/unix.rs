//! Owner and permissions on POSIX systems.

use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use super::fault::Fault;

const PRIVATE: u32 = 0o700;
/// All permissions of the group and of others.
const OTHERS: u32 = 0o077;
/// The permissions that make a folder unsafe. Reading it is harmless, since the files in it are private.
const OTHERS_WRITE: u32 = 0o022;

/// Creates the folder. With `parents` it may exist already.
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

/// The folder that exists and that `path` would be created in, with its owner, if this is root and the owner is
/// somebody else. Root may create there, and the person whose folder it is could then not use what was made.
pub(super) fn foreign_place(path: &Path) -> Option<(&Path, Fault)> {
    if us() != 0 {
        return None;
    }
    let (place, owner) =
        path.ancestors().skip(1).find_map(|above| Some((above, above.metadata().ok()?.uid())))?;
    (owner != 0).then_some((place, Fault::Foreign { owner, us: 0 }))
}

/// True for a folder of ours that the umask 002 has left open to the group, and nothing worse.
pub(in crate::storage) fn is_open_to_group(path: &Path) -> bool {
    fs::symlink_metadata(path)
        .is_ok_and(|found| found.is_dir() && found.uid() == us() && found.mode() & OTHERS_WRITE == 0o020)
}

/// Takes away the access that others have to a folder of ours. Another user's folder stays as it is, and fails
/// the check.
pub(in crate::storage) fn close(path: &Path) -> io::Result<()> {
    let found = fs::metadata(path)?;
    if found.mode() & OTHERS != 0 && found.is_dir() && found.uid() == us() {
        fs::set_permissions(path, Permissions::from_mode(PRIVATE))?;
    }
    Ok(())
}

/// True if group or others have any permission on the file or folder; false if it cannot be inspected.
pub(crate) fn is_open_to_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.mode() & OTHERS != 0)
}

/// The real user id: the sockets' folders are named after it, and clients expect it on the socket's folder and
/// on their peer. The effective id differs only in a set-uid program, and none of ours is one.
fn us() -> u32 {
    rustix::process::getuid().as_raw()
}

/// Checks that this user may write to the folder, without writing.
///
/// # Errors
/// Any error of `access(2)`: EROFS or EACCES if the user may not write, and "not found" among others.
pub(crate) fn writable(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::access(path, rustix::fs::Access::WRITE_OK)?)
}
