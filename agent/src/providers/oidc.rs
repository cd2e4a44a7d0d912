//! A Seqera Platform, or any OpenID provider: authorization code with PKCE, rotation, revocation.

mod admission;
pub(super) mod answer;
pub(super) mod authorization;
pub(super) mod client;
mod device;
pub(super) mod discovery;
mod id_token;
mod jwks;
mod quoted;
mod user_info;

use std::sync::Arc;

use async_trait::async_trait;
use url::Url;

use self::admission::Issued;
use self::id_token::Same;
use super::{
    Answer, Check, DeviceFlow, Granted, Issuer, Poll, Renewal, Renewed, Revocable, Revocation, Tokens,
    Unservable,
};
use crate::error::AgentError;
use crate::profile::{Profile, ProviderId};
use crate::providers::browser::{Callback, CallbackRequest, Flow, Landing};
use crate::providers::oidc::client::Oidc;
use crate::providers::pat::Pat;
use crate::providers::platform::Platform;
use crate::providers::{Description, Means, Probe, Provider, Untold};
use crate::token::{AccessToken, Kind, Organization, RefreshToken, Workspace};

/// A Seqera Platform, or any other OpenID provider. Its personal access tokens are fixed credentials.
pub(crate) struct OidcProvider;

impl Provider for OidcProvider {
    fn id(&self) -> ProviderId {
        ProviderId::default()
    }

    fn defaults(&self) -> Profile {
        Profile::default()
    }

    fn issuer(&self, means: Means, profile: &Profile, kind: Kind) -> Arc<dyn Issuer> {
        match kind {
            Kind::Renewable => Arc::new(Oidc::new(means.http, means.clock, profile)),
            Kind::Fixed => Arc::new(Pat::new(Platform::new(means.http, profile.api()), profile)),
        }
    }
}

#[async_trait]
impl Issuer for Oidc {
    fn landing(&self) -> Landing {
        authorization::LANDING
    }

    async fn start(&self, redirect_uri: &Url) -> Result<Flow, AgentError> {
        let metadata = self.client.metadata().await?;
        Ok(authorization::with_nonce(self.client.begin(&metadata, redirect_uri)))
    }

    async fn meant(&self) -> Option<String> {
        self.client.meant().await
    }

    async fn start_device(&self) -> Result<DeviceFlow, AgentError> {
        let metadata = self.client.metadata().await?;
        self.client.begin_device(&metadata).await
    }

    async fn poll(&self, flow: &DeviceFlow) -> Poll {
        self.client.poll_device(flow).await
    }

    fn callback(&self, flow: &Flow, request: &CallbackRequest) -> Callback {
        self.client.callback(flow, request)
    }

    async fn finish(&self, answer: Answer) -> Result<Granted, AgentError> {
        let metadata = self.client.known_metadata().await?;
        let issued = match answer {
            Answer::Code(code, flow) => {
                let (tokens, sent) = self.client.exchange(&metadata, &flow, &code).await?;
                Issued { tokens, sent, nonce: Some(flow.nonce) }
            }
            Answer::Tokens(tokens, sent) => Issued { tokens: *tokens, sent, nonce: None },
            Answer::Given(..) => {
                return Err(AgentError::internal("a given token is no answer of this provider"));
            }
        };
        self.admit(&metadata, issued).await
    }

    async fn renew(&self, refresh: &RefreshToken, subject: &str) -> Renewal {
        self.client.renew(refresh).await.map(|(tokens, issuer)| self.renewed(tokens, &issuer, subject))
    }

    async fn check(&self, token: &AccessToken) -> Check {
        super::pat::check(&self.platform, token).await
    }

    async fn describe(&self, token: &AccessToken) -> Result<Description, AgentError> {
        self.platform.describe(token).await
    }

    async fn organizations(&self, token: &AccessToken) -> Result<Vec<Organization>, Untold> {
        self.platform.organizations(token).await
    }

    async fn workspaces(&self, token: &AccessToken, user: i64) -> Result<Vec<Workspace>, Untold> {
        self.platform.workspaces_of(token, user).await
    }

    fn probes(&self) -> Vec<Probe> {
        self.platform.probes(&self.client.profile.authority)
    }

    async fn revoke(&self, what: &Revocable) -> Revocation {
        self.client.revoke(what).await
    }
}

impl Oidc {
    /// The refresh token is kept whatever is wrong with the rest.
    fn renewed(&self, tokens: Tokens, issuer: &str, subject: &str) -> Renewed {
        let same = Same { issuer, client_id: &self.client.profile.client_id, subject };
        let named = tokens.id_token.as_ref().map(|raw| id_token::check_renewed(raw, &same)).transpose();
        Renewed {
            refresh: tokens.refresh,
            refresh_lifetime: tokens.refresh_lifetime,
            authorization_lifetime: tokens.authorization_lifetime,
            subject: named.clone().unwrap_or_default(),
            access: named.and_then(|_| tokens.access.map_err(Unservable::from)),
        }
    }
}

#[cfg(test)]
mod tests;
