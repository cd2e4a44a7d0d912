//! Sign-ins that this user's other programs have left behind: finds them and, if the person agrees, turns one
//! into a session of ours.
//!
//! The danger is a refresh token with two owners: the provider ends the sessions of both. So a token of v1 is
//! spent only once, after a note of that has been written to disk. Then the new token is stored, and only
//! then is the old one removed.

mod groovy;
mod leftovers;
mod nextflow;
mod take;
pub(crate) mod token_files;
mod v1;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use seqera_agent_proto::v1::import::Origin;
use seqera_agent_proto::v1::{FindImportsRequest, FindImportsResponse, Import, ProfileSettings};

use self::leftovers::{Keychain, Leftovers};
use self::v1::Owner;
use crate::error::AgentError;
use crate::foreign::{Email, Place};
use crate::profile::{Profile, ProfileName, canonical};
use crate::providers::known::Providers;
use crate::sessions::registry::Registry;
use crate::sessions::target::{target, unnamed};
use crate::storage::lane::Lane;
use crate::storage::store::StoreError;

/// The longest name of a keychain's item that is offered, in bytes, as of a file. The earlier CLI's are shorter.
const LONGEST_NAME: usize = 255;

/// Finds and takes over the sign-ins of other programs.
pub(crate) struct Imports {
    registry: Arc<Registry>,
    providers: Arc<Providers>,
    keychain: Arc<dyn Leftovers>,
    files: Lane,
}

/// A sign-in that could become a session. It holds no secret.
#[derive(Debug, Clone)]
struct Candidate {
    origin: Origin,
    /// The name in the other program.
    name: String,
    /// Where it is, in words for people.
    place: Place,
    owner: Owner,
    /// True if a person gave the name.
    named: bool,
}

impl Candidate {
    /// The key of the attempt in the state.
    fn key(&self) -> String {
        key(self.origin, &self.name)
    }

    /// Words for a sentence.
    fn shown(&self) -> String {
        shown(self.origin, &self.place)
    }
}

fn shown(origin: Origin, place: &str) -> String {
    let whose =
        if origin == Origin::Nextflow { "Nextflow's access token" } else { "the earlier CLI's token" };
    format!("{whose} in {place}")
}

fn key(origin: Origin, name: &str) -> String {
    let place = origin.as_str_name().trim_start_matches("ORIGIN_").to_ascii_lowercase();
    format!("{place} {name}")
}

/// The result of a search.
#[derive(Default)]
struct Found {
    candidates: Vec<Candidate>,
    /// Places that could not be searched.
    problems: Vec<String>,
    /// What was found but cannot be taken over, and why.
    left_out: Vec<String>,
}

impl Imports {
    pub(crate) fn new(registry: Arc<Registry>, providers: Arc<Providers>) -> Self {
        let keychain = Arc::new(Keychain::default());
        Self { registry, providers, keychain, files: Lane::new("imports") }
    }

    /// Finds the sign-ins that suit the requested login, the best one first.
    ///
    /// # Errors
    /// If the name is not a valid profile name, or the authority is not a valid URL.
    pub(crate) async fn find(&self, asked: FindImportsRequest) -> Result<FindImportsResponse, AgentError> {
        let settings = asked.settings.unwrap_or_default();
        // The earlier CLI and Nextflow keep tokens for Platforms only.
        if !matches!(settings.provider.as_str(), "" | "platform") {
            return Ok(FindImportsResponse::default());
        }
        let wanted = match asked.profile.as_str() {
            "" => None,
            name => Some(target(&self.registry, name, &settings)?),
        };
        let Found { candidates, problems, mut left_out } = self.look(Path::new(&asked.nextflow_file)).await;
        let mut imports = Vec::new();
        for candidate in candidates {
            match self.becomes(&candidate, wanted.as_ref(), &settings) {
                Some(name) if self.is_signed_in(&name) => {
                    let what = candidate.shown();
                    left_out.push(format!("{what} is left as it is: profile '{name}' is signed in"));
                }
                Some(name) => imports.push(import(candidate, &name)),
                None => {}
            }
        }
        Ok(FindImportsResponse { imports, problems, left_out })
    }

    /// The profile that the candidate becomes in this login, or `None` if the login is for another one.
    fn becomes(
        &self,
        candidate: &Candidate,
        wanted: Option<&(ProfileName, Profile)>,
        settings: &ProfileSettings,
    ) -> Option<ProfileName> {
        let authority = &candidate.owner.authority;
        if !settings.authority.is_empty() && canonical(&settings.authority) != canonical(authority) {
            return None;
        }
        let own = candidate.named.then(|| ProfileName::imported(&candidate.name));
        match (wanted, own) {
            (None, Some(own)) => Some(own),
            (None, None) => Some(unnamed(&self.registry, authority)),
            (Some((name, _)), Some(own)) => (*name == own).then_some(own),
            (Some((name, profile)), None) => profile.serves(authority).then(|| name.clone()),
        }
    }

    fn is_signed_in(&self, name: &ProfileName) -> bool {
        self.registry.worker(name).is_ok_and(|worker| worker.view().is_usable())
    }

    /// Finds everything that other programs have left, whichever login it suits.
    async fn look(&self, nextflow_file: &Path) -> Found {
        let mut found = Found::default();
        let folder = self.registry.shared.places.config_dir.clone();
        let in_folder = self.files.run(leftovers::LIMIT, move || (v1::owners(&folder), v1::files(&folder)));
        let (in_folder, in_keychain) = tokio::join!(in_folder, self.keychain.profiles());
        let (mut owners, files) = in_folder.unwrap_or_else(|_| {
            found.problems.push("the configuration folder does not answer in time".into());
            (BTreeMap::new(), Ok(Vec::new()))
        });
        owners.retain(|name, _| !self.is_ours(name));
        match in_keychain {
            Ok(names) => names.into_iter().filter(|name| name.len() <= LONGEST_NAME).for_each(|name| {
                let place = format!("keychain item '{name}'").into();
                let owner = owners.get(&name);
                found.v1(Origin::V1Keychain, name, place, owner);
            }),
            // Without a keychain there is nothing to find in it.
            Err(StoreError::Unavailable(_)) => {}
            Err(error) => found.problems.push(format!("nothing was looked for in the keychain: {error}")),
        }
        let folder = &self.registry.shared.places.config_dir;
        match files {
            Ok(names) => names.into_iter().for_each(|name| {
                let place = v1::path(folder, &name).display().to_string().into();
                let owner = owners.iter().find(|(profile, _)| v1::file_name(profile) == name);
                found.v1(Origin::V1File, name, place, owner.map(|(_, owner)| owner));
            }),
            Err(error) => found.problems.push(error.to_string()),
        }
        found.candidates.retain(|candidate| !self.is_dead(candidate));
        self.nextflow(nextflow_file, &mut found).await;
        found
    }

    /// True if the entry in `auth-state.json` is our own: we write our summary in the format of v1.
    fn is_ours(&self, name: &str) -> bool {
        let state = &self.registry.shared.state;
        name.parse::<ProfileName>().is_ok_and(|name| {
            let ours = state.record(&name);
            ours.is_some_and(|ours| ours.account.is_some() || ours.signed_out || ours.ended.is_some())
                || state.other_host(&name).is_some()
        })
    }

    /// True if the provider refused this token before, and v1 has not signed in again since.
    fn is_dead(&self, candidate: &Candidate) -> bool {
        let sessions = self.registry.shared.state.snapshot();
        let attempt = sessions.imports.get(&candidate.key());
        attempt.is_some_and(|attempt| attempt.dead && candidate.owner.since <= attempt.at)
    }

    async fn nextflow(&self, file: &Path, found: &mut Found) {
        let settings = match self.nextflow_settings(file).await {
            Ok(settings) => settings,
            Err(problem) => return found.problems.push(problem),
        };
        let place = file.display().to_string();
        if let Some(line) = settings.odd {
            let what = shown(Origin::Nextflow, &place);
            let why =
                format!("line {line} is no plain setting, so it is not certain where the token belongs");
            let instead = "sign in with it by 'seqera login --with-token --authority URL'";
            return found.left_out.push(format!("{what} is left as it is: {why}; {instead}"));
        }
        let Some(token) = &settings.token else { return };
        if settings.is_elsewhere {
            let what = shown(Origin::Nextflow, &place);
            let other = file.with_file_name("config");
            return found.left_out.push(format!(
                "{what} is left as it is: {} may say where it belongs, in a way that is not understood; sign in with it \
                 by 'seqera login --with-token --authority URL'",
                other.display()
            ));
        }
        if !settings.is_personal() {
            let why = "only Nextflow can renew it, so it is not taken over";
            let what = shown(Origin::Nextflow, &place);
            return found.left_out.push(format!("{what} is left as it is: {why}"));
        }
        let sha256 = leftovers::sha256(token);
        let sessions = self.registry.shared.state.snapshot();
        if sessions.profiles.values().any(|record| record.secret_sha256.as_ref() == Some(&sha256)) {
            return;
        }
        let owner = Owner {
            authority: settings.authority(),
            client_id: String::new(),
            audience: String::new(),
            account: Email::default(),
            since: 0,
        };
        let origin = Origin::Nextflow;
        let name = place.clone();
        found.candidates.push(Candidate { origin, name, place: place.into(), owner, named: false });
    }

    async fn nextflow_settings(&self, file: &Path) -> Result<nextflow::Settings, String> {
        if file.as_os_str().is_empty() {
            return Ok(nextflow::Settings::default());
        }
        let path: PathBuf = file.to_owned();
        let read = self.files.run(leftovers::LIMIT, move || nextflow::read(&path)).await;
        read.unwrap_or_else(|_| Err(format!("{} does not answer in time", file.display())))
    }
}

impl Found {
    /// Adds a token of v1, or leaves it out if v1 did not record where it belongs.
    fn v1(&mut self, origin: Origin, name: String, place: Place, owner: Option<&Owner>) {
        let Some(owner) = owner.cloned() else {
            let what = shown(origin, &place);
            return self.left_out.push(format!("{what} is left as it is: it does not say where it belongs"));
        };
        let named = !v1::is_generated(&name, &owner);
        self.candidates.push(Candidate { origin, name, place, owner, named });
    }
}

fn import(candidate: Candidate, profile: &ProfileName) -> Import {
    Import {
        origin: candidate.origin.into(),
        name: candidate.name,
        place: candidate.place.into(),
        profile: profile.to_string(),
        authority: candidate.owner.authority,
        account: candidate.owner.account.into(),
    }
}

#[cfg(test)]
mod tests;
