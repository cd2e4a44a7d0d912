//! A store for tests that fails and hangs on demand, and counts saves.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use secrecy::ExposeSecret;
use tokio::sync::watch;

use crate::lock::lock;
use crate::profile::{ProfileName, ProviderId};
use crate::sealed::Sealed;
use crate::storage::store::{Patience, Store, StoreError, StoreKind, Stored};
use crate::token::Kind;

/// A secret as a login on 2026-01-01 would store it.
pub(crate) fn stored(secret: &str) -> Stored {
    Stored {
        provider: ProviderId::default(),
        authority: "https://sandbox.test/api".into(),
        client_id: "seqera_ai_cli".into(),
        kind: Kind::Renewable,
        secret: Sealed::new(secret),
        saved_at: UNIX_EPOCH + Duration::from_secs(1_767_225_600),
        proxy_password: None,
    }
}

/// Polls the future once; true if it is not ready.
pub(crate) async fn is_pending<T>(future: &mut (impl Future<Output = T> + Unpin)) -> bool {
    std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx).is_pending())).await
}

/// Keeps secrets in memory and passes for a store of the given kind.
pub(crate) struct FakeStore {
    kind: StoreKind,
    contents: Mutex<BTreeMap<ProfileName, Stored>>,
    next_save: Mutex<Vec<StoreError>>,
    broken: Mutex<Option<StoreError>>,
    read_only: Mutex<Option<StoreError>>,
    forgetful: Mutex<bool>,
    held: watch::Sender<bool>,
    saves: AtomicUsize,
}

impl FakeStore {
    /// Creates an empty store that works.
    pub(crate) fn new(kind: StoreKind) -> Arc<Self> {
        Arc::new(Self {
            kind,
            contents: Mutex::default(),
            next_save: Mutex::default(),
            broken: Mutex::default(),
            read_only: Mutex::default(),
            forgetful: Mutex::default(),
            held: watch::Sender::new(false),
            saves: AtomicUsize::new(0),
        })
    }

    /// Makes the next save fail with this error; two calls make the next two saves fail.
    pub(crate) fn fail_next_save(&self, error: StoreError) {
        lock(&self.next_save).insert(0, error);
    }

    /// Makes [`Store::takes`] fail with this error from now on; `None` repairs the store.
    pub(crate) fn refuse_saves(&self, error: Option<StoreError>) {
        *lock(&self.read_only) = error;
    }

    /// Makes every call fail with this error from now on; `None` repairs the store.
    pub(crate) fn break_with(&self, error: Option<StoreError>) {
        *lock(&self.broken) = error;
    }

    /// Makes saves succeed from now on although nothing is kept, as in a collection that does not last.
    pub(crate) fn forget_saves(&self) {
        *lock(&self.forgetful) = true;
    }

    /// Makes saves hang from now on.
    pub(crate) fn hold_saves(&self) {
        self.held.send_replace(true);
    }

    /// Lets hanging saves go on.
    pub(crate) fn release(&self) {
        self.held.send_replace(false);
    }

    /// How many saves have begun, failed and hanging ones included.
    pub(crate) fn saves(&self) -> usize {
        self.saves.load(Ordering::SeqCst)
    }

    /// Removes the profile's secret, as another program would.
    pub(crate) fn empty(&self, profile: &ProfileName) {
        lock(&self.contents).remove(profile);
    }

    /// The stored secrets by profile.
    pub(crate) fn contents(&self) -> BTreeMap<ProfileName, String> {
        let exposed = |secret: &Stored| secret.secret.open().expose_secret().to_owned();
        lock(&self.contents).iter().map(|(name, secret)| (name.clone(), exposed(secret))).collect()
    }

    fn check(&self) -> Result<(), StoreError> {
        lock(&self.broken).clone().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl Store for FakeStore {
    fn kind(&self) -> StoreKind {
        self.kind
    }

    async fn takes(&self) -> Result<(), StoreError> {
        lock(&self.read_only).clone().map_or(Ok(()), Err)
    }

    async fn save(&self, profile: &ProfileName, secret: &Stored, _: Patience) -> Result<(), StoreError> {
        self.saves.fetch_add(1, Ordering::SeqCst);
        let mut held = self.held.subscribe();
        let _ = held.wait_for(|held| !held).await;
        self.check()?;
        if let Some(error) = lock(&self.next_save).pop() {
            return Err(error);
        }
        if !*lock(&self.forgetful) {
            lock(&self.contents).insert(profile.clone(), secret.clone());
        }
        Ok(())
    }

    async fn load(&self, profile: &ProfileName) -> Result<Option<Stored>, StoreError> {
        self.check()?;
        Ok(lock(&self.contents).get(profile).cloned())
    }

    async fn remove(&self, profile: &ProfileName) -> Result<bool, StoreError> {
        self.check()?;
        Ok(lock(&self.contents).remove(profile).is_some())
    }

    async fn list(&self) -> Result<Vec<ProfileName>, StoreError> {
        self.check()?;
        let is_profile = |name: &&ProfileName| name.as_str().parse::<ProfileName>().is_ok();
        Ok(lock(&self.contents).keys().filter(is_profile).cloned().collect())
    }

    async fn set_aside(&self, profile: &ProfileName, _: SystemTime) -> Result<Vec<String>, StoreError> {
        Ok(vec![format!("{profile}.corrupt")])
    }
}
