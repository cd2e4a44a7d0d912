//! The only place where tests read their own environment. The programs under test see only what
//! [`crate::Home`] sets.

use std::ffi::OsString;

/// A folder with programs that are already built.
pub const BIN_DIR: &str = "SEQERA_BIN_DIR";
/// A file that collects what was skipped and why.
pub const SKIPS: &str = "SEQERA_TEST_SKIPS";
/// A file that collects what was checked on each package.
pub const CHECKED: &str = "SEQERA_TEST_CHECKED";
/// If this is `true`, a skip is a failure.
pub const CI: &str = "CI";

/// A variable, if it is set and not empty.
#[expect(clippy::disallowed_methods, reason = "the one file of this crate that reads the environment")]
pub fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// True under `CI=true`.
pub fn is_ci() -> bool {
    variable(CI).is_some_and(|value| value == "true")
}
