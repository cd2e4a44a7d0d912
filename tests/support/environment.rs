//! The one door to the environment of the test process. What the tested programs see is set by
//! [`crate::Home`] alone.

use std::ffi::OsString;

/// A folder with ready-made programs, instead of building them.
pub(crate) const BIN_DIR: &str = "SEQERA_BIN_DIR";
/// A file that collects what was skipped, and why.
pub const SKIPS: &str = "SEQERA_TEST_SKIPS";
/// `true` where a skip is a failure.
pub const CI: &str = "CI";

/// A variable that is set and not empty.
#[expect(clippy::disallowed_methods, reason = "the one file of this crate that reads the environment")]
pub fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// True under `CI=true`.
pub fn is_ci() -> bool {
    variable(CI).is_some_and(|value| value == "true")
}
