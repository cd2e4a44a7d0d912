//! `config.json` in the configuration folder: the keys that it may have, and their values. The agent and its
//! clients share this code, and each reads the keys that concern it. They never write the file: it belongs to
//! the user, and other programs may keep their own keys in it.

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::files::{self, Writer};
use crate::near::near;

/// Keys at the top of the file. `authDomain` and `backendUrl` are those that Seqera documents.
pub const TOP: [&str; 8] =
    ["aiCommand", "authDomain", "backendUrl", "caFile", "credentialStore", "noProxy", PROFILES, "proxy"];

/// Keys of one profile, below `profiles.<name>`. They beat those at the top.
pub const OF_PROFILE: [&str; 9] =
    ["provider", "authority", "clientId", "audience", "apiUrl", "backendUrl", "caFile", "noProxy", "proxy"];

/// Keys whose values are shown and recorded, and so hold no password. That of a proxy is kept with the secrets.
const ADDRESSES: [&str; 4] = ["authDomain", "authority", "apiUrl", "backendUrl"];

const PROFILES: &str = "profiles";

/// Hundreds of times what a person writes.
const LARGEST: u64 = 1 << 20;

/// The contents of the file; empty if there is no file. `Debug` shows no values, because the address of a
/// proxy may contain a password.
#[derive(Clone, Default)]
pub struct Configuration {
    /// The path of the file, whether or not it exists.
    pub path: PathBuf,
    top: Map<String, Value>,
    profiles: BTreeMap<String, Map<String, Value>>,
    /// Known keys with values of the wrong type, each as a sentence that begins with the path. Such a value
    /// counts as missing.
    pub mistakes: Vec<String>,
}

impl fmt::Debug for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, mistakes, .. } = self;
        f.debug_struct("Configuration")
            .field("path", path)
            .field("mistakes", mistakes)
            .finish_non_exhaustive()
    }
}

impl Configuration {
    /// Reads `config.json` in `folder`.
    ///
    /// # Errors
    /// A sentence that names the file: what it is if it is no file of this user, line and column if it is not
    /// JSON.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let path = folder.join("config.json");
        let bytes = match files::read(&path, LARGEST, Writer::Person) {
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(Self { path, ..Self::default() });
            }
            Err(error) => return Err(files::sentence(&path, &error)),
        };
        match String::from_utf8(bytes) {
            Ok(text) => Self::parse(&text, path),
            Err(_) => Err(format!("{} is not text in UTF-8", path.display())),
        }
    }

    /// Reads `text`, which was found at `path`.
    ///
    /// # Errors
    /// See [`Configuration::read`].
    pub fn parse(text: &str, path: PathBuf) -> Result<Self, String> {
        // Some editors on Windows write a byte order mark at the beginning.
        let document = serde_json::from_str(text.trim_start_matches('\u{feff}'))
            .map_err(|error| format!("{}:{}", path.display(), position(&error)))?;
        let mut found = Self { path, ..Self::default() };
        let Value::Object(top) = document else {
            found.mistakes.push(format!("{} must hold an object, in braces", found.path.display()));
            return Ok(found);
        };
        found.top = found.texts("", top, &TOP);
        match found.top.remove(PROFILES) {
            Some(Value::Object(profiles)) => found.take_profiles(profiles),
            Some(_) => found.mistake(PROFILES, "an object with the names of profiles as its keys"),
            None => {}
        }
        Ok(found)
    }

    /// A string at the top of the file, exactly as it is written; it may be empty.
    pub fn text(&self, key: &str) -> Option<&str> {
        debug_assert!(TOP.contains(&key), "{key} is in no list, and would be warned about");
        self.top.get(key)?.as_str()
    }

    /// A string of a profile, like [`Configuration::text`].
    pub fn of_profile(&self, profile: &str, key: &str) -> Option<&str> {
        debug_assert!(OF_PROFILE.contains(&key), "{key} is in no list, and would be warned about");
        self.profiles.get(profile)?.get(key)?.as_str()
    }

    /// The profiles that the file names, sorted.
    pub fn profiles(&self) -> impl Iterator<Item = &str> {
        self.profiles.keys().map(String::as_str)
    }

    /// Keys that have no effect, each as a sentence that begins with the path and offers the most similar
    /// key.
    pub fn unknown(&self) -> Vec<String> {
        let top = self.top.keys().filter_map(|key| self.warning(key, key, &TOP, &OF_PROFILE));
        let inner = self.profiles.iter().flat_map(|(name, settings)| {
            let warning =
                move |key: &String| self.warning(key, &format!("{PROFILES}.{name}.{key}"), &OF_PROFILE, &TOP);
            settings.keys().filter_map(warning)
        });
        top.chain(inner).collect()
    }

    fn warning(&self, key: &str, shown: &str, known: &[&str], elsewhere: &[&str]) -> Option<String> {
        if known.contains(&key) {
            return None;
        }
        let path = self.path.display();
        Some(match near(key, known.iter().copied()).first() {
            Some(meant) => format!("{path}: unknown key '{shown}'; did you mean '{meant}'?"),
            None if key == "authDomain" => {
                format!("{path}: unknown key '{shown}'; in a profile it is called 'authority'")
            }
            None if elsewhere.contains(&key) && key == shown => {
                format!("{path}: unknown key '{shown}'; it belongs into '{PROFILES}.<name>'")
            }
            None if elsewhere.contains(&key) => {
                format!("{path}: unknown key '{shown}'; it belongs to the top of the file")
            }
            None => format!("{path}: unknown key '{shown}'; it has no effect here"),
        })
    }

    fn take_profiles(&mut self, profiles: Map<String, Value>) {
        for (name, settings) in profiles {
            let place = format!("{PROFILES}.{name}");
            if let Value::Object(settings) = settings {
                let settings = self.texts(&format!("{place}."), settings, &OF_PROFILE);
                self.profiles.insert(name, settings);
            } else {
                self.mistake(&place, "an object");
            }
        }
    }

    /// Removes known keys whose values are not strings, or are addresses that name a user; `null` counts as absent.
    fn texts(&mut self, above: &str, mut entries: Map<String, Value>, known: &[&str]) -> Map<String, Value> {
        entries.retain(|key, value| {
            let wanted = known.contains(&key.as_str()) && key != PROFILES;
            let fits = !wanted || value.is_string() || value.is_null();
            let names_a_user = ADDRESSES.contains(&key.as_str()) && value.as_str().is_some_and(names_a_user);
            if !fits {
                self.mistake(&format!("{above}{key}"), "a text, in quotes");
            } else if names_a_user {
                self.mistake(&format!("{above}{key}"), "an address without user name and password");
            }
            fits && !names_a_user
        });
        entries
    }

    fn mistake(&mut self, key: &str, wanted: &str) {
        self.mistakes.push(format!("{}: '{key}' must be {wanted}", self.path.display()));
    }
}

/// True if an address holds a user name or a password (RFC 3986, section 3.2.1).
pub fn names_a_user(address: &str) -> bool {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
}

/// `line:column: reason` of a parser's error.
pub fn position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or_default();
    format!("{}:{}: {reason}", error.line(), error.column())
}

#[cfg(test)]
mod tests;
