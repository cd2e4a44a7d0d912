//! Secrets that `Debug` redacts, that are wiped on drop and cannot be serialised by accident; and what a
//! provider tells about the account that they belong to.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use secrecy::{ExposeSecret, SecretString};
use seqera_agent_proto::place::token_sha256;
use serde::{Deserialize, Serialize};

use crate::foreign::{Email, Name};
use crate::sealed::Sealed;

/// Authenticates the account at the API for a while. Clients may have it. Clones share one copy, which is in the
/// clear: it is handed out all the time.
#[derive(Clone)]
pub(crate) struct AccessToken(Arc<SecretString>);

impl AccessToken {
    pub(crate) fn new(secret: impl Into<String>) -> Self {
        Self(Arc::new(SecretString::from(secret.into())))
    }

    /// The secret itself. Every use is a place to check for leaks.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The token's SHA-256 in lower-case hex, which identifies the token without revealing it.
    pub(crate) fn sha256(&self) -> String {
        token_sha256(self.expose())
    }
}

impl From<&Sealed> for AccessToken {
    fn from(sealed: &Sealed) -> Self {
        Self(Arc::new(sealed.open()))
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(redacted)")
    }
}

/// Gets new access tokens. Only the agent may have it. Sealed in memory but while it is used.
#[derive(Clone)]
pub(crate) struct RefreshToken(Sealed);

impl RefreshToken {
    pub(crate) fn new(secret: impl Into<String>) -> Self {
        Self(Sealed::new(secret))
    }

    /// The secret itself, for as long as it is sent. Every use is a place to check for leaks.
    pub(crate) fn open(&self) -> SecretString {
        self.0.open()
    }

    /// The secret to keep.
    pub(crate) fn sealed(&self) -> &Sealed {
        &self.0
    }

    /// The token's SHA-256 in lower-case hex, which identifies the token without revealing it.
    pub(crate) fn sha256(&self) -> String {
        token_sha256(self.open().expose_secret())
    }
}

impl From<&Sealed> for RefreshToken {
    fn from(sealed: &Sealed) -> Self {
        Self(sealed.clone())
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken(redacted)")
    }
}

/// Who is signed in, according to the provider and the Platform. Contains no secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Account {
    /// The `sub` claim of the ID token (OIDC Core, section 2), or the Platform's user id as text.
    pub subject: String,
    /// Empty if unknown.
    #[serde(default)]
    pub email: Email,
    /// The login name; empty if unknown.
    #[serde(default)]
    pub user_name: Name,
    /// The person's name; empty if unknown.
    #[serde(default)]
    pub display_name: Name,
    /// The Platform's user id; 0 if unknown.
    #[serde(default)]
    pub user_id: i64,
}

impl Account {
    /// What a person recognises: the e-mail address, else a name, else the subject.
    pub(crate) fn label(&self) -> &str {
        let names: [&str; 3] = [&self.email, &self.user_name, &self.display_name];
        names.into_iter().find(|name| !name.is_empty()).unwrap_or(&self.subject)
    }
}

/// An organisation at the Platform, which is what gets billed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Organization {
    pub id: i64,
    /// The short name, unique at the Platform.
    pub name: Name,
    /// The name that people use; may be empty.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub full_name: Name,
}

/// A workspace of an organisation, where programs run what they launch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Workspace {
    pub id: i64,
    /// The short name, unique in the organisation.
    pub name: Name,
    /// The name that people use; may be empty.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub full_name: Name,
    pub organization: Organization,
}

fn is_empty(name: &Name) -> bool {
    name.is_empty()
}

/// The organisations and workspaces of an account, according to its Platform.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Memberships {
    /// In the Platform's order.
    pub organizations: Vec<Organization>,
    /// `None` if the Platform did not list them.
    pub workspaces: Option<Vec<Workspace>>,
}

/// An access token and its lifetime, counted from the moment when its request was sent.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub token: AccessToken,
    /// `expires_in`, else `exp − iat` of a JWT, else five minutes. Zero: the token must never be served.
    pub lifetime: Duration,
}

/// The tokens of one answer of a provider.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub access: Access,
    /// Without a refresh token the session lasts as long as its access token.
    pub refresh: Option<RefreshToken>,
    /// How long the refresh token may be held without being used, if the provider said so.
    pub refresh_lifetime: Option<Duration>,
    /// How long the sign-in lasts however often it is used, if the provider said so.
    pub authorization_lifetime: Option<Duration>,
}

/// The kind of a credential, which decides how it is renewed and revoked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Access token, refresh token, expiry.
    #[default]
    Renewable,
    /// One long-lived secret.
    Fixed,
}

/// The credential that a login obtains.
#[derive(Debug, Clone)]
pub(crate) enum Credential {
    /// Access token, refresh token, expiry.
    Renewable(Grant),
    /// One long-lived secret: a personal access token or a SciToolkit token.
    Fixed {
        token: AccessToken,
        /// By the wall clock, if the provider says when.
        expires_at: Option<SystemTime>,
        /// True if this login created the token; otherwise the person brought it, and may use it elsewhere.
        minted: bool,
    },
}

impl Credential {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Renewable(_) => Kind::Renewable,
            Self::Fixed { .. } => Kind::Fixed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_debug_output_tells_a_secret() {
        let grant = Grant {
            access: Access { token: AccessToken::new("canary-access"), lifetime: Duration::from_secs(60) },
            refresh: Some(RefreshToken::new("canary-refresh")),
            refresh_lifetime: None,
            authorization_lifetime: None,
        };
        let fixed =
            Credential::Fixed { token: AccessToken::new("canary-pat"), expires_at: None, minted: false };
        let shown = format!("{:?} {:#?} {fixed:?}", Credential::Renewable(grant.clone()), grant);
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[test]
    fn the_label_is_what_a_person_knows() {
        let mut account = Account { subject: "42".into(), ..Account::default() };
        assert_eq!(account.label(), "42");
        account.email = "ada@sandbox.test".into();
        assert_eq!(account.label(), "ada@sandbox.test");
    }
}
