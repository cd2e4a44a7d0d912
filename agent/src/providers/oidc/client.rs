//! The client of one provider: what the parts of this folder share. [`Client`] speaks OAuth 2.0 and knows
//! nothing of OpenID Connect; [`Oidc`] adds that, and the Platform.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use url::Url;

use super::discovery::{Dialect, Discovery, Metadata, by_rfc_8414, told};
use crate::clock::{Clock, Moment};
use crate::error::AgentError;
use crate::outcome::Outcome;
use crate::profile::Profile;
use crate::providers::http::Http;
use crate::providers::oidc::answer;
use crate::providers::platform::Platform;
use crate::providers::{Granted, Revocable, Revocation, Tokens};
use crate::token::{Access, Account, Credential, Grant, RefreshToken};

/// A failed login tells the person after so long, even where its tokens could not be revoked.
const GIVE_BACK_LIMIT: Duration = Duration::from_secs(5);

/// OpenID Connect.
static OPENID: Dialect = Dialect {
    // OIDC Discovery, section 4.
    description: |authority| Url::parse(&format!("{authority}/.well-known/openid-configuration")),
    also: Some(by_rfc_8414),
    provider: "OIDC provider",
    document: "an OIDC discovery document",
    scope: openid_scope,
    without_device: "run '{login}' and open its address in any browser; if that cannot come back to this \
                     host, paste the address that it ends on. Or give an access token to \
                     '{login} --with-token'",
};

/// `openid` makes it OIDC, whatever the profile asks for besides.
fn openid_scope(profile: &Profile) -> String {
    let rest = profile.scopes.split_whitespace().filter(|scope| *scope != "openid");
    std::iter::once("openid").chain(rest).collect::<Vec<_>>().join(" ")
}

/// One profile's provider, as far as it speaks OAuth 2.0.
pub(in crate::providers) struct Client {
    pub(in crate::providers) profile: Profile,
    pub(super) http: Http,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) discovery: Discovery,
    pub(super) dialect: &'static Dialect,
}

/// Below the address of a Platform's web page.
const API: &str = "/api";

impl Client {
    /// The API below this host, if the host itself has no description and the API has one.
    pub(in crate::providers) async fn meant(&self) -> Option<String> {
        let authority = self.profile.authority.trim_end_matches('/');
        let is_host = Url::parse(authority).is_ok_and(|url| url.path() == "/" && url.query().is_none());
        if !is_host || !self.discovery.is_missing().await {
            return None;
        }
        let api = format!("{authority}{API}");
        let below = Discovery::new(self.http.clone(), self.clock.clone(), &api, self.dialect);
        matches!(below.metadata().await, Outcome::Granted(_)).then_some(api)
    }

    /// Asks nobody yet.
    pub(in crate::providers) fn new(
        http: Http,
        clock: Arc<dyn Clock>,
        profile: &Profile,
        dialect: &'static Dialect,
    ) -> Self {
        let discovery = Discovery::new(http.clone(), clock.clone(), &profile.authority, dialect);
        Self { profile: profile.clone(), http, clock, discovery, dialect }
    }

    pub(in crate::providers) async fn metadata(&self) -> Result<Arc<Metadata>, AgentError> {
        told(self.discovery.metadata().await, &self.profile.authority)
    }

    /// The description that a login began with; it does not fail where only discovery does.
    pub(in crate::providers) async fn known_metadata(&self) -> Result<Arc<Metadata>, AgentError> {
        match self.last_good() {
            Some(metadata) => Ok(metadata),
            None => self.metadata().await,
        }
    }

    /// The last good description, however old.
    pub(super) fn last_good(&self) -> Option<Arc<Metadata>> {
        self.discovery.last_good()
    }

    /// What a login asks for. Nothing is sent where nothing is asked: the provider has a default then
    /// (RFC 6749, section 3.3).
    pub(super) fn asked(&self) -> Vec<(&'static str, String)> {
        let all =
            [("scope", (self.dialect.scope)(&self.profile)), ("audience", self.profile.audience.clone())];
        all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }

    /// Spends a refresh token once (RFC 6749, section 6). With the tokens comes the issuer.
    pub(in crate::providers) async fn renew(&self, refresh: &RefreshToken) -> Outcome<(Tokens, String)> {
        let metadata = match self.discovery.metadata().await.granted() {
            Ok(metadata) => metadata,
            Err(failure) => return failure,
        };
        let clear = refresh.open();
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", clear.expose_secret()),
            ("client_id", &self.profile.client_id),
        ];
        let reply = match self.http.submit(&metadata.token_endpoint, &form).await {
            Ok(reply) => reply,
            Err(fault) => return fault.into(),
        };
        answer::judge(&reply, &[clear.expose_secret()])
            .answered()
            .map(|tokens| (tokens, metadata.issuer.clone()))
    }

    /// Revokes what is given, refresh token first.
    pub(in crate::providers) async fn revoke(&self, what: &Revocable) -> Revocation {
        let endpoint = match self.discovery.revocation_endpoint().await {
            Outcome::Granted(Some(endpoint)) => endpoint,
            Outcome::Granted(None) => return Revocation::NotOffered,
            Outcome::Transient(why, _) | Outcome::Unknown(why) => return Revocation::Failed(why.to_string()),
            Outcome::Rejected(why) | Outcome::Misconfigured(why) | Outcome::Unclear(why) => {
                return Revocation::Refused(why.to_string());
            }
        };
        let mut outcome = Revocation::Revoked;
        if let Some(token) = &what.refresh {
            outcome = self.revoke_one(&endpoint, token.open().expose_secret(), "refresh_token").await;
        }
        let Some(token) = what.access.as_ref().filter(|_| outcome == Revocation::Revoked) else {
            return outcome;
        };
        let access = self.revoke_one(&endpoint, token.expose(), "access_token").await;
        // Without its refresh token an access token dies soon, and many providers revoke only the former.
        if what.refresh.is_some() { outcome } else { access }
    }

    /// One token (RFC 7009, section 2).
    async fn revoke_one(&self, endpoint: &Url, token: &str, hint: &str) -> Revocation {
        let form = [("token", token), ("token_type_hint", hint), ("client_id", &self.profile.client_id)];
        let reply = match self.http.submit(endpoint, &form).await {
            Ok(reply) => reply,
            Err(fault) => return Revocation::Failed(fault.to_string()),
        };
        match reply.status {
            200..=299 => Revocation::Revoked,
            _ if reply.is_transient() => Revocation::Failed(answer::refusal(&reply, &[token]).to_string()),
            _ => Revocation::Refused(answer::refusal(&reply, &[token]).to_string()),
        }
    }

    /// Revokes the tokens of a login that failed its checks.
    pub(in crate::providers) async fn give_back(&self, tokens: &Tokens) {
        let what = tokens.revocable();
        let revocation = tokio::time::timeout(GIVE_BACK_LIMIT, self.revoke(&what)).await;
        tracing::warn!(?revocation, "a login failed its checks, its tokens are revoked");
    }
}

/// What a login gives once it is known whose its tokens are.
pub(in crate::providers) fn granted(
    access: Access,
    tokens: Tokens,
    sent: Moment,
    account: Account,
) -> Granted {
    let Tokens { refresh, refresh_lifetime, authorization_lifetime, .. } = tokens;
    let note = "the provider gave no refresh token: the session lasts as long as its access token";
    let notes = if refresh.is_none() { vec![note.to_owned()] } else { Vec::new() };
    let credential =
        Credential::Renewable(Grant { access, refresh, refresh_lifetime, authorization_lifetime });
    Granted { credential, account, sent, memberships: None, notes }
}

/// One profile's OpenID provider, or Platform.
pub(in crate::providers) struct Oidc {
    pub(super) client: Client,
    pub(super) platform: Platform,
}

impl Oidc {
    /// Asks nobody yet.
    pub(super) fn new(http: Http, clock: Arc<dyn Clock>, profile: &Profile) -> Self {
        Self {
            platform: Platform::new(http.clone(), profile.api()),
            client: Client::new(http, clock, profile, &OPENID),
        }
    }
}
