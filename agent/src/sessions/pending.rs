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
use crate::sealed::Sealed;
use crate::token::{AccessToken, RefreshToken};

/// How long a revocation is tried again.
const GIVE_UP: Duration = Duration::from_secs(24 * 3600);

/// One revocation that is still owed.
#[derive(Clone)]
struct Debt {
    id: u64,
    profile: ProfileName,
    issuer: Arc<dyn Issuer>,
    refresh: Option<RefreshToken>,
    /// Sealed, because nobody is served with it any more.
    access: Option<Sealed>,
    since: Moment,
    next: Moment,
    backoff: Backoff,
}

/// The revocations that are still owed. Clones share the list.
#[derive(Clone)]
pub(crate) struct Pending {
    debts: Arc<Mutex<Vec<Debt>>>,
    added: Arc<Notify>,
    /// Told when a debt has ended.
    ended: Arc<Notify>,
    clock: Arc<dyn Clock>,
}

impl Pending {
    /// Creates an empty list. [`Self::run`] has to run for anything to be revoked.
    pub(crate) fn new(clock: Arc<dyn Clock>, ended: Arc<Notify>) -> Self {
        Self { debts: Arc::default(), added: Arc::default(), ended, clock }
    }

    /// Adds a revocation, which is tried at once and repeated until it succeeds.
    pub(crate) fn revoke(&self, profile: &ProfileName, issuer: Arc<dyn Issuer>, what: Revocable) {
        let now = self.clock.now();
        let backoff = Backoff::default();
        let mut debts = self.lock();
        let id = debts.last().map_or(0, |last| last.id + 1);
        let Revocable { refresh, access } = what;
        let access = access.map(|token| Sealed::new(token.expose()));
        let profile = profile.clone();
        debts.push(Debt { id, profile, issuer, refresh, access, since: now, next: now, backoff });
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
        let access = owed.access.as_ref().map(AccessToken::from);
        let what = Revocable { refresh: owed.refresh.clone(), access };
        let result = owed.issuer.revoke(&what).await;
        if matches!(result, Revocation::Failed(_)) && now.since(owed.since) < GIVE_UP {
            return;
        }
        info!(profile = %owed.profile, ?result, "a revocation that was owed has ended");
        self.lock().retain(|debt| debt.id != owed.id);
        self.ended.notify_one();
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use async_trait::async_trait;

    use super::*;
    use crate::clock::FakeClock;
    use crate::testing::fakes::{pass, work};

    /// Cannot be reached.
    #[derive(Default)]
    struct Away(AtomicU32);

    #[async_trait]
    impl Issuer for Away {
        async fn revoke(&self, what: &Revocable) -> Revocation {
            assert_eq!(what.access.as_ref().unwrap().expose(), "access");
            self.0.fetch_add(1, Ordering::SeqCst);
            Revocation::Failed("no route".into())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_cannot_be_revoked_is_forgotten_after_a_day() {
        let ended = Arc::new(Notify::new());
        let clock: Arc<dyn Clock> = FakeClock::new();
        let pending = Pending::new(clock, Arc::clone(&ended));
        tokio::spawn(pending.clone().run());
        let issuer = Arc::new(Away::default());
        let (refresh, access) = (RefreshToken::new("refresh"), AccessToken::new("access"));
        let kept = refresh.sealed().acquaintance();
        let what = Revocable { refresh: Some(refresh), access: Some(access) };
        pending.revoke(&work(), Arc::clone(&issuer) as Arc<dyn Issuer>, what);
        pass(23 * 3600).await;
        assert!(kept.meet().is_some() && issuer.0.load(Ordering::SeqCst) > 100);
        pass(2 * 3600).await;
        assert!(kept.meet().is_none() && pending.profiles().is_empty());
        ended.notified().await;
    }
}
