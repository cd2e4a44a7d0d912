//! What is remembered about the sessions of this host: the shape of `sessions.json`. No secret is in it.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use seqera_agent_proto::configuration::position;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::profile::{Profile, ProfileName};
use crate::storage::store::StoreKind;
use crate::token::{Account, Kind, Organization, Workspace};

/// All sessions of one host and configuration folder. Fields of newer versions are kept, here and below.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Sessions {
    /// What `profile use` chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_profile: Option<ProfileName>,
    /// Every profile that has ever signed in and was not forgotten.
    pub profiles: BTreeMap<ProfileName, Record>,
    /// Refresh tokens of other programs that were being taken over, or were refused, by place and name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub imports: BTreeMap<String, Attempt>,
    /// Tokens made for programs, by the id of their lease.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub leases: BTreeMap<String, Lease>,
    /// What we do not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Sessions {
    /// As an agent finds them that has just started: what was kept in memory has gone with its process.
    #[must_use]
    pub(crate) fn after_restart(mut self) -> Self {
        for record in self.profiles.values_mut() {
            record.store = record.store.filter(|store| *store != StoreKind::Memory);
        }
        for lease in self.leases.values_mut() {
            lease.store = lease.store.filter(|store| *store != StoreKind::Memory);
        }
        self
    }
}

/// One profile's session, or the mark that it was ended. Times are Unix seconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    /// Where it signs in.
    pub profile: Profile,
    /// Who is signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// Renewable or fixed.
    #[serde(default)]
    pub kind: Kind,
    /// Which store has the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreKind>,
    /// SHA-256 of the secret that was stored last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_sha256: Option<String>,
    /// A renewal that was begun and has not been saved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
    /// When the login was finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logged_in_at: Option<u64>,
    /// When a renewal was saved last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_renewed_at: Option<u64>,
    /// End of the secret's life, where the provider tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_expires_at: Option<u64>,
    /// What is billed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<Organization>,
    /// The person chose the organisation, or chose to have none. Else a login took the first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub organization_is_chosen: bool,
    /// The workspace that was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<Workspace>,
    /// The person signed out; nobody signs them in again behind their back.
    #[serde(default)]
    pub signed_out: bool,
    /// Why the provider ended the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// How the sign-in was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<SignInMethod>,
    /// What we do not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A process, told apart from a later one of the same number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Program {
    /// Process id.
    pub pid: u32,
    /// When it started, as the system tells it; to be compared and for nothing else.
    pub started: String,
}

/// What ends a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Ends {
    /// The end of a process of the lease's own host.
    With(Program),
    /// A time, in Unix seconds.
    At(u64),
}

/// What is written down of a lease, before its token is made. No secret is in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Lease {
    /// The token's name at the Platform.
    pub name: String,
    /// Whose account it is.
    pub profile: ProfileName,
    /// Where the token was made: the session may be gone when it has to be deleted.
    pub settings: Profile,
    /// The account (`sub`): another one's list would not show the token.
    pub subject: String,
    /// Id of the host that made it. No other host can judge its process.
    pub host: String,
    /// What the person called the program.
    pub program: String,
    /// What ends it.
    pub ends: Ends,
    /// Unix seconds.
    pub created_at: u64,
    /// The token's id at the Platform; missing: its creation was not answered, or the answer was not
    /// recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<i64>,
    /// Which store has the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreKind>,
    /// It has ended, and its token is to be deleted.
    #[serde(default)]
    pub ending: bool,
    /// What we do not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// How a sign-in was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SignInMethod {
    /// In a browser that came back to this host.
    Browser,
    /// By a code that was entered on another device.
    Device,
    /// With a token that the person gave.
    Token,
    /// With what another program had left.
    Import,
    /// As a newer version has written it.
    #[serde(untagged)]
    Other(String),
}

impl SignInMethod {
    /// As it is written.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Browser => "browser",
            Self::Device => "device",
            Self::Token => "token",
            Self::Import => "import",
            Self::Other(text) => text,
        }
    }
}

/// A refresh token is being spent: written before the renewal is sent, cleared when its answer is saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Intent {
    /// SHA-256 of the token that is being spent.
    pub sha256: String,
    /// Unix seconds.
    pub at: u64,
}

/// Another program's refresh token is being spent: written before it is sent, gone when the session is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attempt {
    /// SHA-256 of the token.
    pub sha256: String,
    /// Unix seconds.
    pub at: u64,
    /// It is of no use any more: the provider refused it, or it is spent and could not be removed.
    #[serde(default)]
    pub dead: bool,
}

impl Record {
    /// Marks the deliberate sign-out. `store` stays, so that a start after a crash finds what is still to be
    /// revoked and removed.
    pub(crate) fn sign_out(&mut self) {
        self.signed_out = true;
        self.intent = None;
        self.ended = None;
    }

    /// Drops everything about the account and its session. What stays: where to sign in, the mark, and where
    /// an item is left that could not be removed.
    pub(crate) fn forget_session(&mut self, left: Option<StoreKind>) {
        *self = Self {
            profile: self.profile.clone(),
            kind: self.kind,
            store: left,
            signed_out: true,
            other: std::mem::take(&mut self.other),
            ..Self::default()
        };
    }
}

/// No file means no sessions.
pub(crate) fn read(path: &Path) -> Result<Sessions, String> {
    match fs::read(path) {
        Ok(json) => {
            serde_json::from_slice(&json).map_err(|error| format!("{}:{}", path.display(), position(&error)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Sessions::default()),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}
