//! Windows: folders inherit the access list of the user's profile folder, which lets only that user in.

use std::fs::{DirBuilder, Metadata};
use std::io;
use std::path::Path;

use super::fault::Fault;

/// Creates the folder. With `parents` it may exist already.
pub(in crate::storage) fn make(path: &Path, parents: bool) -> io::Result<()> {
    DirBuilder::new().recursive(parents).create(path)
}

pub(super) fn access_fault(_: &Metadata) -> Option<Fault> {
    None
}

/// Never any: the access list of a profile folder is inherited.
pub(super) fn foreign_place(_: &Path) -> Option<(&Path, Fault)> {
    None
}

/// Never true, because of the inherited access list.
pub(in crate::storage) fn is_open_to_group(_: &Path) -> bool {
    false
}

/// Does nothing: the inherited access list lets nobody else in.
pub(in crate::storage) fn close(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Never true, because of the inherited access list.
pub(crate) fn is_open_to_others(_: &Path) -> bool {
    false
}

/// Checks nothing and never fails: an access list does not tell reliably whether a write will succeed.
pub(crate) fn writable(_: &Path) -> io::Result<()> {
    Ok(())
}
