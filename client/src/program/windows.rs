//! Programs on Windows, where access control lists are too complex to judge in a few lines.

use std::path::{Path, PathBuf};

use crate::error::Error;

pub(super) fn trusted(program: &Path) -> Result<PathBuf, Error> {
    Ok(program.to_owned())
}

pub(super) fn agent(program: &Path) -> Result<PathBuf, Error> {
    let why = "on Windows, only the program beside seqera is started".to_owned();
    Err(Error::Distrusted { path: program.to_owned(), why })
}
