//! An authorization server that speaks OAuth 2.0 without OpenID Connect: it describes itself by RFC 8414, gives
//! no ID tokens, and has no API that this agent knows.
//!
//! The parts that do the work are those of [`super::oidc`]. What differs stands here: where the description
//! lies, that only what the profile names is asked for, and whose an access token is.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use url::Url;

use super::oidc::answer::claims;
use super::oidc::authorization::LANDING;
use super::oidc::client::{Client, granted};
use super::oidc::discovery::{Dialect, by_rfc_8414, without_access};
use super::{
    Answer, DeviceFlow, Granted, Issuer, Means, Otherwise, Poll, Probe, Provider, Renewal, Renewed,
    Revocable, Revocation, Unservable,
};
use crate::error::{AgentError, ErrorKind};
use crate::foreign;
use crate::profile::{Profile, ProviderId};
use crate::providers::browser::{Callback, CallbackRequest, Flow, Landing};
use crate::token::{AccessToken, Account, Kind, RefreshToken};

/// Registered under this name.
const ID: ProviderId = ProviderId::new("oauth2");

/// OAuth 2.0 alone.
static OAUTH2: Dialect = Dialect {
    description: by_rfc_8414,
    also: None,
    provider: "OAuth 2.0 authorization server",
    document: "the metadata of one (RFC 8414)",
    scope: |profile| profile.scopes.clone(),
    without_device: "run '{login}' and open its address in any browser; if that cannot come back to this \
                     host, paste the address that it ends on",
};

/// Any authorization server. None is known beforehand, and none knows this client: both have to be named.
pub(crate) struct OAuth2Provider;

impl Provider for OAuth2Provider {
    fn id(&self) -> ProviderId {
        ID
    }

    fn defaults(&self) -> Profile {
        Profile {
            authority: String::new(),
            client_id: String::new(),
            audience: String::new(),
            scopes: String::new(),
            provider: ID,
            ..Profile::default()
        }
    }

    fn issuer(&self, means: Means, profile: &Profile, _: Kind) -> Arc<dyn Issuer> {
        Arc::new(OAuth2 { client: Client::new(means.http, means.clock, profile, &OAUTH2) })
    }
}

/// One profile's authorization server.
struct OAuth2 {
    client: Client,
}

impl OAuth2 {
    /// The authorization server, as people call it.
    fn host(&self) -> String {
        let authority = &self.client.profile.authority;
        let host = Url::parse(authority).ok().and_then(|url| url.host_str().map(str::to_owned));
        host.unwrap_or_else(|| authority.clone())
    }

    /// A missing id is refused here: the provider would show its refusal in the browser, and the login would
    /// wait for nothing.
    fn check_client(&self) -> Result<(), AgentError> {
        if !self.client.profile.client_id.is_empty() {
            return Ok(());
        }
        let message = format!("no client id is given for {}", self.client.profile.authority);
        let hint = "register a public client there, and name its id: clientId of the profile in config.json, or \
                    SEQERA_AUTH_CLI_CLIENT_ID beside SEQERA_AUTH_DOMAIN";
        Err(AgentError::new(ErrorKind::Misconfigured, message, hint))
    }

    /// Whose token it is, where it is a JWT (RFC 9068, section 2.2). Its signature is not checked: it comes
    /// from the token endpoint itself, and says nothing but whose the session is.
    fn owner(&self, token: &AccessToken) -> Account {
        let claims = claims(token.expose()).unwrap_or_default();
        let text = |name| claims.get(name).and_then(Value::as_str).unwrap_or_default();
        let account = Account {
            subject: foreign::subject(text("sub")).unwrap_or_default().to_owned(),
            email: text("email").into(),
            user_name: text("preferred_username").into(),
            display_name: text("name").into(),
            user_id: 0,
        };
        match account.label() {
            "" => Account { display_name: format!("an account at {}", self.host()).into(), ..account },
            _ => account,
        }
    }
}

#[async_trait]
impl Issuer for OAuth2 {
    fn refusal(&self, what: &str) -> AgentError {
        let message = format!("{} speaks plain OAuth 2.0, which has no {what}", self.host());
        let hint = "'seqera login' and 'seqera token' work there; for a Platform or an OpenID provider, sign in \
                    without --provider oauth2";
        AgentError::new(ErrorKind::Misconfigured, message, hint)
    }

    fn landing(&self) -> Landing {
        LANDING
    }

    async fn start(&self, redirect_uri: &Url) -> Result<Flow, AgentError> {
        self.check_client()?;
        let metadata = self.client.metadata().await?;
        Ok(self.client.begin(&metadata, redirect_uri))
    }

    async fn start_device(&self) -> Result<DeviceFlow, AgentError> {
        self.check_client()?;
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
        let (tokens, sent) = match answer {
            Answer::Code(code, flow) => {
                let metadata = self.client.known_metadata().await?;
                self.client.exchange(&metadata, &flow, &code).await?
            }
            Answer::Tokens(tokens, sent) => (*tokens, sent),
            Answer::Given(..) => return Err(self.refusal("way to check a token")),
        };
        match tokens.access.clone() {
            Ok(access) => {
                let account = self.owner(&access.token);
                Ok(granted(access, tokens, sent, account))
            }
            Err(why) => {
                self.client.give_back(&tokens).await;
                Err(without_access(&self.client.profile.authority, &why))
            }
        }
    }

    /// No answer names an account, so that nothing is compared.
    async fn renew(&self, refresh: &RefreshToken, _subject: &str) -> Renewal {
        self.client.renew(refresh).await.map(|(tokens, _)| Renewed {
            refresh: tokens.refresh,
            refresh_lifetime: tokens.refresh_lifetime,
            authorization_lifetime: tokens.authorization_lifetime,
            access: tokens.access.map_err(Unservable::from),
            subject: None,
        })
    }

    async fn revoke(&self, what: &Revocable) -> Revocation {
        self.client.revoke(what).await
    }

    fn probes(&self) -> Vec<Probe> {
        let wrong = "is this an OAuth 2.0 authorization server with RFC 8414 metadata? See --authority";
        let authority = &self.client.profile.authority;
        let url = by_rfc_8414(authority).map_or_else(|_| authority.clone(), String::from);
        vec![Probe { what: "authority", url, otherwise: Otherwise::Wrong(wrong) }]
    }
}

#[cfg(test)]
mod tests;
