//! What is seen of a session from outside: for status, watchers and the ticker. And what a session begins
//! with when the agent starts.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Moment, from_unix};
use crate::error::{AgentError, ErrorKind};
use crate::profile::ProfileName;
use crate::sessions::schedule::{Held, keep_alive};
use crate::sessions::session::Session;
use crate::sessions::verdict::{Beginning, Failure, Refusal, Standing, Trouble};
use crate::storage::record::Record;
use crate::token::Kind;

/// One token given to one caller.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    /// The token and its times.
    pub held: Arc<Held>,
    /// Of the session.
    pub record: Arc<Record>,
    /// The last renewal failed.
    pub failing: bool,
    /// By the stricter clock; `None`: no end.
    pub remaining: Option<Duration>,
}

/// A session as of its last change.
#[derive(Debug, Clone)]
pub(crate) struct View {
    /// Counts logins and logouts.
    pub generation: u64,
    /// Whether somebody is signed in.
    pub standing: Standing,
    /// The token that is served while it lasts.
    pub held: Option<Arc<Held>>,
    /// There is something to renew with.
    pub can_renew: bool,
    /// The last failed attempt.
    pub failure: Option<Failure>,
    /// When the ticker has to wake the worker.
    pub due: Option<Moment>,
    /// As recorded.
    pub record: Arc<Record>,
    /// Why the secret lives in memory only, where it should not.
    pub unsaved: Option<String>,
    /// The last intent could not be written.
    pub intent_unwritten: bool,
}

impl Default for View {
    fn default() -> Self {
        Self::of(&Session::signed_out(0), &Arc::default(), false)
    }
}

impl View {
    /// What is seen of `session`.
    pub(crate) fn of(session: &Session, record: &Arc<Record>, somebody_waits: bool) -> Self {
        Self {
            generation: session.generation(),
            standing: session.standing().clone(),
            held: session.offered().cloned(),
            can_renew: session.can_renew(),
            failure: session.failure().cloned(),
            due: session.next_due(somebody_waits),
            record: Arc::clone(record),
            unsaved: None,
            intent_unwritten: false,
        }
    }

    /// Somebody is signed in, the last look found the secret readable, and the provider did not refuse it: else
    /// only a new login may help.
    pub(crate) fn is_usable(&self) -> bool {
        let broken = match self.failure.as_ref().map(|failure| failure.trouble) {
            Some(Trouble::Store | Trouble::Locked | Trouble::Unclear | Trouble::Misconfigured) => true,
            Some(Trouble::Transient(_) | Trouble::Unknown) | None => false,
        };
        self.standing == Standing::SignedIn && !broken
    }

    /// The token, if it may be served now.
    pub(crate) fn served(&self, now: Moment) -> Option<Served> {
        let held = self.held.as_ref().filter(|held| held.is_valid(now))?;
        Some(Served {
            held: Arc::clone(held),
            record: Arc::clone(&self.record),
            failing: self.failure.is_some() || self.standing != Standing::SignedIn,
            remaining: held.remaining(now),
        })
    }
}

/// The session that the record tells of.
pub(crate) fn restore(record: Option<&Record>, generation: u64, now: Moment) -> Session {
    let Some(record) = record.filter(|record| record.account.is_some() && !record.signed_out) else {
        return Session::signed_out(generation);
    };
    if let Some(why) = &record.ended {
        return Session::expired(generation, record.kind, why.clone());
    }
    if record.store.is_none() {
        let why = "it was kept in memory only, and the agent was started again";
        return Session::expired(generation, record.kind, why.to_owned());
    }
    let renewable = record.kind == Kind::Renewable;
    Session::begin(
        generation,
        Beginning {
            kind: record.kind,
            held: None,
            can_renew: renewable,
            keep_alive_at: renewable.then(|| keep_alive_at(record, now)),
            interrupted: record.intent.as_ref().map(|_| now),
        },
    )
}

/// Counted from the last saved renewal, restarts included.
fn keep_alive_at(record: &Record, now: Moment) -> Moment {
    let renewed = from_unix(record.last_renewed_at.unwrap_or_default());
    let lifetime = record.refresh_expires_at.and_then(|end| from_unix(end).duration_since(renewed).ok());
    now.at_wall(renewed + keep_alive(lifetime))
}

/// What the person reads where there is no token.
pub(crate) fn refused(refusal: Refusal, name: &ProfileName, authority: &str) -> AgentError {
    let (failure, pause) = match refusal {
        Refusal::SignedOut => return AgentError::signed_out(name),
        Refusal::Expired(why) => return AgentError::login_expired(name, &why),
        Refusal::NotNow(failure, pause) => (failure, pause),
    };
    let (kind, hint) = match failure.trouble {
        Trouble::Transient(_) | Trouble::Unknown | Trouble::Unclear => {
            return AgentError::unreachable(authority, &failure.why, pause);
        }
        Trouble::Misconfigured => {
            let hint = "check authority and client id; the session is kept and tried again";
            (ErrorKind::Misconfigured, failure.why.hint_or(hint))
        }
        Trouble::Store => {
            (ErrorKind::StoreFailed, "'seqera status' tells where the session is kept; nothing was deleted")
        }
        Trouble::Locked => (ErrorKind::KeychainLocked, "unlock the keychain; the session is still in it"),
    };
    AgentError::new(kind, failure.why.to_string(), hint)
}
