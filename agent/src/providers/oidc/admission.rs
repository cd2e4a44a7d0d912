//! The agent's part of a sign-in: the code becomes tokens, and the tokens a person.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::answer::judge;
use super::client::Oidc;
use super::discovery::{Metadata, misconfigured, told, unreachable};
use super::id_token::Expected;
use crate::clock::Moment;
use crate::error::{AgentError, ErrorKind};
use crate::outcome::Outcome;
use crate::providers::browser::Flow;
use crate::providers::http::Fault;
use crate::providers::platform::PlatformError;
use crate::providers::{Granted, Issuer as _, Tokens};
use crate::token::{Access, Account, Credential, Grant, Memberships};

/// A failed login tells the person after so long, even where its tokens could not be revoked.
const GIVE_BACK_LIMIT: Duration = Duration::from_secs(5);

/// Tokens that a provider gave to a login.
pub(super) struct Issued {
    pub(super) tokens: Tokens,
    /// When they were asked for.
    pub(super) sent: Moment,
    /// What the ID token has to repeat, where something was sent.
    pub(super) nonce: Option<String>,
}

/// Who signed in.
struct Identity {
    account: Account,
    memberships: Option<Memberships>,
    notes: Vec<String>,
}

impl Oidc {
    /// Checks what a login brought. Tokens that fail their checks are revoked.
    pub(super) async fn admit(&self, metadata: &Metadata, issued: Issued) -> Result<Granted, AgentError> {
        let (access, identity) = match self.identify(metadata, &issued).await {
            Ok(identified) => identified,
            Err(error) => {
                self.give_back(&issued.tokens).await;
                return Err(error);
            }
        };
        let Issued { tokens: Tokens { refresh, refresh_lifetime, .. }, sent, .. } = issued;
        let Identity { account, memberships, mut notes } = identity;
        if refresh.is_none() {
            let note = "the provider gave no refresh token: the session lasts as long as its access token";
            notes.push(note.into());
        }
        let credential = Credential::Renewable(Grant { access, refresh, refresh_lifetime });
        Ok(Granted { credential, account, sent, memberships, notes })
    }

    async fn give_back(&self, tokens: &Tokens) {
        let what = tokens.revocable();
        let revocation = tokio::time::timeout(GIVE_BACK_LIMIT, self.revoke(&what)).await;
        tracing::warn!(?revocation, "a login failed its checks, its tokens are revoked");
    }

    /// Spends the authorization code (RFC 6749, section 4.1.3; RFC 7636, section 4.5).
    pub(super) async fn exchange(
        &self,
        metadata: &Metadata,
        flow: Flow,
        code: &SecretString,
    ) -> Result<Issued, AgentError> {
        let code = code.expose_secret();
        let sent = self.clock.now();
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", flow.redirect_uri.as_str()),
            ("client_id", &self.profile.client_id),
            ("code_verifier", &flow.code_verifier),
        ];
        let authority = &self.profile.authority;
        let answer = match self.http.submit(&metadata.token_endpoint, &form).await {
            Ok(reply) => judge(&reply, code),
            Err(Fault::Misconfigured(why)) => return Err(misconfigured(why)),
            Err(fault) => fault.into(),
        };
        match answer {
            Outcome::Granted(tokens) => Ok(Issued { tokens, sent, nonce: Some(flow.nonce) }),
            Outcome::Unknown(why) | Outcome::Transient(why, _) => Err(unreachable(authority, why)),
            Outcome::Misconfigured(why) => {
                Err(misconfigured(why.said(|why| format!("{authority} refuses this client: {why}"))))
            }
            Outcome::Rejected(why) | Outcome::Unclear(why) => {
                Err(denied(&format!("{authority} refused the sign-in: {why}")))
            }
        }
    }

    /// Who signed in, by the ID token and the Platform, and where the account belongs.
    async fn identify(&self, metadata: &Metadata, issued: &Issued) -> Result<(Access, Identity), AgentError> {
        let (authority, tokens) = (&self.profile.authority, &issued.tokens);
        let access = tokens.access.clone().map_err(|why| unreachable(authority, why))?;
        let identified = match &tokens.id_token {
            Some(raw) => {
                let now = self.clock.now().wall;
                let nonce = issued.nonce.as_deref();
                let expected = Expected { profile: &self.profile, metadata, nonce, now };
                let checked = self.keys.check(&self.http, raw, &expected).await;
                Some(told(checked, authority)?)
            }
            None => None,
        };
        let identity = match (self.platform.user_info(&access.token).await, identified) {
            (Ok(info), identified) => {
                let told_of = self.platform.memberships(&access.token, info.user.id).await;
                let note =
                    told_of.as_ref().err().map(|error| format!("organizations are not known: {error}"));
                let (memberships, notes) = (told_of.ok(), note.into_iter().collect());
                Identity { account: info.user.complete(identified), memberships, notes }
            }
            // A plain OIDC provider, or a Platform that is not well: the ID token is enough to sign in.
            (Err(error), Some(account)) => {
                let note = match error {
                    PlatformError::NotAPlatform(_) => format!("{error}: organizations are skipped"),
                    _ => format!("account and organization are not complete: {error}"),
                };
                Identity { account, memberships: None, notes: vec![note] }
            }
            (Err(PlatformError::Unreachable(why)), None) => return Err(unreachable(authority, why)),
            (Err(error), None) => {
                return Err(misconfigured(format!("{authority} gave no ID token, and {error}")));
            }
        };
        Ok((access, identity))
    }
}

/// The person or the provider said no.
pub(super) fn denied(why: &str) -> AgentError {
    AgentError::new(ErrorKind::LoginDenied, why, "run 'seqera login' again; nothing was changed")
}
