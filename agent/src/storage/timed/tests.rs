//! The rules of [`Timed`], shown without a keychain: with a place whose calls hang on demand.

use std::sync::Condvar;
use std::sync::mpsc::{SyncSender, sync_channel};

use secrecy::ExposeSecret;

use super::*;
use crate::storage::fake::{is_pending, stored};

/// Long enough for any machine; a condition that is still false by then fails the test.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Default)]
struct Inner {
    contents: BTreeMap<ProfileName, String>,
    /// The next call takes this and waits for a message.
    gate: Option<std::sync::mpsc::Receiver<()>>,
    hanging: bool,
    locked: bool,
}

#[derive(Clone, Default)]
struct Frozen(Arc<(Mutex<Inner>, Condvar)>);

impl Frozen {
    /// Makes the next call hang until the sender is used.
    fn freeze(&self) -> SyncSender<()> {
        let (thaw, gate) = sync_channel(1);
        lock(&self.0.0).gate = Some(gate);
        thaw
    }

    fn lock_up(&self, locked: bool) {
        lock(&self.0.0).locked = locked;
    }

    fn kept(&self, profile: &ProfileName) -> Option<String> {
        lock(&self.0.0).contents.get(profile).cloned()
    }

    /// Waits until `profile` has this secret.
    fn wait_for(&self, profile: &ProfileName, secret: Option<&str>) {
        let wrong = |inner: &mut Inner| inner.contents.get(profile).map(String::as_str) != secret;
        let waited = self.0.1.wait_timeout_while(lock(&self.0.0), PATIENCE, wrong).unwrap();
        assert!(!waited.1.timed_out(), "the place never had {secret:?}");
    }

    fn hang(&self, hanging: bool) {
        lock(&self.0.0).hanging = hanging;
        self.0.1.notify_all();
    }

    fn wait_until_it_hangs(&self) {
        let waited = self.0.1.wait_timeout_while(lock(&self.0.0), PATIENCE, |inner| !inner.hanging).unwrap();
        assert!(!waited.1.timed_out(), "no call reached the place");
    }

    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> Result<T, StoreError> {
        let gate = lock(&self.0.0).gate.take();
        if let Some(gate) = gate {
            self.hang(true);
            let _ = gate.recv();
            self.hang(false);
        }
        let mut inner = lock(&self.0.0);
        if inner.locked {
            return Err(StoreError::Locked("for this test".into()));
        }
        let changed = change(&mut inner);
        self.0.1.notify_all();
        Ok(changed)
    }
}

impl Place for Frozen {
    const KIND: StoreKind = StoreKind::Keychain;
    const NAME: &'static str = "the keychain";

    fn save(&self, profile: &ProfileName, secret: &Stored, patience: Patience) -> Result<(), StoreError> {
        if patience == Patience::Login {
            // The person unlocks it at the prompt.
            self.lock_up(false);
        }
        let secret = secret.secret.open().expose_secret().to_owned();
        self.change(|inner| inner.contents.insert(profile.clone(), secret)).map(|_| ())
    }

    fn load(&self, profile: &ProfileName) -> Result<Option<Stored>, StoreError> {
        self.change(|inner| inner.contents.get(profile).map(|secret| stored(secret)))
    }

    fn remove(&self, profile: &ProfileName) -> Result<bool, StoreError> {
        self.change(|inner| inner.contents.remove(profile).is_some())
    }

    fn list(&self) -> Result<Vec<ProfileName>, StoreError> {
        self.change(|inner| inner.contents.keys().cloned().collect())
    }
}

fn work() -> ProfileName {
    "work".parse().unwrap()
}

async fn save(store: &Timed<Frozen>, secret: &str) -> Result<(), StoreError> {
    store.save(&work(), &stored(secret), Patience::Background).await
}

/// Saves, and gives up because the call hangs: nothing else is due, so the paused clock jumps to the limit.
async fn save_in_vain(store: &Timed<Frozen>, place: &Frozen, secret: &str) {
    let mut call = Box::pin(save(store, secret));
    assert!(is_pending(&mut call).await);
    place.wait_until_it_hangs();
    tokio::time::pause();
    assert!(matches!(call.await, Err(StoreError::Silent(_))));
    tokio::time::resume();
}

/// Loads as soon as the overdue call has ended. The thread settles that call's debt before this load.
async fn load_when_it_answers(store: &Timed<Frozen>) -> Option<Stored> {
    let loaded = async {
        loop {
            match store.load(&work()).await {
                Ok(secret) => return secret,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, loaded).await.unwrap()
}

#[tokio::test]
async fn a_late_save_is_undone_when_its_secret_has_gone_elsewhere() {
    let place = Frozen::default();
    let store = Timed::new(place.clone());
    save(&store, "old").await.unwrap();
    let thaw = place.freeze();
    save_in_vain(&store, &place, "new").await;
    store.disown(&work());
    thaw.send(()).unwrap();
    place.wait_for(&work(), None);
    assert!(load_when_it_answers(&store).await.is_none());
}

#[tokio::test]
async fn a_late_save_stands_while_nothing_newer_was_said() {
    let place = Frozen::default();
    let store = Timed::new(place.clone());
    let thaw = place.freeze();
    save_in_vain(&store, &place, "new").await;
    thaw.send(()).unwrap();
    assert!(load_when_it_answers(&store).await.is_some());
    assert_eq!(place.kept(&work()).as_deref(), Some("new"));
}

#[tokio::test]
async fn a_late_save_never_lies_over_a_newer_one_that_was_refused_meanwhile() {
    let place = Frozen::default();
    let store = Timed::new(place.clone());
    let thaw = place.freeze();
    save_in_vain(&store, &place, "first").await;
    assert!(save(&store, "second").await.is_err());
    thaw.send(()).unwrap();
    place.wait_for(&work(), Some("second"));
}

#[tokio::test]
async fn a_secret_is_not_back_after_a_sign_out_when_the_keychain_thaws() {
    let place = Frozen::default();
    let store = Timed::new(place.clone());
    let thaw = place.freeze();
    save_in_vain(&store, &place, "late").await;
    assert!(store.remove(&work()).await.is_err());
    thaw.send(()).unwrap();
    assert!(load_when_it_answers(&store).await.is_none());
    assert_eq!(place.kept(&work()), None);
}

#[tokio::test]
async fn what_a_locked_keychain_did_not_remove_goes_with_the_next_call_after_it_opens() {
    let place = Frozen::default();
    let store = Timed::new(place.clone());
    save(&store, "old").await.unwrap();
    place.lock_up(true);
    assert!(matches!(store.remove(&work()).await, Err(StoreError::Locked(_))));
    place.lock_up(false);
    store.list().await.unwrap();
    assert_eq!(place.kept(&work()), None);
}

#[tokio::test]
async fn a_save_that_was_refused_cleanly_leaves_the_old_secret_even_if_disowned() {
    let place = Frozen::default();
    let store = Timed::new(place.clone());
    save(&store, "old").await.unwrap();
    place.lock_up(true);
    assert!(save(&store, "new").await.is_err());
    store.disown(&work());
    place.lock_up(false);
    store.list().await.unwrap();
    assert_eq!(place.kept(&work()).as_deref(), Some("old"));
}

#[tokio::test]
async fn a_new_login_cancels_the_removal_that_is_still_owed() {
    let place = Frozen::default();
    let store = Timed::new(place.clone());
    save(&store, "old").await.unwrap();
    place.lock_up(true);
    assert!(store.remove(&work()).await.is_err());
    place.lock_up(false);
    save(&store, "new").await.unwrap();
    store.list().await.unwrap();
    assert_eq!(place.kept(&work()).as_deref(), Some("new"));
}

#[tokio::test]
async fn a_login_waits_for_the_prompt_of_a_locked_keychain_and_the_background_never_raises_one() {
    let place = Frozen::default();
    let store = Timed::new(place.clone());
    place.lock_up(true);
    assert!(matches!(save(&store, "renewed").await, Err(StoreError::Locked(_))));
    store.save(&work(), &stored("login"), Patience::Login).await.unwrap();
    assert_eq!(place.kept(&work()).as_deref(), Some("login"));
}

#[tokio::test]
async fn a_frozen_keychain_holds_up_a_login_no_longer_than_a_renewal() {
    let place = Frozen::default();
    let store = Timed::new(place.clone());
    let thaw = place.freeze();
    let (name, secret) = (work(), stored("login"));
    let mut login = Box::pin(store.save(&name, &secret, Patience::Login));
    assert!(is_pending(&mut login).await);
    place.wait_until_it_hangs();
    tokio::time::pause();
    let start = tokio::time::Instant::now();
    assert!(matches!(login.await, Err(StoreError::Silent(_))));
    assert!(start.elapsed() < LOGIN / 2);
    tokio::time::resume();
    thaw.send(()).unwrap();
}
