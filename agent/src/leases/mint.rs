//! Personal access tokens at a Platform: made, found by name, deleted. The leases know these traits only, so
//! that tests can play the Platform.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;

use crate::profile::Profile;
use crate::providers::http::Fault;
use crate::providers::known::Providers;
use crate::providers::platform::{Platform, PlatformError, TokenEntry};
use crate::token::AccessToken;

/// A token that was just made.
#[derive(Debug, Clone)]
pub(crate) struct Minted {
    /// For its deletion.
    pub id: i64,
    /// The token itself, which the Platform tells this once.
    pub token: AccessToken,
}

/// Why there is no new token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MintError {
    /// 409.
    #[error("a token of this name exists already")]
    NameTaken,
    /// Certainly none was made.
    #[error("{0}")]
    Refused(PlatformError),
    /// One may have been made all the same.
    #[error("{0}")]
    Unknown(String),
}

/// The personal access tokens of one Platform. Every method asks it once, as the owner of the given token.
#[async_trait]
pub(crate) trait Mint: Send + Sync {
    /// Makes a token of this name.
    async fn create(&self, by: &AccessToken, name: &str) -> Result<Minted, MintError>;
    /// The owner's tokens.
    async fn list(&self, by: &AccessToken) -> Result<Vec<TokenEntry>, PlatformError>;
    /// Deletes one token. A 404 is [`PlatformError::NotAPlatform`]: it may be any page's.
    async fn delete(&self, by: &AccessToken, id: i64) -> Result<(), PlatformError>;
}

/// Finds the Platform of a profile.
pub(crate) trait Mints: Send + Sync {
    /// Asks nobody yet.
    fn mint(&self, settings: &Profile) -> Arc<dyn Mint>;
}

impl Mints for Providers {
    fn mint(&self, settings: &Profile) -> Arc<dyn Mint> {
        Arc::new(self.platform(settings))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    access_key: String,
    token: TokenEntry,
}

#[async_trait]
impl Mint for Platform {
    async fn create(&self, by: &AccessToken, name: &str) -> Result<Minted, MintError> {
        let url = self.url("/tokens").map_err(MintError::Refused)?;
        let reply = match self.http().create(&url, by, &json!({ "name": name })).await {
            Ok(reply) => reply,
            Err(Fault::Unanswered(why)) => return Err(MintError::Unknown(why.to_string())),
            Err(fault @ (Fault::NotSent(_) | Fault::Misconfigured(_))) => {
                return Err(MintError::Refused(fault.into()));
            }
        };
        match reply.status {
            409 => Err(MintError::NameTaken),
            400 | 422 => {
                let why = format!("it answered with status {} to the name {name:?}", reply.status);
                Err(MintError::Refused(PlatformError::Misconfigured(why.into())))
            }
            200..=299 => {
                let answer: Option<Created> = reply.json();
                let made = answer.ok_or_else(|| MintError::Unknown("its answer was not complete".into()))?;
                Ok(Minted { id: made.token.id, token: AccessToken::new(made.access_key) })
            }
            // A gateway that gives up has passed the request on.
            500.. | 408 => Err(MintError::Unknown(format!("it answered with status {}", reply.status))),
            _ => match self.accept(&reply) {
                Err(error) => Err(MintError::Refused(error)),
                Ok(()) => Err(MintError::Unknown("its answer was not understood".into())),
            },
        }
    }

    async fn list(&self, by: &AccessToken) -> Result<Vec<TokenEntry>, PlatformError> {
        self.tokens(by).await
    }

    async fn delete(&self, by: &AccessToken, id: i64) -> Result<(), PlatformError> {
        self.delete_token(by, id).await
    }
}

#[cfg(test)]
mod tests;
