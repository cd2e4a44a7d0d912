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
use crate::values::{address, name, text};

/// Keys at the top of the file. `authDomain` and `backendUrl` are those that Seqera documents.
pub const TOP: [&str; 8] =
    ["aiCommand", "authDomain", "backendUrl", "caFile", "credentialStore", "noProxy", PROFILES, "proxy"];

/// Keys of one profile, below `profiles.<name>`. They beat those at the top.
pub const OF_PROFILE: [&str; 10] = [
    "provider",
    "authority",
    "clientId",
    "audience",
    "apiUrl",
    "backendUrl",
    "mcpUrl",
    "caFile",
    "noProxy",
    "proxy",
];

/// Keys whose values are addresses. They are shown and recorded, and so hold no password; that of a proxy is kept
/// with the secrets.
const ADDRESSES: [&str; 5] = ["authDomain", "authority", "apiUrl", "backendUrl", "mcpUrl"];

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
    /// A sentence that names the file: what it is if it is no file of this user or no text, line, column and what to
    /// do if it is not JSON.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let path = folder.join("config.json");
        let bytes = match files::read(&path, LARGEST, Writer::Person) {
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(Self { path, ..Self::default() });
            }
            Err(error) => return Err(files::sentence(&path, &error)),
        };
        match text::decoded(&bytes) {
            Ok(text) => Self::parse(&text, path),
            Err(odd) => Err(format!("{} {odd}", path.display())),
        }
    }

    /// Reads `text`, which was found at `path`.
    ///
    /// # Errors
    /// See [`Configuration::read`].
    pub fn parse(text: &str, path: PathBuf) -> Result<Self, String> {
        let text = text.trim_start_matches('\u{feff}');
        // A file that was made and not written to says nothing.
        let text = if text::trimmed(text).is_empty() { "{}" } else { text };
        let document = serde_json::from_str(text)
            .map_err(|error| format!("{}:{}{}", path.display(), position(&error), remedy(text, &error)))?;
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

    /// A string at the top of the file, without blanks around it; it may be empty. An address is in its one spelling.
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
    /// key; and names that no profile can have.
    pub fn unknown(&self) -> Vec<String> {
        let path = self.path.display();
        let names = self.profiles().filter(|name| !name::is_profile(name)).map(|bad| {
            // Debug escapes whatever the name contains.
            let shown: String = bad.chars().take(80).collect();
            let lower = text::trimmed(bad).to_lowercase();
            match name::is_profile(&lower) {
                true => format!("{path}: {PROFILES}: nobody can select {shown:?}; call it '{lower}'"),
                false => format!("{path}: {PROFILES}: {shown:?} is not a profile name: {}", name::RULE),
            }
        });
        let top = self.top.keys().filter_map(|key| self.warning(key, key, &TOP, &OF_PROFILE));
        let inner = self.profiles.iter().flat_map(|(name, settings)| {
            let warning =
                move |key: &String| self.warning(key, &format!("{PROFILES}.{name}.{key}"), &OF_PROFILE, &TOP);
            settings.keys().filter_map(warning)
        });
        names.chain(top).chain(inner).collect()
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
                format!("{path}: unknown key '{shown}'; it belongs in '{PROFILES}.<name>'")
            }
            None if elsewhere.contains(&key) => {
                format!("{path}: unknown key '{shown}'; it belongs at the top of the file")
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

    /// Brings texts into the form in which they are used, and removes known keys with values that cannot be used;
    /// `null` counts as absent.
    fn texts(&mut self, above: &str, mut entries: Map<String, Value>, known: &[&str]) -> Map<String, Value> {
        entries.retain(|key, value| {
            let wanted = known.contains(&key.as_str()) && key != PROFILES;
            let read = if wanted { read(key, value) } else { Ok(()) };
            read.map_err(|odd| self.mistake(&format!("{above}{key}"), &odd)).is_ok()
        });
        entries
    }

    fn mistake(&mut self, key: &str, wanted: &str) {
        self.mistakes.push(format!("{}: '{key}' must be {wanted}", self.path.display()));
    }
}

/// Brings the value of a known key into its form.
///
/// # Errors
/// What it must be instead.
fn read(key: &str, value: &mut Value) -> Result<(), String> {
    let given = match value {
        Value::Null => return Ok(()),
        Value::String(given) => text::trimmed(given),
        _ => return Err("a text, in quotes".to_owned()),
    };
    let form = if !ADDRESSES.contains(&key) || given.is_empty() {
        given.to_owned()
    } else if names_a_user(given) {
        return Err("an address without user name and password".to_owned());
    } else {
        address::read(given).map_err(|odd| format!("an address; it {odd}"))?
    };
    if form.contains(char::is_control) {
        return Err("a text on one line".to_owned());
    }
    *value = Value::String(form);
    Ok(())
}

/// What a person can do about a mistake that JSON's parser only sees as an unexpected character.
fn remedy(text: &str, error: &serde_json::Error) -> &'static str {
    let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default().as_bytes();
    let from = error.column().saturating_sub(1).min(line.len());
    match line[from..] {
        [b'/' | b'#', ..] => "; JSON has no comments: remove it",
        [b'\'' | 0xe2, ..] => "; JSON has plain double quotes alone",
        [b'}' | b']', ..] => "; a comma too many or a value too few",
        _ if error.is_eof() => "; the file ends too early: is a brace missing, or was it cut off?",
        _ => "",
    }
}

/// True if an address contains a user name or a password (RFC 3986, section 3.2.1).
pub fn names_a_user(given: &str) -> bool {
    let rest = given.split_once("://").map_or(given, |(_, rest)| rest);
    let in_authority = rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@'));
    // Some readers forgive a slash too few or too many.
    in_authority || address::read(given) == Err(address::NAMES_USER)
}

/// `line:column: reason` of a parser's error.
pub fn position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or_default();
    format!("{}:{}: {reason}", error.line(), error.column())
}

#[cfg(test)]
mod tests;
