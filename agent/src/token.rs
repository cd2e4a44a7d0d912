//! Secrets: redacted in `Debug`, wiped on drop, not serialisable by accident.

use std::fmt;
use std::time::{Duration, SystemTime};

use secrecy::{ExposeSecret, SecretString};
use seqera_agent_proto::place::token_sha256;
use serde::{Deserialize, Serialize};

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub(crate) struct $name(SecretString);

        impl $name {
            /// Takes over the secret.
            pub(crate) fn new(secret: impl Into<String>) -> Self {
                Self(SecretString::from(secret.into()))
            }

            /// The secret itself. Every use is a place to check for leaks.
            pub(crate) fn expose(&self) -> &str {
                self.0.expose_secret()
            }

            /// SHA-256, lower-case hex: names a token without telling it.
            pub(crate) fn sha256(&self) -> String {
                token_sha256(self.expose())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }
    };
}

secret! {
    /// What a client may have: proves the account to the API for a while.
    AccessToken
}
secret! {
    /// What only the agent may have: gets new access tokens.
    RefreshToken
}

/// Who is signed in, as the provider and the Platform tell. No secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Account {
    /// `sub` of the ID token (OIDC Core, section 2), or the Platform's user id as text.
    pub subject: String,
    /// Empty where unknown, as are the next two.
    #[serde(default)]
    pub email: String,
    /// Login name.
    #[serde(default)]
    pub user_name: String,
    /// Name for people.
    #[serde(default)]
    pub display_name: String,
    /// The Platform's id; 0 where unknown.
    #[serde(default)]
    pub user_id: i64,
}

impl Account {
    /// What a person recognises: the e-mail address, else a name, else the subject.
    pub(crate) fn label(&self) -> &str {
        [&self.email, &self.user_name, &self.display_name]
            .into_iter()
            .find(|s| !s.is_empty())
            .unwrap_or(&self.subject)
    }
}

/// An organisation at the Platform: what is billed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Organization {
    /// The Platform's id.
    pub id: i64,
    /// Its short name, which no other has.
    pub name: String,
    /// As people call it; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub full_name: String,
}

/// A workspace of an organisation: where programs run what they launch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Workspace {
    /// The Platform's id.
    pub id: i64,
    /// Its short name, which no other of its organisation has.
    pub name: String,
    /// As people call it; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub full_name: String,
    /// Whose it is.
    pub organization: Organization,
}

/// What an account belongs to, as its Platform told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Memberships {
    /// In the Platform's order.
    pub organizations: Vec<Organization>,
    /// `None`: the Platform did not tell.
    pub workspaces: Option<Vec<Workspace>>,
}

/// An access token and its life, counted from when its request was sent.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    /// The secret.
    pub token: AccessToken,
    /// `expires_in`, else `exp − iat` of a JWT, else five minutes. Zero: never to be served.
    pub lifetime: Duration,
}

/// A set of tokens as a provider answered it.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    /// What is served.
    pub access: Access,
    /// Missing: the session lasts as long as its access token.
    pub refresh: Option<RefreshToken>,
    /// Life of the refresh token (`refresh_expires_in`), where told and not zero.
    pub refresh_lifetime: Option<Duration>,
}

/// Renewable or not: decides who renews and who revokes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Access token, refresh token, expiry.
    #[default]
    Renewable,
    /// One long-lived secret.
    Fixed,
}

/// What a login gives.
#[derive(Debug, Clone)]
pub(crate) enum Credential {
    /// Access token, refresh token, expiry.
    Renewable(Grant),
    /// One long-lived secret: a personal access token or a toolkit token.
    Fixed {
        /// The secret.
        token: AccessToken,
        /// By the wall clock, where the provider tells.
        expires_at: Option<SystemTime>,
        /// Made by this login; else the person brought it, and may use it elsewhere.
        minted: bool,
    },
}

impl Credential {
    /// Renewable or fixed.
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
