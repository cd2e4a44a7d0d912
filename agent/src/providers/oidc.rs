//! A Seqera Platform, or any OpenID provider: authorization code with PKCE, rotation, revocation.

mod admission;
mod answer;
mod authorization;
pub(crate) mod client;
mod device;
mod discovery;
mod id_token;
mod jwks;

use std::sync::Arc;

use async_trait::async_trait;
use url::Url;

use self::admission::Issued;
use super::{
    Answer, Check, DeviceFlow, Granted, Issuer, Poll, Renewal, Renewed, Revocable, Revocation, Tokens,
    Unservable,
};
use crate::error::AgentError;
use crate::outcome::Outcome;
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
    /// The documented port, and the nine after it (facts 1.2).
    fn landing(&self) -> Landing {
        Landing { path: "/callback", ports: 53682..53692 }
    }

    async fn start(&self, redirect_uri: &Url) -> Result<Flow, AgentError> {
        let metadata = self.metadata().await?;
        Ok(authorization::begin(&self.profile, &metadata, redirect_uri))
    }

    async fn start_device(&self) -> Result<DeviceFlow, AgentError> {
        let metadata = self.metadata().await?;
        self.begin_device(&metadata).await
    }

    async fn poll(&self, flow: &DeviceFlow) -> Poll {
        match self.known_metadata().await {
            Ok(metadata) => self.poll_device(&metadata, flow).await,
            Err(error) => Poll::Ended(error),
        }
    }

    fn callback(&self, flow: &Flow, request: &CallbackRequest) -> Callback {
        let metadata = self.discovery.last_good();
        authorization::judge(&self.profile.authority, metadata.as_deref(), flow, request)
    }

    async fn finish(&self, answer: Answer) -> Result<Granted, AgentError> {
        let metadata = self.known_metadata().await?;
        let issued = match answer {
            Answer::Code(code, flow) => self.exchange(&metadata, *flow, &code).await?,
            Answer::Tokens(tokens, sent) => Issued { tokens: *tokens, sent, nonce: None },
            Answer::Given(..) => {
                return Err(AgentError::internal("a given token is no answer of this provider"));
            }
        };
        self.admit(&metadata, issued).await
    }

    async fn renew(&self, refresh: &RefreshToken, subject: &str) -> Renewal {
        let metadata = match self.discovery.metadata().await.granted() {
            Ok(metadata) => metadata,
            Err(failure) => return failure,
        };
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh.expose()),
            ("client_id", &self.profile.client_id),
        ];
        let reply = match self.http.submit(&metadata.token_endpoint, &form).await {
            Ok(reply) => reply,
            Err(fault) => return fault.into(),
        };
        answer::judge(&reply, refresh.expose()).map(|tokens| renewed(tokens, &metadata.issuer, subject))
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
        self.platform.probes(&self.profile.authority)
    }

    async fn revoke(&self, what: &Revocable) -> Revocation {
        let metadata = match self.discovery.metadata().await {
            Outcome::Granted(metadata) => metadata,
            Outcome::Transient(why, _) | Outcome::Unknown(why) => return Revocation::Failed(why.to_string()),
            Outcome::Rejected(why) | Outcome::Misconfigured(why) | Outcome::Unclear(why) => {
                return Revocation::Refused(why.to_string());
            }
        };
        let Some(endpoint) = &metadata.revocation_endpoint else { return Revocation::NotOffered };
        let mut outcome = Revocation::Revoked;
        if let Some(token) = &what.refresh {
            outcome = self.revoke_one(endpoint, token.expose(), "refresh_token").await;
        }
        let Some(token) = what.access.as_ref().filter(|_| outcome == Revocation::Revoked) else {
            return outcome;
        };
        let access = self.revoke_one(endpoint, token.expose(), "access_token").await;
        // Without its refresh token an access token dies soon, and many providers revoke only the former.
        if what.refresh.is_some() { outcome } else { access }
    }
}

/// The refresh token is kept whatever is wrong with the rest.
fn renewed(tokens: Tokens, issuer: &str, subject: &str) -> Renewed {
    let named = tokens.id_token.as_ref().map(|raw| id_token::check_renewed(raw, issuer, subject)).transpose();
    Renewed {
        refresh: tokens.refresh,
        refresh_lifetime: tokens.refresh_lifetime,
        subject: named.clone().unwrap_or_default(),
        access: named.and_then(|_| tokens.access.map_err(Unservable::Odd)),
    }
}

#[cfg(test)]
mod tests;
