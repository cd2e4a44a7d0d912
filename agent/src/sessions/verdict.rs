//! The words in which worker and session speak: what is asked, what is decided, what came of it. Pure.

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
    /// A credential is there.
    SignedIn,
    /// The provider refused the credential, for this reason.
    Expired(String),
}

/// What the worker runs for a session, one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    /// Spend the refresh token.
    Renew,
    /// Read the fixed credential from its store.
    Load,
    /// Ask the API whether the fixed credential still works.
    Check,
}

/// What a caller asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ask {
    /// Life that the token shall have.
    pub min_valid: Duration,
    /// SHA-256 of a token that the API refused.
    pub rejected: Option<String>,
    /// How long the caller will wait.
    pub patience: Duration,
}

/// What to do with a caller, and whether to start a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Answer with the token in memory, and start this behind.
    Answer(Option<Job>),
    /// Start this, and let the caller wait for it, for what runs, or for what is due within its patience.
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
    /// The last attempt failed; the next one lies beyond the caller's patience.
    NotNow(Failure, Duration),
}

/// How an attempt failed without ending the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Will pass by itself. With what `Retry-After` asked for.
    Transient(Option<Duration>),
    /// The answer got lost.
    Unknown,
    /// Somebody has to mend the configuration.
    Misconfigured,
    /// Refused without a reason that we know.
    Unclear,
    /// The store did not give or keep the secret.
    Store,
    /// The keychain is locked.
    Locked,
}

/// The last failed attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What kind.
    pub trouble: Trouble,
    /// What the person reads.
    pub why: Why,
    /// When.
    pub at: Moment,
}

/// What came of a job.
#[derive(Debug)]
pub(crate) enum JobOutcome {
    /// The provider's answer to a renewal; what it granted is saved.
    Renewed(Outcome<Fresh>),
    /// The fixed credential, from its store.
    Loaded(Held),
    /// The API's word on the fixed credential.
    Checked(Check),
    /// The store did not give the secret, or gave another party's: nothing was asked.
    NoSecret(StoreTrouble, String),
    /// Not now, for a reason of the agent's own.
    Broken(String),
    /// A job found that nothing had to be done: an intent whose save had succeeded.
    Settled,
}

/// A renewal that was granted and whose refresh token is saved.
#[derive(Debug)]
pub(crate) struct Fresh {
    /// When the renewal was sent: the token's life counts from here.
    pub sent: Moment,
    /// What may be served, or why nothing may.
    pub access: Result<Access, Unservable>,
    /// The time until the refresh token has to be used again.
    pub keep_alive: Duration,
}

/// How a store failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreTrouble {
    /// It did not give or keep the secret.
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

/// How a session begins: at a login, or when the agent starts and finds one.
#[derive(Debug)]
pub(crate) struct Beginning {
    /// Renewable or fixed.
    pub kind: Kind,
    /// The first token; none after a start of the agent.
    pub held: Option<Held>,
    /// There is a refresh token.
    pub can_renew: bool,
    /// When the refresh token has to be used to stay alive.
    pub keep_alive_at: Option<Moment>,
    /// An intent was found, then: a renewal may have been interrupted. It is repeated at once.
    pub interrupted: Option<Moment>,
}
