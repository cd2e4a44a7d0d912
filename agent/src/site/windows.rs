//! On Windows only the file beside the program counts. Whoever may write there may replace the program as well, while
//! in `%ProgramData%` every user can make a folder.

use std::fs::Metadata;
use std::io;
use std::path::Path;

use crate::site::unfit::Unfit;

/// Below the folder that holds the program's `bin`.
pub(super) const BESIDE: &str = r"etc\seqera-agent\config.json";

/// There is no place that only an administrator can make.
pub(super) const OF_MACHINE: Option<&str> = None;

/// Access lists say who may write, not the owner.
pub(super) fn owner(_: &Path) -> Option<u32> {
    None
}

/// The program's folder protects it.
///
/// # Errors
/// None.
pub(super) fn check(_: &Path, _: Option<u32>) -> Result<(), Unfit> {
    Ok(())
}

/// The same.
///
/// # Errors
/// None.
pub(super) fn check_opened(_: &Metadata, _: Option<u32>) -> io::Result<()> {
    Ok(())
}
