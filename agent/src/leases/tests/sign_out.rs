//! Leases during a sign-out: no lease outlives the session that created it.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::error::ErrorKind;
use crate::leases::tests::{all_over, create, create_held, leases, with_process};
use crate::leases::*;
use crate::providers::platform::PlatformError;
use crate::storage::store::StoreError;
use crate::testing::fakes::{Agent, pass};

#[tokio::test(start_paused = true)]
async fn a_sign_out_ends_the_leases_before_the_session() {
    let agent = Agent::signed_in().await;
    create(&agent, with_process(7)).await.unwrap();
    agent.worker().sign_out(false).await.unwrap();
    assert_eq!(agent.provider.outside.names(), [""; 0]);
    assert_eq!(leases(&agent).book.count(), 0);
    assert!(agent.registry.idle());
}

#[tokio::test(start_paused = true)]
async fn a_sign_out_does_not_wait_for_a_platform_that_fails_and_the_deletion_goes_on() {
    let agent = Agent::signed_in().await;
    create(&agent, with_process(7)).await.unwrap();
    agent.provider.outside.fail_deletions(Some(PlatformError::Unreachable("offline".into())));
    let begun = agent.clock.now();
    agent.worker().sign_out(false).await.unwrap();
    assert!(agent.clock.now().since(begun) <= Duration::from_secs(5));
    agent.provider.outside.fail_deletions(None);
    all_over(&agent).await;
    assert_eq!(agent.provider.outside.names(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_being_made_when_its_session_ended_is_handed_to_nobody() {
    for signs_in_again in [false, true] {
        let agent = Agent::signed_in().await;
        let outside = Arc::clone(&agent.provider.outside);
        let calling = create_held(&agent).await;
        agent.worker().sign_out(false).await.unwrap();
        if signs_in_again {
            pass(2).await;
            agent.login("work").await;
        }
        outside.held.send_replace(false);
        let error = calling.await.unwrap().unwrap_err();
        assert_eq!(error.kind, ErrorKind::SignedOut);
        all_over(&agent).await;
        assert_eq!(outside.names(), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_token_of_a_session_that_has_expired_makes_room_for_the_next_session() {
    let agent = Agent::signed_in().await;
    create(&agent, with_process(7)).await.unwrap();
    agent.store.break_with(Some(StoreError::Failed("unreadable".into())));
    agent.provider.outside.fail_deletions(Some(PlatformError::Unauthorized));
    agent.worker().sign_out(false).await.unwrap();
    pass(60).await;
    agent.store.break_with(None);
    agent.login("work").await;
    agent.store.break_with(Some(StoreError::Failed("unreadable".into())));
    pass(600).await;
    agent.provider.outside.fail_deletions(None);
    all_over(&agent).await;
    let by = lock(&agent.provider.outside.deleted_by).clone();
    assert!(by.len() == 1 && by[0] != "access-0", "{by:?}");
}
