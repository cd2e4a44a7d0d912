//! What a store of long-lived secrets does, and the secret that it keeps.

use std::path::PathBuf;
use std::time::SystemTime;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::network::Password;
use crate::profile::{Profile, ProfileName, ProviderId};
use crate::providers::known;
use crate::sealed::Sealed;
use crate::token::Kind;

/// The kinds of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StoreKind {
    /// The operating system's keychain.
    Keychain,
    /// `refresh-token.<profile>` in the configuration folder.
    File,
    /// The memory of this process.
    Memory,
    /// `~/.scitoolkit/token`, as SciToolkit documents it.
    TokenFile,
}

impl StoreKind {
    pub(crate) const ALL: [Self; 4] = [Self::TokenFile, Self::Keychain, Self::File, Self::Memory];

    /// The name in the contract and in `status`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Keychain => "keychain",
            Self::File => "file",
            Self::Memory => "memory",
            Self::TokenFile => "~/.scitoolkit/token",
        }
    }
}

/// A stored secret and the party it may be sent to.
#[derive(Clone)]
pub(crate) struct Stored {
    /// The kind of provider that issued the secret.
    pub provider: ProviderId,
    /// The authority that issued the secret.
    pub authority: String,
    /// The client that the secret was issued to.
    pub client_id: String,
    /// Tells whether the secret is a refresh token or a fixed credential.
    pub kind: Kind,
    pub secret: Sealed,
    /// When the agent received the secret.
    pub saved_at: SystemTime,
    /// The password of the proxy on the way to the party, if the proxy wants one.
    pub proxy_password: Option<Password>,
}

impl Stored {
    /// The party that the secret may be sent to, as far as it was stored.
    pub(crate) fn party(&self) -> Profile {
        let (authority, client_id) = (self.authority.clone(), self.client_id.clone());
        let api_url = known::api_url(&self.provider, &authority);
        Profile { authority, client_id, api_url, ..known::defaults(&self.provider) }
    }

    /// A secret that `profile`'s provider has issued now.
    pub(crate) fn new(profile: &Profile, kind: Kind, secret: Sealed, now: SystemTime) -> Self {
        Self {
            provider: profile.provider.clone(),
            authority: profile.authority.clone(),
            client_id: profile.client_id.clone(),
            kind,
            secret,
            saved_at: now,
            proxy_password: None,
        }
    }

    /// Adds the password of the proxy on the way to the party.
    #[must_use]
    pub(crate) fn with_proxy_password(self, proxy_password: Option<Password>) -> Self {
        Self { proxy_password, ..self }
    }
}

/// Why a call to a store failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoreError {
    /// The keychain is locked, or would have to raise a prompt.
    #[error("the keychain is locked: {0}")]
    Locked(String),
    /// This host has no such store.
    #[error("{0}")]
    Unavailable(String),
    /// It does not answer in time.
    #[error("{0}")]
    Silent(String),
    /// The item is damaged. It was left as it is.
    #[error("{0}")]
    Corrupt(String),
    /// The item belongs to another host that shares the home folder.
    #[error("the stored session belongs to another host (id {0})")]
    OtherHost(String),
    /// This user may not write where the store keeps its items (EROFS, EACCES).
    #[error("{0}")]
    ReadOnly(String),
    /// Any other failure, such as a full disk.
    #[error("{0}")]
    Failed(String),
}

/// How long a call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Nobody is at the screen: 3 s, and no prompt.
    Background,
    /// A person is signing in: if the keychain is locked, they get 60 s to answer its prompt.
    Login,
}

/// A place for secrets. "Absent" is a value, not an error. Callers must await a save or removal to its end,
/// because only the result tells whether it was done in time.
#[async_trait]
pub(crate) trait Store: Send + Sync {
    fn kind(&self) -> StoreKind;
    /// True for the one secret that a provider's documentation promises to keep here. Such a store keeps
    /// nothing else, and comes before the ladder.
    fn is_documented_for(&self, _profile: &ProfileName, _secret: &Stored) -> bool {
        false
    }
    /// Fails if every save is bound to fail, for example on a read-only file system. A full disk is not such a
    /// case: it may have room again in a moment.
    async fn takes(&self) -> Result<(), StoreError> {
        Ok(())
    }
    /// Stores the secret durably and replaces the old one. After an error the secret, which is the newest one,
    /// may still get stored, unless a later call or [`Store::disown`] prevents it.
    async fn save(
        &self,
        profile: &ProfileName,
        secret: &Stored,
        patience: Patience,
    ) -> Result<(), StoreError>;
    /// Loads the secret, if there is one.
    async fn load(&self, profile: &ProfileName) -> Result<Option<Stored>, StoreError>;
    /// Removes the secret; returns `false` if there was none. Once this has returned (even with an error), an
    /// earlier save that was abandoned never brings the secret back.
    async fn remove(&self, profile: &ProfileName) -> Result<bool, StoreError>;
    /// The profiles of this host and configuration folder that have a secret here.
    async fn list(&self) -> Result<Vec<ProfileName>, StoreError>;
    /// The file in which the secret is, for people; `None` if it is in no file.
    async fn file(&self, _profile: &ProfileName) -> Option<PathBuf> {
        None
    }
    /// Gives the secret the name that the documentation promises, if that was taken and has become free. A save
    /// does so by itself.
    async fn settle_name(&self, _profile: &ProfileName) -> Result<(), StoreError> {
        Ok(())
    }
    /// Renames the profile's damaged items, so that a login can go on. Returns their new names.
    async fn set_aside(&self, _profile: &ProfileName, _now: SystemTime) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }
    /// Says that the secret of a failed save is now in another store: if that save succeeds late, it is undone.
    fn disown(&self, _profile: &ProfileName) {}
}
