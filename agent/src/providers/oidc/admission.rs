//! The agent's part of a sign-in: the tokens become a person, by the ID token and the Platform.

use super::client::{Oidc, granted};
use super::discovery::{Metadata, misconfigured, told, unreachable, without_access};
use super::id_token::{self, Expected};
use super::user_info;
use crate::clock::Moment;
use crate::error::AgentError;
use crate::providers::platform::PlatformError;
use crate::providers::{Granted, Tokens};
use crate::token::{Access, Account, Memberships};

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
                self.client.give_back(&issued.tokens).await;
                return Err(error);
            }
        };
        let Identity { account, memberships, mut notes } = identity;
        let granted = granted(access, issued.tokens, issued.sent, account);
        notes.extend(granted.notes);
        Ok(Granted { memberships, notes, ..granted })
    }

    /// Who signed in, by the ID token and the Platform, and where the account belongs.
    async fn identify(&self, metadata: &Metadata, issued: &Issued) -> Result<(Access, Identity), AgentError> {
        let (authority, tokens) = (&self.client.profile.authority, &issued.tokens);
        let access = tokens.access.clone().map_err(|why| without_access(authority, &why))?;
        let identified = match &tokens.id_token {
            Some(raw) => {
                let now = self.client.clock.now().wall;
                let nonce = issued.nonce.as_deref();
                let expected = Expected { profile: &self.client.profile, metadata, nonce, now };
                let checked = id_token::check(&self.client.http, raw, &expected).await;
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
                let account = user_info::complete(&self.client.http, metadata, &access.token, account).await;
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
