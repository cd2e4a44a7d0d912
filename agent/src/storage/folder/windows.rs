//! Windows: folders inherit the access list of the user's profile folder, which lets only that user in.

use std::fs::{DirBuilder, Metadata};
use std::io;
use std::path::Path;

use super::fault::Fault;

/// `Ok` where it is there already and `parents` are made too.
pub(in crate::storage) fn make(path: &Path, parents: bool) -> io::Result<()> {
    DirBuilder::new().recursive(parents).create(path)
}

pub(super) fn access_fault(_: &Metadata) -> Option<Fault> {
    None
}

/// There is nothing to close.
pub(in crate::storage) fn close(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Never, by the inherited access list.
pub(crate) fn is_open_to_others(_: &Path) -> bool {
    false
}
