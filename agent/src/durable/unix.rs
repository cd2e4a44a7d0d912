//! Owner and permissions as POSIX has them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
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
