//! Turns a place whose calls may hang into a store whose calls end in time and do no harm when they finish late.
//!
//! A call that was given up may still finish. Then an old token would overwrite a newer one, or a secret would
//! come back after a sign-out. So every call that did not end well leaves a debt: what the place should contain
//! according to the caller's last request. The thread settles debts between calls.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use super::lane::{Lane, Stall};
use crate::lock::lock;
use crate::profile::ProfileName;
use crate::storage::store::{Patience, Store, StoreError, StoreKind, Stored};

/// Nobody is at the screen, but callers of the agent are waiting.
const BACKGROUND: Duration = Duration::from_secs(3);
/// A person may have to find and type the password of a keychain.
const LOGIN: Duration = Duration::from_secs(60);

/// A place for secrets whose calls block, perhaps for ever. One thread makes all calls, one at a time.
pub(crate) trait Place: Send + Sync + 'static {
    const KIND: StoreKind;
    /// The name that people know, for error texts.
    const NAME: &'static str;
    /// See [`Store::is_documented_for`]. Does not block.
    fn is_documented_for(&self, _profile: &ProfileName, _secret: &Stored) -> bool {
        false
    }
    /// See [`Store::takes`].
    fn takes(&self) -> Result<(), StoreError> {
        Ok(())
    }
    /// See [`Store::save`]. May raise a prompt only with [`Patience::Login`]; the other methods never may.
    fn save(&self, profile: &ProfileName, secret: &Stored, patience: Patience) -> Result<(), StoreError>;
    /// See [`Store::load`].
    fn load(&self, profile: &ProfileName) -> Result<Option<Stored>, StoreError>;
    /// See [`Store::remove`].
    fn remove(&self, profile: &ProfileName) -> Result<bool, StoreError>;
    /// See [`Store::list`].
    fn list(&self) -> Result<Vec<ProfileName>, StoreError>;
    /// See [`Store::file`].
    fn file(&self, _profile: &ProfileName) -> Option<PathBuf> {
        None
    }
    /// See [`Store::settle_name`].
    fn settle_name(&self, _profile: &ProfileName) -> Result<(), StoreError> {
        Ok(())
    }
    /// See [`Store::set_aside`].
    fn set_aside(&self, _profile: &ProfileName, _now: SystemTime) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }
}

/// A [`Place`] that a dedicated thread calls.
pub(crate) struct Timed<P> {
    shared: Arc<Shared<P>>,
    lane: Lane,
    tickets: AtomicU64,
}

struct Shared<P> {
    place: P,
    debts: Mutex<BTreeMap<ProfileName, Debt>>,
}

/// What the place should contain for a profile after a call that did not end well.
#[derive(Clone)]
struct Debt {
    /// The call that left the debt. A later call for the same profile cancels it.
    ticket: u64,
    /// The secret that the place should have; `None`: no secret.
    truth: Option<Stored>,
    /// A settled debt stays in the map, because its caller may still be about to disown the secret.
    settled: bool,
}

impl<P: Place> Timed<P> {
    /// The first call starts the thread.
    pub(crate) fn new(place: P) -> Self {
        let shared = Shared { place, debts: Mutex::new(BTreeMap::new()) };
        Self { shared: Arc::new(shared), lane: Lane::new(P::KIND.as_str()), tickets: AtomicU64::new(0) }
    }

    /// Makes a call that leaves no debt when it fails.
    async fn read<T: Send + 'static>(
        &self,
        call: impl FnOnce(&P) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = self.shared.clone();
        let answer = self.lane.run(BACKGROUND, move || {
            shared.settle(None);
            call(&shared.place)
        });
        answer.await.unwrap_or_else(|stall| Err(stalled::<P>(stall)))
    }

    async fn save_within(
        &self,
        limit: Duration,
        profile: &ProfileName,
        secret: &Stored,
        patience: Patience,
    ) -> Result<(), StoreError> {
        let (name, kept) = (profile.clone(), secret.clone());
        let call = move |place: &P| place.save(&name, &kept, patience);
        self.write(profile, Some(secret.clone()), limit, call).await
    }

    /// Makes a call that changes the secret of `profile`. `truth` is what the place should contain afterwards.
    async fn write<T: Send + 'static>(
        &self,
        profile: &ProfileName,
        truth: Option<Stored>,
        limit: Duration,
        call: impl FnOnce(&P) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let ticket = self.tickets.fetch_add(1, Ordering::SeqCst) + 1;
        let (shared, name) = (self.shared.clone(), profile.clone());
        let answer = self.lane.run(limit, move || {
            shared.settle(Some(&name));
            if shared.begin(&name, ticket) { call(&shared.place) } else { Err(stalled::<P>(Stall::Late)) }
        });
        let answer = answer.await;
        let removal_failed = truth.is_none() && !matches!(answer, Ok(Ok(_)));
        if answer.is_err() || removal_failed {
            self.shared.owe(profile, Debt { ticket, truth, settled: false });
        }
        answer.unwrap_or_else(|stall| {
            self.settle_soon();
            Err(stalled::<P>(stall))
        })
    }

    /// Settles debts once the thread has finished its current call.
    fn settle_soon(&self) {
        let shared = self.shared.clone();
        self.lane.post(move || shared.settle(None));
    }
}

impl<P: Place> Shared<P> {
    fn owe(&self, profile: &ProfileName, debt: Debt) {
        lock(&self.debts).insert(profile.clone(), debt);
    }

    /// Cancels an older debt of the profile, because a newer call begins now. False if that call was given up.
    fn begin(&self, profile: &ProfileName, ticket: u64) -> bool {
        let mut debts = lock(&self.debts);
        if debts.get(profile).is_some_and(|debt| debt.ticket >= ticket) {
            return false;
        }
        debts.remove(profile);
        true
    }

    /// Settles the open debts until one fails. Leaves out the profile of the current call, which decides about
    /// that profile itself.
    fn settle(&self, except: Option<&ProfileName>) {
        let open: Vec<(ProfileName, Debt)> = lock(&self.debts)
            .iter()
            .filter(|(profile, debt)| !debt.settled && Some(*profile) != except)
            .map(|(profile, debt)| (profile.clone(), debt.clone()))
            .collect();
        for (profile, debt) in open {
            let outcome = match &debt.truth {
                Some(secret) => self.place.save(&profile, secret, Patience::Background),
                None => self.place.remove(&profile).map(|_| ()),
            };
            if let Err(error) = outcome {
                tracing::debug!(store = P::NAME, %profile, %error, "not made good yet");
                return;
            }
            tracing::info!(store = P::NAME, %profile, "an overdue call was made good");
            self.settled(&profile, &debt);
        }
    }

    /// Marks the debt as settled, unless the caller has changed it in the meantime.
    fn settled(&self, profile: &ProfileName, done: &Debt) {
        let mut debts = lock(&self.debts);
        let Some(debt) = debts.get_mut(profile) else { return };
        debt.settled = debt.ticket == done.ticket && debt.truth.is_some() == done.truth.is_some();
    }
}

fn stalled<P: Place>(stall: Stall) -> StoreError {
    let name = P::NAME;
    match stall {
        Stall::Behind => StoreError::Silent(format!("{name} does not answer (an earlier call still waits)")),
        Stall::Late => StoreError::Silent(format!("{name} does not answer in time")),
        Stall::Broken => StoreError::Unavailable(format!("{name} cannot be used: the call to it broke")),
    }
}

#[async_trait]
impl<P: Place> Store for Timed<P> {
    fn kind(&self) -> StoreKind {
        P::KIND
    }

    fn is_documented_for(&self, profile: &ProfileName, secret: &Stored) -> bool {
        self.shared.place.is_documented_for(profile, secret)
    }

    async fn takes(&self) -> Result<(), StoreError> {
        self.read(P::takes).await
    }

    async fn save(
        &self,
        profile: &ProfileName,
        secret: &Stored,
        patience: Patience,
    ) -> Result<(), StoreError> {
        let quick = self.save_within(BACKGROUND, profile, secret, Patience::Background).await;
        match quick {
            // A keychain that answers and needs a person is worth a long wait; one that hangs is not.
            Err(StoreError::Locked(_)) if patience == Patience::Login => {
                self.save_within(LOGIN, profile, secret, Patience::Login).await
            }
            saved => saved,
        }
    }

    async fn load(&self, profile: &ProfileName) -> Result<Option<Stored>, StoreError> {
        let name = profile.clone();
        self.read(move |place| place.load(&name)).await
    }

    async fn remove(&self, profile: &ProfileName) -> Result<bool, StoreError> {
        let name = profile.clone();
        self.write(profile, None, BACKGROUND, move |place| place.remove(&name)).await
    }

    async fn list(&self) -> Result<Vec<ProfileName>, StoreError> {
        self.read(|place| place.list()).await
    }

    async fn file(&self, profile: &ProfileName) -> Option<PathBuf> {
        let name = profile.clone();
        self.read(move |place| Ok(place.file(&name))).await.ok().flatten()
    }

    async fn settle_name(&self, profile: &ProfileName) -> Result<(), StoreError> {
        let name = profile.clone();
        self.read(move |place| place.settle_name(&name)).await
    }

    async fn set_aside(&self, profile: &ProfileName, now: SystemTime) -> Result<Vec<String>, StoreError> {
        let name = profile.clone();
        self.read(move |place| place.set_aside(&name, now)).await
    }

    fn disown(&self, profile: &ProfileName) {
        if let Some(debt) = lock(&self.shared.debts).get_mut(profile) {
            debt.truth = None;
            debt.settled = false;
            self.settle_soon();
        }
    }
}

#[cfg(test)]
mod tests;
