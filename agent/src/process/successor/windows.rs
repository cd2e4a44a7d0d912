//! A program that runs can be neither replaced nor removed here: nothing ever takes its place.

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};

/// No file.
pub(super) type Stamp = Never;

/// No program.
pub(in crate::process) type Program = Never;

/// What cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::process) struct Never(Infallible);

impl Never {
    pub(super) fn is_same_file(&self, _: &Self) -> bool {
        match self.0 {}
    }
}

/// Nothing is looked at.
///
/// # Errors
/// Always.
pub(super) fn stamp(_: &Path) -> io::Result<Stamp> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Nothing is looked at.
pub(super) fn this_program(_: bool) -> Option<(PathBuf, u32, Stamp)> {
    None
}

/// Nothing is looked at.
///
/// # Errors
/// Always.
pub(super) fn examine(_: &Path, _: u32) -> io::Result<Result<Program, String>> {
    Err(io::ErrorKind::Unsupported.into())
}
