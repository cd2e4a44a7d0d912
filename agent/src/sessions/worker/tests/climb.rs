//! What a failing store has moved down goes up again. Under a paused clock.

use std::sync::Arc;

use crate::api::status::status;
use crate::clock::{Clock as _, unix};
use crate::sessions::sign_out::SignedOut;
use crate::storage::record::Record;
use crate::storage::state::State;
use crate::storage::store::{StoreError, StoreKind};
use crate::testing::fakes::{Agent, pass, work};

const HOUR: u64 = 3600;

fn gone() -> StoreError {
    StoreError::Unavailable("no Secret Service answers".into())
}

/// Signed in, with the secret in the keychain.
async fn in_keychain() -> Agent {
    let agent = Agent::on_the_ladder();
    agent.login("work").await;
    assert_eq!(record(&agent).store, Some(StoreKind::Keychain));
    agent
}

/// Signed in, with the secret in the file because the keychain's program was killed.
async fn fallen() -> Agent {
    let agent = in_keychain().await;
    agent.keychain.break_with(Some(gone()));
    renew(&agent).await;
    assert_eq!(record(&agent).store, Some(StoreKind::File));
    agent
}

/// What the next start of the agent would read.
fn record(agent: &Agent) -> Record {
    Arc::unwrap_or_clone(State::open_inline(agent.places.places()).record(&work()).unwrap())
}

async fn renew(agent: &Agent) {
    let before = agent.provider.calls();
    agent.clock.jump(200);
    agent.token(0, 30).await.unwrap();
    assert_eq!(agent.provider.calls(), before + 1);
    // For the job that comes after it.
    pass(1).await;
}

fn in_stores(agent: &Agent) -> [Option<String>; 2] {
    [&agent.keychain, &agent.store].map(|store| store.contents().get(&work()).cloned())
}

#[tokio::test(start_paused = true)]
async fn what_went_down_when_the_keychain_was_killed_is_back_in_it_at_the_next_renewal() {
    let agent = fallen().await;
    let fallback = record(&agent).fallback.unwrap();
    assert_eq!((fallback.from, fallback.why.as_str()), (StoreKind::Keychain, "no Secret Service answers"));
    assert!(unix(agent.clock.now()) - fallback.since < 10, "{fallback:?}");
    let shown = status(&agent.registry, &work(), &agent.worker().view()).fallback.unwrap();
    assert_eq!((shown.from.as_str(), shown.why), ("keychain", fallback.why));
    assert_eq!(shown.since.unwrap().seconds.cast_unsigned(), fallback.since);

    agent.keychain.break_with(None);
    renew(&agent).await;
    assert_eq!(in_stores(&agent), [Some("refresh-2".into()), None]);
    let record = record(&agent);
    assert_eq!((record.store, record.fallback, record.left_in), (Some(StoreKind::Keychain), None, None));
    assert_eq!(status(&agent.registry, &work(), &agent.worker().view()).fallback, None);
    let agent = agent.restart().await;
    renew(&agent).await;
    assert_eq!(in_stores(&agent), [Some("refresh-3".into()), None]);
}

#[tokio::test(start_paused = true)]
async fn the_renewal_that_met_the_failure_does_not_try_again_at_once() {
    let agent = in_keychain().await;
    let saves = agent.keychain.saves();
    agent.keychain.break_with(Some(gone()));
    renew(&agent).await;
    assert_eq!(agent.keychain.saves(), saves + 1);
    assert_eq!(record(&agent).climb_tried_at, None);
}

#[tokio::test(start_paused = true)]
async fn a_keychain_that_stays_locked_is_asked_once_an_hour_and_stops_no_renewal() {
    let agent = fallen().await;
    agent.keychain.break_with(Some(StoreError::Locked("overnight".into())));
    let saves = agent.keychain.saves();
    for _ in 0..10 {
        renew(&agent).await;
    }
    assert_eq!(agent.keychain.saves(), saves + 1);
    let agent = agent.restart().await;
    renew(&agent).await;
    assert_eq!(agent.keychain.saves(), saves + 1, "a restart is no reason to ask again");
    agent.clock.jump(HOUR.cast_signed());
    renew(&agent).await;
    assert_eq!(agent.keychain.saves(), saves + 2);
    assert_eq!(in_stores(&agent)[1].as_deref(), Some("refresh-13"));
}

#[tokio::test(start_paused = true)]
async fn a_keychain_that_comes_and_goes_is_gone_back_to_once_an_hour() {
    let agent = fallen().await;
    agent.keychain.break_with(None);
    renew(&agent).await;
    let up = || record(&agent).store == Some(StoreKind::Keychain);
    assert!(up());
    agent.keychain.break_with(Some(gone()));
    renew(&agent).await;
    agent.keychain.break_with(None);
    let saves = agent.keychain.saves();
    renew(&agent).await;
    assert!(!up() && agent.keychain.saves() == saves, "asked again within the hour");
    agent.clock.jump(HOUR.cast_signed());
    renew(&agent).await;
    assert!(up());
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_set_back_does_not_put_the_next_attempt_off() {
    let agent = fallen().await;
    renew(&agent).await;
    let state = &agent.registry.shared.state;
    let tomorrow = unix(agent.clock.now()) + 24 * HOUR;
    state.update(&work(), |record| record.climb_tried_at = Some(tomorrow)).await.unwrap();
    agent.keychain.break_with(None);
    let agent = agent.restart().await;
    renew(&agent).await;
    assert_eq!(record(&agent).store, Some(StoreKind::Keychain));
}

#[tokio::test(start_paused = true)]
async fn a_keychain_that_does_not_return_what_was_saved_does_not_get_the_secret() {
    let agent = fallen().await;
    agent.keychain.break_with(None);
    agent.keychain.empty(&work());
    agent.keychain.forget_saves();
    renew(&agent).await;
    assert_eq!(in_stores(&agent), [None, Some("refresh-2".into())]);
    assert_eq!(record(&agent).store, Some(StoreKind::File));
    assert!(record(&agent).fallback.is_some());
}

#[tokio::test(start_paused = true)]
async fn what_the_person_chose_stays_where_it_is() {
    // The choice is the file, and the keychain would take it.
    let agent = Agent::signed_in().await;
    renew(&agent).await;
    renew(&agent).await;
    assert_eq!((agent.keychain.saves(), record(&agent).fallback), (0, None));
    // Chosen after a failure had moved it there.
    let state = &agent.registry.shared.state;
    let fell = crate::storage::ladder::Fell { from: StoreKind::Keychain, why: "x".into(), is_absent: false };
    state.update(&work(), |record| record.fall(fell, 1)).await.unwrap();
    let agent = agent.restart().await;
    renew(&agent).await;
    assert_eq!(agent.keychain.saves(), 0);
    assert_eq!(status(&agent.registry, &work(), &agent.worker().view()).fallback, None);
}

#[tokio::test(start_paused = true)]
async fn a_login_that_met_a_locked_keychain_goes_up_and_one_without_a_keychain_stays_in_the_file() {
    for (error, goes_up) in [
        (StoreError::Locked("its prompt was dismissed".into()), true),
        (StoreError::Silent("the keychain does not answer in time".into()), true),
        (StoreError::Failed("the keychain failed".into()), true),
        (gone(), false),
    ] {
        let agent = Agent::on_the_ladder();
        agent.keychain.break_with(Some(error.clone()));
        agent.login("work").await;
        assert_eq!(record(&agent).fallback.is_some(), goes_up, "{error:?}");
        let saves = agent.keychain.saves();
        agent.keychain.break_with(None);
        renew(&agent).await;
        assert_eq!(agent.keychain.saves() - saves, usize::from(goes_up), "{error:?}");
        assert_eq!(in_stores(&agent)[0].is_some(), goes_up, "{error:?}");
    }
    // It was there before: somebody has only killed it.
    let agent = in_keychain().await;
    agent.keychain.break_with(Some(gone()));
    agent.login("work").await;
    assert!(record(&agent).fallback.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_secret_in_memory_goes_back_to_the_file_at_every_renewal_and_to_the_keychain_once_an_hour() {
    let agent = in_keychain().await;
    agent.keychain.break_with(Some(gone()));
    agent.store.break_with(Some(StoreError::Failed("disk full".into())));
    renew(&agent).await;
    assert_eq!(agent.registry.only_in_memory(), [work()]);
    renew(&agent).await;
    agent.store.break_with(None);
    let saves = agent.keychain.saves();
    renew(&agent).await;
    assert_eq!(in_stores(&agent)[1].as_deref(), Some("refresh-3"));
    assert_eq!(agent.keychain.saves(), saves);
    let fallback = record(&agent).fallback.unwrap();
    assert_eq!(fallback.from, StoreKind::Keychain);
    agent.keychain.break_with(None);
    agent.clock.jump(HOUR.cast_signed());
    renew(&agent).await;
    assert_eq!(in_stores(&agent), [Some("refresh-4".into()), None]);
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_keychain_kept_is_removed_once_it_answers_even_if_nothing_goes_back() {
    let agent = in_keychain().await;
    agent.keychain.break_with(Some(gone()));
    renew(&agent).await;
    assert_eq!(record(&agent).left_in, Some(StoreKind::Keychain));
    agent.keychain.break_with(None);
    agent.keychain.fail_next_save(StoreError::Failed("no room".into()));
    renew(&agent).await;
    assert_eq!(in_stores(&agent), [None, Some("refresh-2".into())]);
    assert_eq!(record(&agent).left_in, None);
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_the_steps_loses_nothing_and_spends_nothing_twice() {
    // Saved above and not recorded: the record leads to the file, and the next renewal overwrites the copy.
    let agent = fallen().await;
    agent.keychain.break_with(None);
    let secret = crate::storage::store::Store::load(&*agent.store, &work()).await.unwrap().unwrap();
    let patience = crate::storage::store::Patience::Background;
    crate::storage::store::Store::save(&*agent.keychain, &work(), &secret, patience).await.unwrap();
    let agent = agent.restart().await;
    renew(&agent).await;
    assert_eq!(in_stores(&agent), [Some("refresh-2".into()), None]);
    // Recorded, and the file not emptied yet.
    crate::storage::store::Store::save(&*agent.store, &work(), &secret, patience).await.unwrap();
    let state = &agent.registry.shared.state;
    state.update(&work(), |record| record.left_in = Some(StoreKind::File)).await.unwrap();
    let agent = agent.restart().await;
    renew(&agent).await;
    assert_eq!(in_stores(&agent), [Some("refresh-3".into()), None]);
    assert_eq!(record(&agent).left_in, None);
}

#[tokio::test(start_paused = true)]
async fn a_sign_out_while_the_secret_goes_up_leaves_none_in_either_store() {
    let agent = fallen().await;
    agent.keychain.break_with(None);
    agent.keychain.hold_saves();
    renew(&agent).await;
    assert_eq!(agent.worker().sign_out(false).await.unwrap(), SignedOut::Revoked);
    agent.keychain.release();
    pass(1).await;
    assert_eq!(in_stores(&agent), [None, None]);
    assert!(record(&agent).signed_out);
}
