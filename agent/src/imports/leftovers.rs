//! The keychain items of the earlier CLI. All calls run on a separate thread: a keychain that hangs must not
//! hold up a login.

use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use seqera_agent_proto::place::token_sha256;

use crate::storage::keychain::earlier::Earlier;
use crate::storage::lane::{Lane, Stall};
use crate::storage::store::{Patience, StoreError};

/// The limit of a call that shows no prompt
/// ([Calls that may hang](crate::manual::storage#calls-that-may-hang)).
pub(super) const LIMIT: Duration = Duration::from_secs(3);

/// The limit of a call that may show a prompt, because the keychain is locked or does not know this program.
const PROMPT: Duration = Duration::from_secs(60);

/// The tokens that v1 keeps in the keychain, by v1's profile names.
#[async_trait]
pub(super) trait Leftovers: Send + Sync {
    async fn profiles(&self) -> Result<Vec<String>, StoreError>;
    async fn read(&self, profile: &str) -> Result<Option<SecretString>, StoreError>;
    async fn remove(&self, profile: &str) -> Result<(), StoreError>;
}

/// The keychain of the operating system.
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

    /// Tries without a prompt first: a long wait makes sense only if the keychain answers that it needs one.
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

/// SHA-256 of a secret, in the form that records use.
pub(super) fn sha256(secret: &SecretString) -> String {
    token_sha256(secret.expose_secret())
}
