//! Where long-lived secrets are kept: keychain, file or memory, and the ladder between them.

use std::time::SystemTime;

use async_trait::async_trait;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::network::Password;
use crate::profile::{Profile, ProfileName, ProviderId};
use crate::providers::known;
use crate::token::Kind;

/// One place for secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StoreKind {
    /// The operating system's keychain.
    Keychain,
    /// `refresh-token.<profile>` in the configuration folder.
    File,
    /// This process only.
    Memory,
    /// `~/.scitoolkit/token`, as SciToolkit documents it.
    TokenFile,
}

impl StoreKind {
    /// All there are.
    pub(crate) const ALL: [Self; 4] = [Self::TokenFile, Self::Keychain, Self::File, Self::Memory];

    /// As the contract and `status` write it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Keychain => "keychain",
            Self::File => "file",
            Self::Memory => "memory",
            Self::TokenFile => "~/.scitoolkit/token",
        }
    }
}

/// A secret as it is kept, with the party it may be sent to.
#[derive(Clone)]
pub(crate) struct Stored {
    /// The kind of provider that it came from.
    pub provider: ProviderId,
    /// The issuer that it came from.
    pub authority: String,
    /// The client that it was given to.
    pub client_id: String,
    /// Refresh token, or the fixed credential.
    pub kind: Kind,
    /// The secret itself.
    pub secret: SecretString,
    /// When it was given to us.
    pub saved_at: SystemTime,
    /// Of the proxy on the way to the party, where it wants one.
    pub proxy_password: Option<Password>,
}

impl Stored {
    /// Whom it may be sent to, as far as that was kept with it.
    pub(crate) fn party(&self) -> Profile {
        let (authority, client_id) = (self.authority.clone(), self.client_id.clone());
        let api_url = known::api_url(&self.provider, &authority);
        Profile { authority, client_id, api_url, ..known::defaults(&self.provider) }
    }

    /// A secret of `profile`, to be kept from now on.
    pub(crate) fn new(profile: &Profile, kind: Kind, secret: &str, now: SystemTime) -> Self {
        Self {
            provider: profile.provider.clone(),
            authority: profile.authority.clone(),
            client_id: profile.client_id.clone(),
            kind,
            secret: SecretString::from(secret),
            saved_at: now,
            proxy_password: None,
        }
    }

    /// The same with the password of the proxy on the way to its party.
    #[must_use]
    pub(crate) fn with_proxy_password(self, proxy_password: Option<Password>) -> Self {
        Self { proxy_password, ..self }
    }
}

/// Why a store did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoreError {
    /// Locked, or a prompt would be needed.
    #[error("the keychain is locked: {0}")]
    Locked(String),
    /// There is no such store here, or it does not answer in time.
    #[error("{0}")]
    Unavailable(String),
    /// What is there cannot be read. It was left as it is.
    #[error("{0}")]
    Corrupt(String),
    /// The item belongs to another host over the same home folder.
    #[error("the stored session belongs to host {0}")]
    OtherHost(String),
    /// Anything else, disk full included.
    #[error("{0}")]
    Failed(String),
}

/// How long a call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Nobody sits there: 3 s, and no prompt.
    Background,
    /// A person signs in: where the keychain is locked, they get 60 s to answer its prompt.
    Login,
}

/// One place for secrets. "Absent" is a value, not an error. A save or removal must be awaited to its end:
/// only its caller can tell whether it was in time.
#[async_trait]
pub(crate) trait Store: Send + Sync {
    /// Which one this is.
    fn kind(&self) -> StoreKind;
    /// True for the one secret that a provider's documentation promises to keep here. Such a store takes
    /// nothing else, and stands above the ladder.
    fn is_documented_for(&self, _profile: &ProfileName, _secret: &Stored) -> bool {
        false
    }
    /// Keeps the secret durably, replacing what was there. After an error it may still come to be kept (it
    /// is the newest secret after all), unless a later call or [`Store::disown`] says otherwise.
    async fn save(
        &self,
        profile: &ProfileName,
        secret: &Stored,
        patience: Patience,
    ) -> Result<(), StoreError>;
    /// The secret, if there is one.
    async fn load(&self, profile: &ProfileName) -> Result<Option<Stored>, StoreError>;
    /// Removes the secret; `false` where there was none. After this returns (even with an error) a save
    /// that was abandoned earlier never brings the secret back.
    async fn remove(&self, profile: &ProfileName) -> Result<bool, StoreError>;
    /// Profiles of this host and configuration folder that have a secret here.
    async fn list(&self) -> Result<Vec<ProfileName>, StoreError>;
    /// Renames what is kept for the profile but cannot be read, so that a login can go on. Returns the new
    /// names.
    async fn set_aside(&self, _profile: &ProfileName, _now: SystemTime) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }
    /// The secret of a save that failed has gone elsewhere: should that save yet succeed, it is undone.
    fn disown(&self, _profile: &ProfileName) {}
}
