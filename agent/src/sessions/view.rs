//! A session as others see it: status, watchers and the ticker. Also how a session is restored from its record
//! when the agent starts, and the errors that callers without a token get.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Moment, from_unix};
use crate::error::{AgentError, ErrorKind, Typed};
use crate::profile::ProfileName;
use crate::sessions::schedule::{Held, keep_alive};
use crate::sessions::session::Session;
use crate::sessions::verdict::{Beginning, Failure, Refusal, Standing, Trouble, Waiting};
use crate::storage::record::Record;
use crate::token::Kind;

/// One token given to one caller.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub held: Arc<Held>,
    pub record: Arc<Record>,
    /// The last renewal failed, or the session has ended.
    pub failing: bool,
    /// The token's remaining life by the stricter clock; `None` if it does not expire.
    pub remaining: Option<Duration>,
}

/// A session as of its last change.
#[derive(Debug, Clone)]
pub(crate) struct View {
    /// Counts logins and logouts.
    pub generation: u64,
    pub standing: Standing,
    /// The token that is served until it expires.
    pub held: Option<Arc<Held>>,
    /// There is a refresh token.
    pub can_renew: bool,
    /// The last failed attempt since the last success.
    pub failure: Option<Failure>,
    /// When the ticker has to wake the worker.
    pub due: Option<Moment>,
    pub record: Arc<Record>,
    /// Why the store refused the secret, which lives in memory only for now.
    pub unsaved: Option<String>,
    /// The last intent could not be written.
    pub intent_unwritten: bool,
    /// The profile's name, if it has changed since its worker began.
    pub renamed: Option<ProfileName>,
    /// A job of the worker runs.
    pub at_work: bool,
}

impl Default for View {
    fn default() -> Self {
        Self::of(&Session::signed_out(0), &Arc::default(), Waiting::Nobody)
    }
}

impl View {
    pub(crate) fn of(session: &Session, record: &Arc<Record>, waiting: Waiting) -> Self {
        Self {
            generation: session.generation(),
            standing: session.standing().clone(),
            held: session.offered().cloned(),
            can_renew: session.can_renew(),
            failure: session.failure().cloned(),
            due: session.next_due(waiting),
            record: Arc::clone(record),
            unsaved: None,
            intent_unwritten: false,
            renamed: None,
            at_work: false,
        }
    }

    /// True if somebody is signed in, and the last attempt did not fail because of the store, the configuration
    /// or a refusal. Otherwise perhaps only a new login helps.
    pub(crate) fn is_usable(&self) -> bool {
        let broken = match self.failure.as_ref().map(|failure| failure.trouble) {
            Some(Trouble::Store | Trouble::Locked | Trouble::Unclear | Trouble::Misconfigured) => true,
            Some(Trouble::Transient(_) | Trouble::Unknown | Trouble::Reported) | None => false,
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

/// Restores the session from its record.
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

/// When the refresh token has to be used, counted from the last saved renewal even across restarts. At once, where a
/// clock that was ahead has recorded that: nobody knows how long ago it was.
fn keep_alive_at(record: &Record, now: Moment) -> Moment {
    let renewed = from_unix(record.last_renewed_at.unwrap_or_default());
    if now.is_before(renewed) {
        return now;
    }
    let lifetime = record.refresh_expires_at.and_then(|end| from_unix(end).duration_since(renewed).ok());
    now.at_wall(renewed + keep_alive(lifetime))
}

/// Words a refusal for the person.
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
        Trouble::Reported => return AgentError::reported(name, pause),
        Trouble::Misconfigured => {
            let hint = "check authority and client id; the session is kept and tried again";
            (ErrorKind::Misconfigured, failure.why.hint_or(hint))
        }
        Trouble::Store => {
            let hint = "'seqera status{profile}' says where the session is kept; nothing was deleted";
            (ErrorKind::StoreFailed, failure.why.hint_or(hint))
        }
        Trouble::Locked => (ErrorKind::KeychainLocked, "unlock the keychain; the session is still in it"),
    };
    AgentError::new(kind, failure.why.to_string(), hint).typed(&Typed::of(name))
}
