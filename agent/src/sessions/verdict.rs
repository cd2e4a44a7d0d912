//! The types that worker and session exchange: requests, decisions and the outcomes of jobs. Pure.

use std::time::Duration;

use crate::clock::Moment;
use crate::outcome::{Outcome, Why};
use crate::providers::{Check, Unservable};
use crate::sessions::schedule::Held;
use crate::token::{Access, Kind};

/// Whether somebody is signed in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Never signed in, or signed out on purpose.
    #[default]
    SignedOut,
    /// The session has a credential.
    SignedIn,
    /// The provider refused the credential, for this reason.
    Expired(String),
}

/// What the worker runs for a session, one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    /// Spend the refresh token.
    Renew,
    /// Load the fixed credential from its store.
    Load,
    /// Ask the API whether the fixed credential still works.
    Check,
}

/// A request for a token.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ask {
    /// How long the token should remain valid.
    pub min_valid: Duration,
    /// SHA-256 of a token that the API refused.
    pub rejected: Option<String>,
    /// How long the caller will wait.
    pub patience: Duration,
    /// An attempt has begun since the caller asked.
    pub tried: bool,
}

/// Who waits for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiting {
    Nobody,
    /// Callers for whom an attempt has begun and failed.
    Tried,
    /// At least one caller for whom no attempt has begun yet.
    New,
}

/// What to do with a caller, and whether to start a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Answer with the token in memory, and start this job in the background.
    Answer(Option<Job>),
    /// Start this job. The caller waits for it, for the running one, or for one that is due within its patience.
    Wait(Option<Job>),
    /// Answer with an error.
    Refuse(Refusal),
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Nobody is signed in.
    SignedOut,
    /// The session has ended.
    Expired(String),
    /// The last attempt failed, and the next one, after this pause, comes too late for the caller.
    NotNow(Failure, Duration),
}

/// How an attempt failed without ending the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The failure will pass without help. Holds the `Retry-After`, if there was one.
    Transient(Option<Duration>),
    /// The answer got lost.
    Unknown,
    /// Somebody has to correct the configuration.
    Misconfigured,
    /// The provider refused without a known error code.
    Unclear,
    /// A caller reported the token as refused that an earlier report had brought about, within a minute.
    Reported,
    /// The store failed to load or save the secret.
    Store,
    /// The keychain is locked.
    Locked,
}

/// The last failed attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub trouble: Trouble,
    /// The reason that the person reads.
    pub why: Why,
    pub at: Moment,
}

/// The outcome of a job.
#[derive(Debug)]
pub(crate) enum JobOutcome {
    /// The provider's answer to a renewal. If tokens were granted, the refresh token is saved.
    Renewed(Outcome<Fresh>),
    /// The fixed credential, loaded from its store.
    Loaded(Held),
    /// The API's answer about the fixed credential.
    Checked(Check),
    /// The store failed to load the secret, or loaded another party's. The provider was not asked.
    NoSecret(StoreTrouble, Why),
    /// The agent itself cannot do the job now.
    Broken(String),
    /// There was nothing to do: the renewal of an intent had been saved after all.
    Settled,
}

/// A renewal that was granted and whose refresh token is saved.
#[derive(Debug)]
pub(crate) struct Fresh {
    /// When the renewal was sent: the token's life counts from then.
    pub sent: Moment,
    /// The access token, or why it may not be served.
    pub access: Result<Access, Unservable>,
    /// The time until the refresh token has to be used again.
    pub keep_alive: Duration,
}

/// How a store failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreTrouble {
    /// The store failed to load or save the secret.
    Failed,
    /// The keychain is locked.
    Locked,
}

impl From<StoreTrouble> for Trouble {
    fn from(trouble: StoreTrouble) -> Self {
        match trouble {
            StoreTrouble::Failed => Self::Store,
            StoreTrouble::Locked => Self::Locked,
        }
    }
}

/// How a session begins: with a login, or from its record when the agent starts.
#[derive(Debug)]
pub(crate) struct Beginning {
    pub kind: Kind,
    /// The first access token; `None` when the agent starts.
    pub held: Option<Held>,
    /// There is a refresh token.
    pub can_renew: bool,
    /// When the refresh token has to be used so that it does not expire.
    pub keep_alive_at: Option<Moment>,
    /// When an intent was found in the record: a renewal may have been interrupted, and is repeated at once.
    pub interrupted: Option<Moment>,
}
