//! `config.json` of the configuration folder, as far as the agent reads it. The file is shared with other
//! programs: keys that are not ours are left to them, and nothing is ever written.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::profile::{BadName, Profile, ProfileName};
use crate::summary::at;

/// `authDomain` and `backendUrl` at the top are the client's, and not read here.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Document {
    pub(super) credential_store: Option<String>,
    profiles: BTreeMap<String, Settings>,
}

/// One profile as a person writes it: what is left out has the default of Seqera Cloud.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Settings {
    authority: Option<String>,
    client_id: Option<String>,
    audience: Option<String>,
    api_url: Option<String>,
    backend_url: Option<String>,
}

/// The document, and what is wrong with it. A file that cannot be read counts as empty.
pub(super) fn read(path: &Path) -> (Document, Vec<String>) {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Default::default(),
        Err(error) => return (Document::default(), vec![format!("{}: {error}", path.display())]),
    };
    match serde_json::from_slice(&bytes) {
        Ok(document) => (document, Vec::new()),
        Err(error) => {
            let (file, place) = (path.display(), at(&error));
            let problem = format!("{file}:{place}; the defaults are in force until the file is corrected");
            (Document::default(), vec![problem])
        }
    }
}

impl Document {
    /// The profiles with their defaults; a name that is none is told and left out.
    pub(super) fn profiles(&self, path: &Path, problems: &mut Vec<String>) -> BTreeMap<ProfileName, Profile> {
        let mut profiles = BTreeMap::new();
        for (name, settings) in &self.profiles {
            match name.parse() {
                Ok(name) => drop(profiles.insert(name, settings.profile())),
                Err(bad) => {
                    let bad: BadName = bad;
                    problems.push(format!("{}: {bad}: {}", path.display(), BadName::HINT));
                }
            }
        }
        profiles
    }
}

impl Settings {
    fn profile(&self) -> Profile {
        let url = |given: &Option<String>, fallback: &str| {
            given.as_deref().unwrap_or(fallback).trim_end_matches('/').to_owned()
        };
        let plain = |given: &Option<String>, fallback: &str| given.as_deref().unwrap_or(fallback).to_owned();
        Profile {
            authority: url(&self.authority, Profile::CLOUD_AUTHORITY),
            client_id: plain(&self.client_id, Profile::CLIENT_ID),
            audience: plain(&self.audience, Profile::AUDIENCE),
            api_url: url(&self.api_url, ""),
            backend_url: url(&self.backend_url, ""),
            scopes: Profile::SCOPES.to_owned(),
            provider: Default::default(),
        }
    }
}
