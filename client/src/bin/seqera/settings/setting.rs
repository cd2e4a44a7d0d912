//! A value, and where it comes from.

use std::fmt;
use std::path::PathBuf;

use crate::settings::config::Config;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Flag(&'static str),
    Variable(&'static str),
    File(PathBuf),
    /// Nobody set the value.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Variable(name) => f.write_str(name),
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A value that somebody set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) text: String,
    pub(crate) source: Source,
}

pub(crate) fn variable(name: &'static str, value: Option<String>) -> Option<Setting> {
    value.map(|text| Setting { text, source: Source::Variable(name) })
}

pub(crate) fn in_file(config: &Config, value: Option<&str>) -> Option<Setting> {
    let text = value.filter(|text| !text.is_empty())?.to_owned();
    Some(Setting { text, source: Source::File(config.path.clone()) })
}
