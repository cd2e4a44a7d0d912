//! The agent's part of `config.json`: which profiles there are. Which keys the file may have, and how it is
//! read, is the contract's to say.

use std::collections::BTreeMap;
use std::path::Path;

use seqera_agent_proto::configuration::Configuration;

use crate::profile::{BadName, Profile, ProfileName};

/// The file, and what is wrong with it. One that cannot be read counts as empty.
pub(super) fn read(folder: &Path) -> (Configuration, Vec<String>) {
    match Configuration::read(folder) {
        Ok(file) => {
            let problems = file.mistakes.iter().cloned().chain(file.unknown()).collect();
            (file, problems)
        }
        Err(problem) => {
            let problem = format!("{problem}; the defaults are in force until the file is corrected");
            (Configuration::default(), vec![problem])
        }
    }
}

/// The profiles with their defaults; a name that is none is told and left out.
pub(super) fn profiles(file: &Configuration, problems: &mut Vec<String>) -> BTreeMap<ProfileName, Profile> {
    let mut profiles = BTreeMap::new();
    for name in file.profiles() {
        match name.parse() {
            Ok(parsed) => drop(profiles.insert(parsed, profile(file, name))),
            Err(bad) => {
                let bad: BadName = bad;
                problems.push(format!("{}: {bad}: {}", file.path.display(), BadName::HINT));
            }
        }
    }
    profiles
}

/// One profile as a person writes it: what is left out has the default of Seqera Cloud.
fn profile(file: &Configuration, name: &str) -> Profile {
    let given = |key| file.of_profile(name, key).filter(|text| !text.is_empty());
    let url = |key, fallback| given(key).unwrap_or(fallback).trim_end_matches('/').to_owned();
    Profile {
        authority: url("authority", Profile::CLOUD_AUTHORITY),
        client_id: given("clientId").unwrap_or(Profile::CLIENT_ID).to_owned(),
        // An empty one is a word, too: no audience is asked for.
        audience: file.of_profile(name, "audience").unwrap_or(Profile::AUDIENCE).to_owned(),
        api_url: url("apiUrl", ""),
        backend_url: url("backendUrl", ""),
        scopes: Profile::SCOPES.to_owned(),
        provider: Default::default(),
        network: Default::default(),
    }
}
