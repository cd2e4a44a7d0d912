//! Windows: files inherit the access list of the user's profile folder, which keeps other users out.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

pub(super) fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

pub(super) fn create_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// The access list is the profile folder's, which lets nobody else in.
pub(super) fn close_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Access lists are inherited from the profile folder.
pub(super) fn is_open_to_others(_path: &Path) -> bool {
    false
}

pub(super) fn check_folder(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.is_dir() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::NotADirectory, format!("{} is not a folder", path.display())))
}

/// A folder cannot be forced to the disk here; NTFS journals renames and removals.
pub(super) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
