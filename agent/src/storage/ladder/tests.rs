use super::*;
use crate::storage::fake::{FakeStore, is_pending, stored};

struct Stores {
    ladder: Ladder,
    keychain: Arc<FakeStore>,
    file: Arc<FakeStore>,
    memory: Arc<FakeStore>,
}

fn stores(choice: StoreChoice) -> Stores {
    let [keychain, file, memory] =
        [StoreKind::Keychain, StoreKind::File, StoreKind::Memory].map(FakeStore::new);
    let ladder = Ladder::new(choice, vec![keychain.clone(), file.clone(), memory.clone()]);
    Stores { ladder, keychain, file, memory }
}

fn work() -> ProfileName {
    "work".parse().unwrap()
}

fn locked() -> StoreError {
    StoreError::Locked("for this test".into())
}

async fn save(stores: &Stores, from: Option<StoreKind>) -> Result<Kept, StoreError> {
    stores.ladder.save(&work(), &stored("secret"), from, Patience::Background).await
}

#[tokio::test]
async fn a_login_begins_at_the_top_and_says_why_it_went_down() {
    let stores = stores(StoreChoice::Auto);
    assert_eq!(
        save(&stores, None).await,
        Ok(Kept { kind: StoreKind::Keychain, notes: Vec::new(), fell: None })
    );
    stores.keychain.fail_next_save(locked());
    let kept = save(&stores, None).await.unwrap();
    assert_eq!(kept.kind, StoreKind::File);
    assert_eq!(kept.notes, ["the keychain is locked: for this test", "kept in the file instead"]);
    assert_eq!(stores.ladder.current_kind(), StoreKind::File);
}

#[tokio::test]
async fn a_renewal_goes_down_from_where_the_secret_is_and_says_which_store_failed() {
    let stores = stores(StoreChoice::Auto);
    let kept = save(&stores, Some(StoreKind::File)).await.unwrap();
    assert_eq!((kept.kind, kept.fell), (StoreKind::File, None));
    assert_eq!(stores.keychain.saves(), 0, "to save comes first, to go up afterwards");
    stores.keychain.fail_next_save(StoreError::Unavailable("killed".into()));
    let kept = save(&stores, Some(StoreKind::Keychain)).await.unwrap();
    let fell = Fell { from: StoreKind::Keychain, why: "killed".into(), is_absent: false };
    assert_eq!((kept.kind, kept.fell), (StoreKind::File, Some(fell)));
    assert_eq!(save(&stores, Some(StoreKind::Memory)).await.unwrap().kind, StoreKind::Memory);
}

async fn climb(stores: &Stores, best: StoreKind, now: StoreKind) -> Option<StoreKind> {
    stores.ladder.climb(&work(), &stored("secret"), (best, now), |_| true).await
}

#[tokio::test]
async fn a_secret_goes_up_to_the_best_store_that_failed_and_no_further() {
    use StoreKind::{File, Keychain, Memory};
    let stores = stores(StoreChoice::Auto);
    save(&stores, Some(File)).await.unwrap();
    assert_eq!(climb(&stores, Keychain, File).await, Some(Keychain));
    assert_eq!(stores.keychain.contents()[&work()], "secret");
    assert_eq!(stores.file.contents()[&work()], "secret", "removed only after it is on record");
    // Only the file had failed: a keychain that this host never used is left alone.
    let saves = stores.keychain.saves();
    assert_eq!(climb(&stores, File, Memory).await, Some(File));
    assert_eq!(stores.keychain.saves(), saves);
    stores.keychain.fail_next_save(locked());
    assert_eq!(climb(&stores, Keychain, Memory).await, Some(File), "the next best one");
    stores.keychain.forget_saves();
    stores.keychain.empty(&work());
    assert_eq!(climb(&stores, Keychain, File).await, None, "it cannot be read back");
}

#[tokio::test]
async fn nothing_goes_up_to_a_store_that_was_not_chosen() {
    let stores = stores(StoreChoice::File);
    assert_eq!(climb(&stores, StoreKind::Keychain, StoreKind::File).await, None);
    assert_eq!(stores.keychain.saves(), 0);
}

#[tokio::test]
async fn memory_is_the_last_resort_and_says_so() {
    let stores = stores(StoreChoice::Auto);
    stores.keychain.fail_next_save(locked());
    stores.file.fail_next_save(StoreError::Failed("no space left".into()));
    let kept = save(&stores, None).await.unwrap();
    assert_eq!(kept.kind, StoreKind::Memory);
    assert!(kept.notes.last().unwrap().starts_with("kept in memory only"), "{:?}", kept.notes);
    assert_eq!(stores.memory.contents()[&work()], "secret");
}

#[tokio::test]
async fn a_chosen_store_is_used_alone() {
    let stores = stores(StoreChoice::Keychain);
    stores.keychain.fail_next_save(locked());
    assert_eq!(save(&stores, None).await, Err(locked()));
    assert_eq!((stores.file.saves(), stores.memory.saves()), (0, 0));
    // Also where the secret was in another store before the choice was made.
    assert_eq!(save(&stores, Some(StoreKind::File)).await.unwrap().kind, StoreKind::Keychain);
}

#[tokio::test]
async fn a_login_sets_aside_what_it_cannot_read_and_a_renewal_does_not() {
    let stores = stores(StoreChoice::Auto);
    let corrupt = || StoreError::Corrupt("f:1:1: not a stored secret".into());
    stores.file.fail_next_save(corrupt());
    assert_eq!(save(&stores, Some(StoreKind::File)).await.unwrap().kind, StoreKind::Memory);
    stores.keychain.fail_next_save(locked());
    stores.file.fail_next_save(corrupt());
    let kept = save(&stores, None).await.unwrap();
    assert_eq!(kept.kind, StoreKind::File);
    assert_eq!(kept.notes[1], "f:1:1: not a stored secret: set aside as work.corrupt");
}

#[tokio::test]
async fn a_listing_tells_who_holds_what_and_who_did_not_tell() {
    let stores = stores(StoreChoice::Auto);
    save(&stores, None).await.unwrap();
    save(&stores, Some(StoreKind::File)).await.unwrap();
    let listing = stores.ladder.list_all().await;
    assert_eq!(listing.profiles[&work()], [StoreKind::Keychain, StoreKind::File]);
    stores.keychain.break_with(Some(locked()));
    let listing = stores.ladder.list_all().await;
    assert_eq!(listing.profiles[&work()], [StoreKind::File]);
    assert_eq!(listing.errors, [(StoreKind::Keychain, locked())]);
    assert_eq!(stores.ladder.holders(&work()).await, (vec![StoreKind::File], listing.errors));
}

#[tokio::test]
async fn a_store_that_hangs_holds_up_its_own_caller_only() {
    let stores = stores(StoreChoice::Auto);
    stores.keychain.hold_saves();
    let mut held = Box::pin(save(&stores, None));
    assert!(is_pending(&mut held).await);
    assert_eq!(save(&stores, Some(StoreKind::File)).await.unwrap().kind, StoreKind::File);
    stores.keychain.release();
    assert_eq!(held.await.unwrap().kind, StoreKind::Keychain);
}

#[test]
fn a_choice_is_read_as_it_is_written_and_nothing_else() {
    for choice in [StoreChoice::Auto, StoreChoice::Keychain, StoreChoice::File, StoreChoice::Memory] {
        assert_eq!(choice.as_str().parse(), Ok(choice));
    }
    assert!("keyring".parse::<StoreChoice>().is_err());
}

/// A store that one profile's documentation promises.
struct Promised(Arc<FakeStore>);

#[async_trait::async_trait]
impl Store for Promised {
    fn kind(&self) -> StoreKind {
        StoreKind::TokenFile
    }
    fn is_documented_for(&self, profile: &ProfileName, _: &Stored) -> bool {
        *profile == work()
    }
    async fn save(&self, profile: &ProfileName, secret: &Stored, how: Patience) -> Result<(), StoreError> {
        self.0.save(profile, secret, how).await
    }
    async fn load(&self, profile: &ProfileName) -> Result<Option<Stored>, StoreError> {
        self.0.load(profile).await
    }
    async fn remove(&self, profile: &ProfileName) -> Result<bool, StoreError> {
        self.0.remove(profile).await
    }
    async fn list(&self) -> Result<Vec<ProfileName>, StoreError> {
        self.0.list().await
    }
}

#[tokio::test]
async fn a_documented_place_comes_before_the_ladder_for_the_profile_that_it_is_for() {
    for (choice, mine, others) in [
        (StoreChoice::Auto, StoreKind::TokenFile, StoreKind::Keychain),
        (StoreChoice::File, StoreKind::TokenFile, StoreKind::File),
        (StoreChoice::Keychain, StoreKind::Keychain, StoreKind::Keychain),
        (StoreChoice::Memory, StoreKind::Memory, StoreKind::Memory),
    ] {
        let Stores { ladder, .. } = stores(choice);
        let promised = FakeStore::new(StoreKind::TokenFile);
        let mut rungs: Vec<Arc<dyn Store>> = vec![Arc::new(Promised(promised.clone()))];
        rungs.extend(ladder.rungs);
        let ladder = Ladder::new(choice, rungs);
        let save = |name: &str| {
            let (ladder, name) = (&ladder, name.parse().unwrap());
            async move { ladder.save(&name, &stored("secret"), None, Patience::Login).await.unwrap() }
        };
        assert_eq!(save("work").await, Kept { kind: mine, notes: Vec::new(), fell: None }, "{choice:?}");
        assert_eq!(save("home").await.kind, others, "{choice:?}");
        assert_eq!(ladder.current_kind(), others, "{choice:?}: what the other profiles get");
        promised.fail_next_save(StoreError::Failed("disk full".into()));
        if choice == StoreChoice::Auto {
            let kept = save("work").await;
            assert_eq!((kept.kind, kept.notes[0].as_str()), (StoreKind::Keychain, "disk full"));
        }
    }
}
