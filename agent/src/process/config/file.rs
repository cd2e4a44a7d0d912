//! The agent's part of `config.json`: which profiles there are. Which keys the file may have, and how it is
//! read, is the contract's to say.

use std::collections::BTreeMap;
use std::path::Path;

use seqera_agent_proto::configuration::Configuration;

use crate::profile::{Profile, ProfileName};
use crate::providers::known::{self, UnknownProvider};
use crate::site::Site;

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

/// The profiles with their defaults. A name that is none is left out; [`Configuration::unknown`] tells of it.
pub(super) fn profiles(
    file: &Configuration,
    site: &Site,
    problems: &mut Vec<String>,
) -> BTreeMap<ProfileName, Profile> {
    let mut profiles = BTreeMap::new();
    for text in file.profiles() {
        let Ok(name) = text.parse::<ProfileName>() else { continue };
        match profile(file, site, &name) {
            Ok(profile) => drop(profiles.insert(name, profile)),
            Err(problem) => problems.push(format!("{}: {problem}", file.path.display())),
        }
    }
    profiles
}

/// One profile as a person writes it: what is left out has the default of its kind of provider.
fn profile(file: &Configuration, site: &Site, name: &ProfileName) -> Result<Profile, String> {
    let given = |key| file.of_profile(name.as_str(), key).filter(|text| !text.is_empty());
    let url = |key, fallback: &str| given(key).unwrap_or(fallback).to_owned();
    let unknown = |unknown: UnknownProvider| format!("profiles.{name}.provider: {unknown}");
    let defaults = match given("provider") {
        Some(provider) => known::defaults(&known::named(provider).map_err(unknown)?),
        None => known::built_in(name).unwrap_or_default(),
    };
    let authority = url("authority", site.authority_or(&defaults));
    Ok(Profile {
        // The person wrote all of this for one profile.
        endpoints_of: authority.clone(),
        authority,
        client_id: given("clientId").unwrap_or(&defaults.client_id).to_owned(),
        // An empty one is a word, too: no audience is asked for.
        audience: file.of_profile(name.as_str(), "audience").unwrap_or(&defaults.audience).to_owned(),
        api_url: url("apiUrl", ""),
        backend_url: url("backendUrl", ""),
        ..defaults
    })
}
