//! `~/.scitoolkit/token`, the place that SciToolkit documents for its token: the one exception to the rules of
//! storage. The file contains the bare token and a line end, so that SciToolkit's other programs can read it.
//!
//! A bare token does not say where it belongs, and other programs write the file too. So a label beside the
//! state of this host describes our token (authority, time, SHA-256); a token that does not match is not ours.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use secrecy::ExposeSecret;
use seqera_agent_proto::files::{self, Writer};
use seqera_agent_proto::place::{Places, token_sha256};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::timed::Place;
use crate::network::Password;
use crate::profile::ProfileName;
use crate::providers::known;
use crate::providers::scitoolkit::{self, Prefix};
use crate::sealed::Sealed;
use crate::storage::durable;
use crate::storage::store::{Patience, StoreError, StoreKind, Stored};
use crate::token::Kind;

/// Longer than any token, and than what is written beside it; a longer file contains something else.
const LONGEST: u64 = 16 * 1024;

/// The file and its label.
pub(crate) struct TokenFile {
    path: PathBuf,
    label: PathBuf,
    host: String,
}

/// What the token's own file cannot say about a token of ours.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Label {
    authority: String,
    client_id: String,
    sha256: String,
    saved_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proxy_password: Option<String>,
}

/// What the file contains.
enum Found {
    Nothing,
    Ours(Stored),
    /// A token of another program, or of another host that shares the home folder.
    Foreign,
    /// Something other than a token.
    Unknown,
}

impl TokenFile {
    /// The file in a user's home folder. Does not touch the disk.
    pub(crate) fn new(home: &Path, places: &Places) -> Self {
        Self {
            path: folder(home).join("token"),
            label: places.run_dir().join("scitoolkit-token.json"),
            host: places.host_id.clone(),
        }
    }

    fn folder(&self) -> &Path {
        self.path.parent().expect("the file lies in a folder")
    }

    fn find(&self) -> Result<Found, StoreError> {
        let Some(text) = read(&self.path).map_err(|error| failed(&self.path, &error))? else {
            return Ok(Found::Nothing);
        };
        let token = text.trim();
        match (self.read_label(), Prefix::of(token)) {
            (Some(label), _) if label.sha256 == token_sha256(token) => Ok(Found::Ours(label.stored(token))),
            (_, Prefix::Unknown) if !token.is_empty() => Ok(Found::Unknown),
            _ => Ok(Found::Foreign),
        }
    }

    /// Without a label no token is ours, so a label that cannot be read counts as missing.
    fn read_label(&self) -> Option<Label> {
        let label = Zeroizing::new(files::read(&self.label, LONGEST, Writer::Program).ok()?);
        serde_json::from_slice(&label).ok()
    }

    fn write_label(&self, secret: &Stored) -> io::Result<()> {
        let password = secret.proxy_password.as_ref().map(Password::open);
        let since = secret.saved_at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let label = Label {
            authority: secret.authority.clone(),
            client_id: secret.client_id.clone(),
            sha256: token_sha256(secret.secret.open().expose_secret()),
            saved_at: since.as_secs(),
            proxy_password: password.map(|password| password.expose_secret().to_owned()),
        };
        let json = Zeroizing::new(serde_json::to_vec(&label)?);
        durable::private_folder(self.label.parent().unwrap_or(Path::new(".")))?;
        durable::write(&self.label, &self.host, &json)
    }
}

impl Label {
    fn stored(self, token: &str) -> Stored {
        Stored {
            provider: scitoolkit::ID,
            authority: self.authority,
            client_id: self.client_id,
            kind: Kind::Fixed,
            secret: Sealed::new(token),
            saved_at: UNIX_EPOCH.checked_add(Duration::from_secs(self.saved_at)).unwrap_or(UNIX_EPOCH),
            proxy_password: self.proxy_password.as_deref().map(Password::new),
        }
    }
}

/// SciToolkit's folder in the user's home folder.
pub(crate) fn folder(home: &Path) -> PathBuf {
    home.join(".scitoolkit")
}

/// Reads a file that may contain a token; `None` if it does not exist.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] if the file is not text, and those of [`files::read`].
pub(crate) fn read(path: &Path) -> io::Result<Option<Zeroizing<String>>> {
    let bytes = match files::read(path, LONGEST, Writer::Program) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let text = std::str::from_utf8(&bytes);
    let text = text.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not text in UTF-8"))?;
    Ok(Some(Zeroizing::new(text.to_owned())))
}

fn is_own(profile: &ProfileName) -> bool {
    known::own_profile(&scitoolkit::ID).as_ref() == Some(profile)
}

fn failed(path: &Path, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::FileTooLarge => {
            StoreError::Corrupt(files::sentence(path, error))
        }
        _ => StoreError::Failed(files::sentence(path, error)),
    }
}

impl Place for TokenFile {
    const KIND: StoreKind = StoreKind::TokenFile;
    const NAME: &'static str = "~/.scitoolkit";

    fn is_documented_for(&self, profile: &ProfileName, secret: &Stored) -> bool {
        secret.provider == scitoolkit::ID && is_own(profile)
    }

    /// Replaces the token of another program, as that program replaces ours.
    fn file(&self, _: &ProfileName) -> Option<PathBuf> {
        Some(self.path.clone())
    }

    fn save(&self, _: &ProfileName, secret: &Stored, _: Patience) -> Result<(), StoreError> {
        durable::close_folder(self.folder()).map_err(|error| StoreError::Failed(error.to_string()))?;
        if let Found::Unknown = self.find()? {
            return Err(StoreError::Corrupt(format!("{}: not a token", self.path.display())));
        }
        durable::sweep(&self.path, &self.host).map_err(|error| failed(&self.path, &error))?;
        let line = Zeroizing::new(format!("{}\n", secret.secret.open().expose_secret()));
        // The label first: after a crash between the two the token in the file counts as foreign, and a foreign
        // token never counts as ours.
        self.write_label(secret).map_err(|error| failed(&self.label, &error))?;
        durable::write(&self.path, &self.host, line.as_bytes()).map_err(|error| failed(&self.path, &error))
    }

    fn load(&self, profile: &ProfileName) -> Result<Option<Stored>, StoreError> {
        if !is_own(profile) {
            return Ok(None);
        }
        match self.find()? {
            Found::Ours(stored) => Ok(Some(stored)),
            Found::Foreign | Found::Unknown if self.read_label().is_some() => {
                let what = "another program has put something else there";
                Err(StoreError::Failed(format!("{}: {what}", self.path.display())))
            }
            Found::Nothing | Found::Foreign | Found::Unknown => Ok(None),
        }
    }

    /// Leaves what another program has put there.
    fn remove(&self, profile: &ProfileName) -> Result<bool, StoreError> {
        if !is_own(profile) {
            return Ok(false);
        }
        let removed = match self.find()? {
            Found::Ours(_) => {
                durable::sweep(&self.path, &self.host).map_err(|error| failed(&self.path, &error))?;
                durable::remove(&self.path).map_err(|error| failed(&self.path, &error))?
            }
            Found::Nothing | Found::Foreign | Found::Unknown => false,
        };
        match durable::remove(&self.label) {
            Ok(_) => Ok(removed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(removed),
            Err(error) => Err(failed(&self.label, &error)),
        }
    }

    fn list(&self) -> Result<Vec<ProfileName>, StoreError> {
        let own = matches!(self.find()?, Found::Ours(_)).then(|| known::own_profile(&scitoolkit::ID));
        Ok(own.flatten().into_iter().collect())
    }

    fn set_aside(&self, profile: &ProfileName, now: SystemTime) -> Result<Vec<String>, StoreError> {
        if !is_own(profile) || !matches!(self.find(), Ok(Found::Unknown) | Err(StoreError::Corrupt(_))) {
            return Ok(Vec::new());
        }
        let aside = durable::set_aside(&self.path, now).map_err(|error| failed(&self.path, &error))?;
        Ok(vec![aside.display().to_string()])
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
