//! The keychain of another program, on a thread of its own: a keychain that hangs must not hold up a login.

use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use seqera_agent_proto::place::token_sha256;

use crate::storage::keychain::earlier::Earlier;
use crate::storage::lane::{Lane, Stall};
use crate::storage::store::{Patience, StoreError};

/// A call about it, without a person at a prompt ([Calls that may hang](crate::manual::storage#calls-that-may-hang)).
pub(super) const LIMIT: Duration = Duration::from_secs(3);

/// A person may answer the keychain's prompt, where it is locked or does not know this program.
const PROMPT: Duration = Duration::from_secs(60);

/// What v1 has in the keychain, by its own profile names.
#[async_trait]
pub(super) trait Leftovers: Send + Sync {
    async fn profiles(&self) -> Result<Vec<String>, StoreError>;
    async fn read(&self, profile: &str) -> Result<Option<SecretString>, StoreError>;
    async fn remove(&self, profile: &str) -> Result<(), StoreError>;
}

/// The system's.
pub(super) struct Keychain(Lane);

impl Default for Keychain {
    fn default() -> Self {
        Self(Lane::new("v1-keychain"))
    }
}

impl Keychain {
    async fn call<T: Send + 'static>(
        &self,
        limit: Duration,
        call: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let late = |stall| match stall {
            Stall::Behind | Stall::Late => "the keychain does not answer in time",
            Stall::Broken => "the call to the keychain broke",
        };
        self.0.run(limit, call).await.unwrap_or_else(|stall| Err(StoreError::Failed(late(stall).into())))
    }
}

#[async_trait]
impl Leftovers for Keychain {
    async fn profiles(&self) -> Result<Vec<String>, StoreError> {
        self.call(LIMIT, Earlier::profiles).await
    }

    /// Quietly first: only a keychain that answers, and needs a person, is worth a long wait.
    async fn read(&self, profile: &str) -> Result<Option<SecretString>, StoreError> {
        let name = profile.to_owned();
        match self.call(LIMIT, move || Earlier::read(&name, Patience::Background)).await {
            Err(StoreError::Locked(_)) => {
                let name = profile.to_owned();
                self.call(PROMPT, move || Earlier::read(&name, Patience::Login)).await
            }
            read => read,
        }
    }

    async fn remove(&self, profile: &str) -> Result<(), StoreError> {
        let name = profile.to_owned();
        self.call(LIMIT, move || Earlier::remove(&name)).await
    }
}

/// SHA-256 of a secret, as records have it.
pub(super) fn sha256(secret: &SecretString) -> String {
    token_sha256(secret.expose_secret())
}
