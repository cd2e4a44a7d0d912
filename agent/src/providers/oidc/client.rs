//! The client of one provider: what the parts of this folder share.

use std::sync::Arc;

use url::Url;

use super::discovery::{Discovery, Metadata, told};
use super::id_token::Keys;
use crate::clock::Clock;
use crate::error::AgentError;
use crate::profile::Profile;
use crate::providers::Revocation;
use crate::providers::http::Http;
use crate::providers::oidc::answer;
use crate::providers::platform::Platform;

/// One profile's provider.
pub(crate) struct Oidc {
    pub(super) profile: Profile,
    pub(super) http: Http,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) discovery: Discovery,
    pub(super) keys: Keys,
    pub(super) platform: Platform,
}

impl Oidc {
    /// Asks nobody yet.
    pub(crate) fn new(http: Http, clock: Arc<dyn Clock>, profile: &Profile) -> Self {
        Self {
            discovery: Discovery::new(http.clone(), clock.clone(), &profile.authority),
            platform: Platform::new(http.clone(), profile.api()),
            keys: Keys::default(),
            profile: profile.clone(),
            http,
            clock,
        }
    }

    pub(super) async fn metadata(&self) -> Result<Arc<Metadata>, AgentError> {
        told(self.discovery.metadata().await, &self.profile.authority)
    }

    /// The description that a login began with; it does not fail where only discovery does.
    pub(super) async fn known_metadata(&self) -> Result<Arc<Metadata>, AgentError> {
        match self.discovery.last_good() {
            Some(metadata) => Ok(metadata),
            None => self.metadata().await,
        }
    }

    /// One token (RFC 7009, section 2).
    pub(super) async fn revoke_one(&self, endpoint: &Url, token: &str, hint: &str) -> Revocation {
        let form = [("token", token), ("token_type_hint", hint), ("client_id", &self.profile.client_id)];
        let reply = match self.http.submit(endpoint, &form).await {
            Ok(reply) => reply,
            Err(fault) => return Revocation::Failed(fault.to_string()),
        };
        match reply.status {
            200..=299 => Revocation::Revoked,
            _ if reply.is_transient() => Revocation::Failed(answer::refusal(&reply, token).to_string()),
            _ => Revocation::Refused(answer::refusal(&reply, token).to_string()),
        }
    }
}
