//! Reads the environment for the places.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use crate::values::text;

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
    /// The variable holds something that it cannot mean; completes a sentence that begins with its name.
    Odd(&'static str, &'static str),
}

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHome => write!(f, "the home folder is unknown: set {}", HOME),
            Self::Relative(name) => write!(f, "{name} must be an absolute path"),
            Self::Odd(name, odd) => write!(f, "{name} {odd}"),
        }
    }
}

impl std::error::Error for PlaceError {}

/// A variable that is set to more than blanks, without those around it.
///
/// # Errors
/// It holds no text, which is not the same as nothing.
pub(super) fn text(env: Lookup<'_>, name: &'static str) -> Result<Option<String>, PlaceError> {
    let Some(value) = env(name) else { return Ok(None) };
    let value = value.into_string().map_err(|_| PlaceError::Odd(name, "is not text in UTF-8"))?;
    Ok(Some(text::trimmed(&value).to_owned()).filter(|value| !value.is_empty()))
}

/// A path, which need not be text. Blanks and line ends around it are those of `$(cat file)` and of copying.
pub(super) fn absolute(env: Lookup<'_>, name: &'static str) -> Result<Option<PathBuf>, PlaceError> {
    let Some(value) = env(name) else { return Ok(None) };
    let path = match value.to_str().map(text::trimmed) {
        Some("") => return Ok(None),
        Some(text) if text.contains(char::is_control) => {
            return Err(PlaceError::Odd(name, "contains a line break or another control character"));
        }
        Some(text) => PathBuf::from(text),
        None => PathBuf::from(value),
    };
    if path.is_absolute() { Ok(Some(path)) } else { Err(PlaceError::Relative(name)) }
}
