//! Secrets in files in the configuration folder, which only their owner can read.
//!
//! Several hosts may share a home folder, and v1 of the CLI used the same file names for a bare token. So a
//! file called `refresh-token.<profile>` is ours only if it is a record of this host. Otherwise it stays as it
//! is, and our file is called `refresh-token.<profile>@<host id>` for as long as that lasts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{fs, io};

use seqera_agent_proto::files::{self, Writer};
use seqera_agent_proto::place::Places;

use super::item;
use super::timed::Place;
use crate::profile::ProfileName;
use crate::storage::durable;
use crate::storage::folder::{self, is_read_only};
use crate::storage::store::{Patience, StoreError, StoreKind, Stored};

/// How the files' names begin, as in v1 of the CLI.
pub(crate) const PREFIX: &str = "refresh-token.";
/// Some hundred times the longest tokens that are known.
pub(crate) const LARGEST: u64 = 4 << 20;
/// A file of v1 contains one word; a shorter word is not a token but damage.
const SHORTEST_V1_TOKEN: usize = 20;

/// The files of one host in one configuration folder.
pub(crate) struct File {
    folder: PathBuf,
    host: String,
}

/// What a file contains.
enum Found {
    Nothing,
    Ours(Stored),
    /// The record of another host.
    Host(String),
    /// A bare token of v1.
    V1,
}

impl File {
    /// The files of this host in its configuration folder. Does not touch the disk.
    pub(crate) fn new(places: &Places) -> Self {
        Self { folder: places.config_dir.clone(), host: places.host_id.clone() }
    }

    /// The files of another host in the same folder. Only that host may write them.
    pub(crate) fn of_host(places: &Places, host: &str) -> Self {
        Self { folder: places.config_dir.clone(), host: host.to_owned() }
    }

    fn plain(&self, profile: &ProfileName) -> PathBuf {
        self.folder.join(format!("{PREFIX}{profile}"))
    }

    fn with_host(&self, profile: &ProfileName) -> PathBuf {
        self.folder.join(format!("{PREFIX}{profile}@{}", self.host))
    }

    /// The path that this host may write, and what was found. If another host or v1 has the plain name, the two
    /// differ: the path is the one with the host id, the find is the file of the plain name.
    fn find(&self, profile: &ProfileName) -> Result<(PathBuf, Found), StoreError> {
        let (plain, with_host) = (self.plain(profile), self.with_host(profile));
        match self.look(&with_host)? {
            Found::Nothing => {}
            Found::Ours(stored) => {
                // Both are ours if a change of name was interrupted.
                return Ok(match self.look(&plain) {
                    Ok(Found::Ours(other)) if other.saved_at >= stored.saved_at => {
                        (plain, Found::Ours(other))
                    }
                    _ => (with_host, Found::Ours(stored)),
                });
            }
            found => return Ok((with_host, found)),
        }
        match self.look(&plain)? {
            found @ (Found::Nothing | Found::Ours(_)) => Ok((plain, found)),
            foreign => Ok((with_host, foreign)),
        }
    }

    /// Takes the documented name if whoever had it has gone. What is there is never replaced, except an older
    /// record of ours.
    fn take_name(&self, profile: &ProfileName) -> Result<(), StoreError> {
        let (plain, with_host) = (self.plain(profile), self.with_host(profile));
        let took = match self.find(profile)? {
            (path, Found::Ours(_)) if path == plain => durable::remove(&with_host).map(drop),
            (_, Found::Ours(_)) => match durable::add_name(&with_host, &plain) {
                Ok(true) => durable::remove(&with_host).map(drop),
                Ok(false) if matches!(self.look(&plain), Ok(Found::Ours(_))) => {
                    fs::rename(&with_host, &plain)
                }
                kept => kept.map(drop),
            },
            _ => Ok(()),
        };
        took.map_err(|error| failed(&plain, &error))
    }

    fn look(&self, path: &Path) -> Result<Found, StoreError> {
        let bytes = match files::read(path, LARGEST, Writer::Program) {
            Ok(bytes) => zeroize::Zeroizing::new(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                return Err(StoreError::Corrupt(files::sentence(path, &error)));
            }
            Err(error) => return Err(failed(path, &error)),
        };
        match item::read(&bytes) {
            Ok((stored, host)) if host == self.host => Ok(Found::Ours(stored)),
            Ok((_, host)) => Ok(Found::Host(host)),
            Err(_) if is_bare_token(&bytes) => Ok(Found::V1),
            Err(malformed) => Err(StoreError::Corrupt(format!("{}:{malformed}", path.display()))),
        }
    }
}

/// True for a file of v1, which wrote the token and nothing else.
pub(crate) fn is_bare_token(bytes: &[u8]) -> bool {
    let word = bytes.trim_ascii();
    word.len() >= SHORTEST_V1_TOKEN && word[0] != b'{' && word.iter().all(u8::is_ascii_graphic)
}

fn failed(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Failed(files::sentence(path, error))
}

/// An error of [`durable`]'s check of a folder, which already names the folder.
fn refused(error: io::Error) -> StoreError {
    StoreError::Failed(error.to_string())
}

impl Place for File {
    const KIND: StoreKind = StoreKind::File;
    const NAME: &'static str = "the configuration folder";

    fn takes(&self) -> Result<(), StoreError> {
        match folder::writable(&self.folder) {
            Err(error) if is_read_only(&error) => {
                Err(StoreError::ReadOnly(format!("{} cannot be written: {error}", self.folder.display())))
            }
            // Anything else that is wrong may have passed by the time of the save.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn save(&self, profile: &ProfileName, secret: &Stored, _: Patience) -> Result<(), StoreError> {
        durable::private_folder(&self.folder).map_err(refused)?;
        let (path, _) = self.find(profile)?;
        durable::sweep(&path, &self.host).map_err(|error| failed(&path, &error))?;
        durable::write(&path, &self.host, &item::write(secret, &self.host))
            .map_err(|error| failed(&path, &error))?;
        // The secret is safe under either name.
        if let Err(error) = self.take_name(profile) {
            tracing::debug!(%profile, %error, "the documented name was not taken");
        }
        Ok(())
    }

    fn load(&self, profile: &ProfileName) -> Result<Option<Stored>, StoreError> {
        if !durable::check_folder(&self.folder).map_err(refused)? {
            return Ok(None);
        }
        match self.find(profile)?.1 {
            Found::Ours(stored) => Ok(Some(stored)),
            Found::Host(host) => Err(StoreError::OtherHost(host)),
            Found::Nothing | Found::V1 => Ok(None),
        }
    }

    fn remove(&self, profile: &ProfileName) -> Result<bool, StoreError> {
        if !durable::check_folder(&self.folder).map_err(refused)? {
            return Ok(false);
        }
        for path in [self.plain(profile), self.with_host(profile)] {
            durable::sweep(&path, &self.host).map_err(|error| failed(&path, &error))?;
        }
        let (path, Found::Ours(_)) = self.find(profile)? else { return Ok(false) };
        let mut ours = vec![path];
        for other in [self.plain(profile), self.with_host(profile)] {
            if !ours.contains(&other) && matches!(self.look(&other), Ok(Found::Ours(_))) {
                ours.push(other);
            }
        }
        for path in ours {
            durable::remove(&path).map_err(|error| failed(&path, &error))?;
        }
        Ok(true)
    }

    fn file(&self, profile: &ProfileName) -> Option<PathBuf> {
        Some(self.find(profile).ok()?.0)
    }

    fn settle_name(&self, profile: &ProfileName) -> Result<(), StoreError> {
        match durable::check_folder(&self.folder).map_err(refused)? {
            true => self.take_name(profile),
            false => Ok(()),
        }
    }

    /// The profiles whose file is ours. A damaged file counts, because it may contain a secret.
    fn list(&self) -> Result<Vec<ProfileName>, StoreError> {
        if !durable::check_folder(&self.folder).map_err(refused)? {
            return Ok(Vec::new());
        }
        let names = names(&self.folder).map_err(|error| failed(&self.folder, &error))?;
        let ours = |name: &ProfileName| {
            matches!(self.find(name), Ok((_, Found::Ours(_))) | Err(StoreError::Corrupt(_)))
        };
        Ok(names.into_iter().filter(ours).collect())
    }

    fn set_aside(&self, profile: &ProfileName, now: SystemTime) -> Result<Vec<String>, StoreError> {
        let mut moved = Vec::new();
        for path in [self.plain(profile), self.with_host(profile)] {
            if let Err(StoreError::Corrupt(_)) = self.look(&path) {
                let aside = durable::set_aside(&path, now).map_err(|error| failed(&path, &error))?;
                moved.push(aside.display().to_string());
            }
        }
        Ok(moved)
    }
}

/// The profiles named by the files in the folder, whoever wrote them.
fn names(folder: &Path) -> io::Result<BTreeSet<ProfileName>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let file_name = entry?.file_name();
        let Some(name) = file_name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        let profile = name.split_once('@').map_or(name, |(profile, _)| profile);
        if !durable::is_aside(name) {
            names.extend(profile.parse::<ProfileName>());
        }
    }
    Ok(names)
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
