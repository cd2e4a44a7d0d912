//! Owner and permissions as POSIX has them.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Others may neither read nor write.
const PRIVATE_FILE: u32 = 0o600;
const PRIVATE_FOLDER: u32 = 0o700;
/// Write permission of group and others.
const OTHERS_WRITE: u32 = 0o022;

/// A new file, private from its creation: there is no moment at which others could open it.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(PRIVATE_FILE).open(path)
}

pub(super) fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(PRIVATE_FOLDER).create(path)
}

/// Another user's folder stays as it is, and is refused by [`check_folder`].
pub(super) fn close_folder(path: &Path) -> io::Result<()> {
    let found = fs::metadata(path)?;
    let is_open = found.mode() & 0o077 != 0;
    if is_open && found.is_dir() && found.uid() == rustix::process::geteuid().as_raw() {
        fs::set_permissions(path, Permissions::from_mode(PRIVATE_FOLDER))?;
    }
    Ok(())
}

pub(super) fn is_open_to_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.mode() & 0o077 != 0)
}

pub(super) fn check_folder(path: &Path) -> io::Result<()> {
    let found = fs::metadata(path)?;
    let (shown, us) = (path.display(), rustix::process::geteuid().as_raw());
    if !found.is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotADirectory, format!("{shown} is not a folder")));
    }
    let refused = if found.uid() != us {
        format!("{shown} belongs to user {}, not to user {us}", found.uid())
    } else if found.mode() & OTHERS_WRITE != 0 {
        format!("others may write to {shown} (mode {:o}): run 'chmod go-w {shown}'", found.mode() & 0o7777)
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::PermissionDenied, refused))
}

/// Makes a rename or removal in this folder durable. Some network file systems cannot, and say so with
/// EINVAL; they order such changes by themselves.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    match File::open(path)?.sync_all() {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}
