//! The shape of `sessions.json`, the record of this host's sessions, and of the leases in the journal beside it.
//! They contain no secret.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use seqera_agent_proto::configuration::position;
use seqera_agent_proto::files::{self, Writer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::profile::{Profile, ProfileName};
use crate::storage::ladder::Fell;
use crate::storage::store::StoreKind;
use crate::token::{Account, Kind, Organization, Workspace};

/// All sessions of one host and configuration folder. Fields of newer versions are kept, here and in the types
/// below.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Sessions {
    /// The profile chosen with `profile use`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_profile: Option<ProfileName>,
    /// Every profile that has ever signed in and was not forgotten. Each worker shares the record of its own.
    pub profiles: BTreeMap<ProfileName, Arc<Record>>,
    /// Refresh tokens of other programs whose import was begun, or that were refused, by place and name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub imports: BTreeMap<String, Attempt>,
    /// Tokens made for programs, by the id of their lease. They are in a [journal](crate::storage::journal) of
    /// their own; older versions wrote them here.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub leases: BTreeMap<String, Lease>,
    /// What profiles were called before.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub renames: BTreeMap<ProfileName, Rename>,
    /// Names that the summary has to forget. Only for the next writes.
    #[serde(skip)]
    pub gone: BTreeSet<ProfileName>,
    /// What the host called itself at the last change; older versions did not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_name: Option<String>,
    /// The host id in the names of stored secrets, where it is an earlier one of this host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_under: Option<String>,
    /// A session of another host that is being taken over. Cleared when it is here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adopting: Option<Adopting>,
    /// Fields of newer versions.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The present name of a profile. Noted before its secret is copied to that name, so that the next start knows which
/// of two equal secrets to remove if the agent dies in between.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rename {
    pub to: ProfileName,
    /// One of the two names may have a secret that the other one's record is about.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unfinished: bool,
}

/// A session on its way from one host's records to another's. Written before it is taken out of the former.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Adopting {
    /// Id of the host whose session it was.
    pub from: String,
    pub profile: ProfileName,
    /// The session, as it will be recorded here.
    pub record: Box<Record>,
}

impl Sessions {
    /// A session of another host is one of this host from now on.
    pub(crate) fn install_adopted(&mut self, adopting: Adopting) {
        self.adopting = None;
        self.profiles.insert(adopting.profile, adopting.record.into());
    }

    /// True if both are the same but for their leases.
    pub(crate) fn is_same_without_leases(&self, than: &Self) -> bool {
        // With every field by its name, so that none is forgotten.
        let Self {
            default_profile,
            profiles,
            imports,
            leases: _,
            renames,
            gone,
            host_name,
            kept_under,
            adopting,
            other,
        } = self;
        *default_profile == than.default_profile
            && *profiles == than.profiles
            && *imports == than.imports
            && *renames == than.renames
            && *gone == than.gone
            && *host_name == than.host_name
            && *kept_under == than.kept_under
            && *adopting == than.adopting
            && *other == than.other
    }

    /// A copy without the leases.
    pub(crate) fn without_leases(&self) -> Self {
        Self {
            default_profile: self.default_profile.clone(),
            profiles: self.profiles.clone(),
            imports: self.imports.clone(),
            leases: BTreeMap::new(),
            renames: self.renames.clone(),
            gone: self.gone.clone(),
            host_name: self.host_name.clone(),
            kept_under: self.kept_under.clone(),
            adopting: self.adopting.clone(),
            other: self.other.clone(),
        }
    }

    /// The sessions as a restarted agent finds them: secrets kept in memory went with the old process.
    #[must_use]
    pub(crate) fn after_restart(mut self) -> Self {
        let in_memory = |record: &&mut Arc<Record>| record.store == Some(StoreKind::Memory);
        for record in self.profiles.values_mut().filter(in_memory) {
            Arc::make_mut(record).store = None;
        }
        for lease in self.leases.values_mut() {
            lease.store = lease.store.filter(|store| *store != StoreKind::Memory);
        }
        self
    }
}

/// One profile's session, or the mark that the person has signed out. Times are Unix seconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    /// Where the profile signs in.
    pub profile: Profile,
    /// Who is signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    #[serde(default)]
    pub kind: Kind,
    /// The store that has the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreKind>,
    /// Why `store` is not a better one: that one failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
    /// When a better store was last asked to take the secret back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub climb_tried_at: Option<u64>,
    /// A store that had the secret before `store`, and has not been emptied yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_in: Option<StoreKind>,
    /// SHA-256 of the secret that was stored last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_sha256: Option<String>,
    /// A renewal that has begun and is not saved yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
    /// When the login finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logged_in_at: Option<u64>,
    /// When the last renewal was saved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_renewed_at: Option<u64>,
    /// When the stored secret expires, if the provider says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_expires_at: Option<u64>,
    /// When the sign-in ends however often it is used, if the provider says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_in_ends_at: Option<u64>,
    /// The organisation that gets billed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<Organization>,
    /// The person chose the organisation, or chose to have none. Otherwise a login took the first one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub organization_is_chosen: bool,
    /// The workspace that the person chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<Workspace>,
    /// The person signed out; nothing may sign them in again behind their back.
    #[serde(default)]
    pub signed_out: bool,
    /// Why the provider ended the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// How the person signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<SignInMethod>,
    /// Fields of newer versions.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Identifies a process. Its start time tells it apart from a later process with the same id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Program {
    pub pid: u32,
    /// The start time in the system's own form, good only for comparison.
    pub started: String,
}

/// What ends a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Ends {
    /// The end of a process on the lease's own host.
    With(Program),
    /// A time in Unix seconds.
    At(u64),
}

/// The record of a lease, written before its token is made. It contains no secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Lease {
    /// The token's name at the Platform.
    pub name: String,
    /// The profile whose account the token belongs to.
    pub profile: ProfileName,
    /// Where the token was made. Kept here because the session may be gone when the token has to be deleted.
    pub settings: Profile,
    /// The account (`sub`): only its own list of tokens shows this one.
    pub subject: String,
    /// Id of the host that made the lease. Only that host can tell whether its process is still running.
    pub host: String,
    /// The person's name for the program.
    pub program: String,
    pub ends: Ends,
    /// Unix seconds.
    pub created_at: u64,
    /// The token's id at the Platform. `None` if the request to create it was not answered, or the answer was
    /// not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<i64>,
    /// The store that has the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreKind>,
    /// The lease has ended, and its token has to be deleted.
    #[serde(default)]
    pub ending: bool,
    /// Fields of newer versions.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// How the person signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SignInMethod {
    /// In a browser that was redirected to this host.
    Browser,
    /// With a code entered on another device.
    Device,
    /// With a token that the person gave.
    Token,
    /// With a token that another program had left.
    Import,
    /// A way that a newer version knows.
    #[serde(untagged)]
    Other(String),
}

impl SignInMethod {
    /// The name in `sessions.json`, the contract and `status`.
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

/// A secret is in a lesser store because a better one failed. It goes back when that one answers again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fallback {
    /// The store that failed.
    pub from: StoreKind,
    /// Its last error.
    pub why: String,
    /// When it failed first. Unix seconds.
    pub since: u64,
}

/// A refresh token is being spent. Written before the renewal is sent, cleared when its answer is saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Intent {
    /// SHA-256 of the token that is being spent.
    pub sha256: String,
    /// Unix seconds.
    pub at: u64,
}

/// Another program's refresh token is being spent. Written before the token is sent, cleared when the session is
/// saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attempt {
    /// SHA-256 of the token.
    pub sha256: String,
    /// Unix seconds.
    pub at: u64,
    /// The token is useless now: the provider refused it, or it is spent and could not be removed.
    #[serde(default)]
    pub dead: bool,
}

impl Record {
    /// Marks the deliberate sign-out. `store` stays, so that an agent that starts after a crash finds what it
    /// still has to revoke and remove.
    pub(crate) fn sign_out(&mut self) {
        self.signed_out = true;
        self.intent = None;
        self.ended = None;
    }

    /// True if a session was signed in when this was written.
    pub(crate) fn is_signed_in(&self) -> bool {
        self.account.is_some() && !self.signed_out
    }

    /// When the session was last alive, as far as is known.
    pub(crate) fn last_seen(&self) -> Option<u64> {
        self.last_renewed_at.max(self.logged_in_at)
    }

    /// Where the secret with this hash is kept from now on. The store that had the last one is to be emptied.
    pub(crate) fn keep_in(&mut self, place: StoreKind, sha256: String) {
        if let Some(old) = self.store.filter(|old| *old != place) {
            self.left_in = Some(old);
        }
        self.left_in = self.left_in.filter(|left| *left != place && *left != StoreKind::Memory);
        self.store = Some(place);
        self.secret_sha256 = Some(sha256);
        self.fallback = self.fallback.take().filter(|fallback| fallback.from != place);
    }

    /// Notes that the secret had to go to a lesser store. The best one that has failed is the one to go back to.
    pub(crate) fn fall(&mut self, fell: Fell, now: u64) {
        let Fell { from, why, is_absent: _ } = fell;
        let (from, since) = self.fallback.as_ref().map_or((from, now), |first| (first.from, first.since));
        self.fallback = Some(Fallback { from, why, since });
    }

    /// Drops everything about the account and its session. Keeps where to sign in, the mark of the sign-out, and
    /// the store whose item could not be removed (`left`).
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

/// Room for tens of thousands of sessions and leases.
pub(crate) const LARGEST: u64 = 64 << 20;

/// Reads `sessions.json`. A missing file means no sessions.
///
/// # Errors
/// Why the file cannot be read or parsed; the text names the file and, for a parse error, line and column.
pub(crate) fn read(path: &Path) -> Result<Sessions, String> {
    match files::read(path, LARGEST, Writer::Program) {
        Ok(json) => {
            serde_json::from_slice(&json).map_err(|error| format!("{}:{}", path.display(), position(&error)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Sessions::default()),
        Err(error) => Err(files::sentence(path, &error)),
    }
}
