//! Revocations that failed. They are kept in memory and tried again for up to a day while the agent runs
//! ([Pending revocations](crate::manual::sign_out#pending-revocations)).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tracing::info;

use crate::backoff::{Backoff, jitter};
use crate::clock::{Clock, Moment};
use crate::profile::ProfileName;
use crate::providers::{Issuer, Revocable, Revocation};

/// How long a revocation is tried again.
const GIVE_UP: Duration = Duration::from_secs(24 * 3600);

/// One revocation that is still owed.
#[derive(Clone)]
struct Debt {
    id: u64,
    profile: ProfileName,
    issuer: Arc<dyn Issuer>,
    what: Revocable,
    since: Moment,
    next: Moment,
    backoff: Backoff,
}

/// The revocations that are still owed. Clones share the list.
#[derive(Clone)]
pub(crate) struct Pending {
    debts: Arc<Mutex<Vec<Debt>>>,
    added: Arc<Notify>,
    clock: Arc<dyn Clock>,
}

impl Pending {
    /// Creates an empty list. [`Self::run`] has to run for anything to be revoked.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { debts: Arc::default(), added: Arc::default(), clock }
    }

    /// Adds a revocation, which is tried at once and repeated until it succeeds.
    pub(crate) fn revoke(&self, profile: &ProfileName, issuer: Arc<dyn Issuer>, what: Revocable) {
        let now = self.clock.now();
        let backoff = Backoff::default();
        let mut debts = self.lock();
        let id = debts.last().map_or(0, |last| last.id + 1);
        debts.push(Debt { id, profile: profile.clone(), issuer, what, since: now, next: now, backoff });
        drop(debts);
        self.added.notify_one();
    }

    /// The profiles with tokens that are still to be revoked. A stop of the agent would forget them.
    pub(crate) fn profiles(&self) -> Vec<ProfileName> {
        self.lock().iter().map(|debt| debt.profile.clone()).collect()
    }

    /// Tries what is due, for ever. Sleeps while the list is empty.
    pub(crate) async fn run(self) {
        loop {
            let now = self.clock.now();
            let next = self.lock().iter().map(|debt| now.until(debt.next)).min();
            match next {
                None => self.added.notified().await,
                Some(Duration::ZERO) => self.try_one(now).await,
                // At most 30 s, because timers stop while the machine sleeps.
                Some(wait) => {
                    let wait = wait.min(Duration::from_secs(30));
                    let _ = tokio::time::timeout(wait, self.added.notified()).await;
                }
            }
        }
    }

    async fn try_one(&self, now: Moment) {
        let Some(owed) = self.next_due(now) else { return };
        let result = owed.issuer.revoke(&owed.what).await;
        if matches!(result, Revocation::Failed(_)) && now.since(owed.since) < GIVE_UP {
            return;
        }
        info!(profile = %owed.profile, ?result, "a revocation that was owed has ended");
        self.lock().retain(|debt| debt.id != owed.id);
    }

    /// Returns a copy. The debt stays in the list during the request, so that a stop of the agent knows that it
    /// is still owed.
    fn next_due(&self, now: Moment) -> Option<Debt> {
        let mut debts = self.lock();
        let debt = debts.iter_mut().find(|debt| now.reached(debt.next))?;
        debt.next = now.plus(debt.backoff.after_failure(None, jitter()).max(Duration::from_secs(1)));
        Some(debt.clone())
    }

    /// Callers must not hold this lock across an await.
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Debt>> {
        self.debts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
