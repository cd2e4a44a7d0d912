//! Reads the environment for the places.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// The variable that names the user's home folder.
pub(super) const HOME: &str = if cfg!(windows) { "USERPROFILE" } else { "HOME" };

/// Reads one environment variable. Each crate passes its own function, so that only one place in it reads the
/// environment.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The environment does not say where the user's files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaceError {
    /// Neither `HOME` (Windows: `USERPROFILE`) nor a variable for the folder itself is set, and the system
    /// does not know either.
    NoHome,
    /// The variable holds a relative path.
    Relative(&'static str),
}

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHome => write!(f, "the home folder is unknown: set {}", HOME),
            Self::Relative(name) => write!(f, "{name} must be an absolute path"),
        }
    }
}

impl std::error::Error for PlaceError {}

/// A variable that is set and not empty.
pub(super) fn text(env: Lookup<'_>, name: &str) -> Option<String> {
    env(name).and_then(|value| value.into_string().ok()).filter(|value| !value.is_empty())
}

pub(super) fn absolute(env: Lookup<'_>, name: &'static str) -> Result<Option<PathBuf>, PlaceError> {
    let Some(value) = env(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    let path = PathBuf::from(value);
    if path.is_absolute() { Ok(Some(path)) } else { Err(PlaceError::Relative(name)) }
}
