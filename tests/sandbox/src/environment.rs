//! The environment. It is read only here.

use std::ffi::OsString;

/// All variables whose values are text.
pub(crate) fn variables() -> impl Iterator<Item = (String, String)> {
    #[expect(clippy::disallowed_methods, reason = "the one place of this program that reads the environment")]
    let variables = std::env::vars_os();
    variables.filter_map(|(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    })
}

/// One variable.
pub(crate) fn variable(name: &str) -> Option<String> {
    variables().find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| value)
}
