//! Windows: files inherit the access list of the user's profile folder, which keeps other users out.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

pub(super) fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

pub(super) fn open_to_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).open(path)
}

/// Windows cannot sync a folder; NTFS journals renames and removals.
pub(super) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
