//! Workers under a paused clock.

mod adopt;
mod change;
mod choice;
mod climb;
mod idle;
mod outage;
mod rules;

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::error::ErrorKind;
use crate::providers::Renewal;
use crate::sessions::install::Login;
use crate::sessions::sign_out::SignedOut;
use crate::sessions::verdict::Ask;
use crate::storage::record::{Intent, Record, SignInMethod};
use crate::storage::store::StoreError;
use crate::testing::fakes::{Agent, pass, profile, work};
use crate::token::RefreshToken;

#[tokio::test(start_paused = true)]
async fn two_hundred_callers_at_expiry_cost_one_renewal() {
    let agent = Arc::new(Agent::signed_in().await);
    agent.provider.held.send_replace(true);
    agent.clock.jump(200);
    let callers: Vec<_> = (0..200).map(|_| agent.caller(0, 30)).collect();
    agent.provider.called(1).await;
    agent.provider.held.send_replace(false);
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap(), "access-1");
    }
    assert_eq!(agent.provider.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_hangs_up_in_mid_renewal_loses_nothing() {
    let agent = Arc::new(Agent::signed_in().await);
    agent.provider.held.send_replace(true);
    agent.clock.jump(200);
    let caller = agent.caller(0, 30);
    agent.provider.called(1).await;
    caller.abort();
    agent.provider.held.send_replace(false);
    assert_eq!(agent.token(0, 30).await.unwrap(), "access-1");
    assert_eq!((agent.stored().as_deref(), agent.provider.calls()), (Some("refresh-1"), 1));
}

#[tokio::test(start_paused = true)]
async fn the_new_refresh_token_is_saved_before_the_access_token_is_served() {
    let agent = Arc::new(Agent::signed_in().await);
    agent.store.hold_saves();
    agent.clock.jump(200);
    let caller = agent.caller(0, 3600);
    agent.provider.called(1).await;
    pass(1).await;
    assert!(!caller.is_finished(), "served before it was saved");
    agent.store.release();
    assert_eq!(caller.await.unwrap().unwrap(), "access-1");
    assert_eq!(agent.stored().as_deref(), Some("refresh-1"));
}

#[tokio::test(start_paused = true)]
async fn a_scheduled_renewal_needs_no_caller() {
    let agent = Agent::signed_in().await;
    pass(60).await;
    assert_eq!(agent.provider.calls(), 1);
    assert_eq!(agent.token(0, 0).await.unwrap(), "access-1");
}

#[tokio::test(start_paused = true)]
async fn after_a_suspend_no_expired_token_is_served_and_a_new_one_comes_within_thirty_seconds() {
    let agent = Agent::signed_in().await;
    agent.clock.jump(1000);
    assert!(agent.worker().view().served(agent.clock.now()).is_none());
    pass(31).await;
    assert_eq!(agent.provider.calls(), 1);
    assert!(agent.worker().view().served(agent.clock.now()).is_some());
}

#[tokio::test(start_paused = true)]
async fn trouble_of_all_kinds_keeps_the_session_alive() {
    let agent = Agent::signed_in().await;
    *agent.provider.script.lock().unwrap() = vec![
        Renewal::Unclear("status 400".into()),
        Renewal::Misconfigured("invalid_client".into()),
        Renewal::Transient("status 429".into(), Some(Duration::from_secs(2))),
        Renewal::Unknown("connection reset".into()),
        Renewal::Transient("status 502".into(), None),
    ];
    agent.clock.jump(200);
    assert_eq!(agent.token(0, 600).await.unwrap(), "access-6");
    assert_eq!(agent.stored().as_deref(), Some("refresh-6"));
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_repeated_with_the_same_token_within_seconds() {
    let agent = Agent::signed_in().await;
    *agent.provider.script.lock().unwrap() = (0..3).map(|_| Renewal::Unknown("reset".into())).collect();
    agent.clock.jump(200);
    let before = agent.clock.now();
    assert_eq!(agent.token(0, 30).await.unwrap(), "access-4");
    assert!(agent.clock.now().since(before) < Duration::from_secs(6));
}

#[tokio::test(start_paused = true)]
async fn a_failing_provider_is_told_at_once_where_the_next_attempt_is_too_late() {
    let agent = Agent::signed_in().await;
    agent
        .provider
        .script
        .lock()
        .unwrap()
        .push(Renewal::Transient("status 503".into(), Some(Duration::from_secs(300))));
    agent.clock.jump(200);
    assert_eq!(agent.token(0, 10).await.unwrap_err().kind, ErrorKind::Unreachable);
    assert_eq!(agent.provider.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_ends_the_session_only_if_the_store_holds_no_other() {
    let agent = Agent::signed_in().await;
    let mut moved = crate::storage::fake::stored("refresh-9");
    moved.authority = profile().authority;
    *agent.provider.good.lock().unwrap() = Some("refresh-9".into());
    crate::storage::store::Store::save(
        &*agent.store,
        &work(),
        &moved,
        crate::storage::store::Patience::Background,
    )
    .await
    .unwrap();
    agent.provider.script.lock().unwrap().push(Renewal::Rejected("invalid_grant".into()));
    agent.clock.jump(200);
    assert_eq!(agent.token(0, 30).await.unwrap(), "access-2");
    agent.provider.script.lock().unwrap().push(Renewal::Rejected("invalid_grant".into()));
    agent.clock.jump(200);
    assert_eq!(agent.token(0, 30).await.unwrap_err().kind, ErrorKind::LoginExpired);
    assert!(agent.stored().is_some(), "nothing is ever deleted because of an error");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_while_a_refusal_is_checked_does_not_end_the_session() {
    let agent = Agent::signed_in().await;
    agent.provider.script.lock().unwrap().push(Renewal::Rejected("invalid_grant".into()));
    agent.store.break_with(Some(StoreError::Locked("locked".into())));
    agent.clock.jump(200);
    assert_eq!(agent.token(0, 0).await.unwrap_err().kind, ErrorKind::KeychainLocked);
    agent.store.break_with(None);
    pass(1).await;
    assert_eq!(agent.token(0, 30).await.unwrap(), "access-2");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_cannot_be_saved_lives_on_in_memory_and_is_saved_when_the_store_is_mended() {
    let agent = Agent::signed_in().await;
    agent.store.break_with(Some(StoreError::Failed("disk full".into())));
    agent.clock.jump(200);
    assert_eq!(agent.token(0, 30).await.unwrap(), "access-1");
    assert!(agent.worker().view().unsaved.is_some());
    assert_eq!(agent.registry.only_in_memory(), [work()]);
    agent.store.break_with(None);
    pass(31).await;
    assert_eq!(agent.stored().as_deref(), Some("refresh-1"));
    assert!(agent.worker().view().unsaved.is_none());
    assert_eq!(agent.provider.calls(), 1, "saving spends no token");
}

#[tokio::test(start_paused = true)]
async fn a_sign_out_in_mid_renewal_revokes_the_tokens_that_still_come() {
    let agent = Arc::new(Agent::signed_in().await);
    agent.provider.held.send_replace(true);
    agent.clock.jump(200);
    let caller = agent.caller(0, 30);
    agent.provider.called(1).await;
    let out = tokio::spawn({
        let agent = Arc::clone(&agent);
        async move { agent.worker().sign_out(false).await }
    });
    assert_eq!(caller.await.unwrap().unwrap_err().kind, ErrorKind::SignedOut);
    agent.provider.held.send_replace(false);
    assert_eq!(out.await.unwrap().unwrap(), SignedOut::Revoked);
    assert_eq!(agent.provider.revoked(), ["refresh-1", "access-1"]);
    assert_eq!(agent.stored(), None);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_outlasts_the_sign_out_is_revoked_when_it_comes_and_never_stored() {
    let agent = Agent::signed_in().await;
    agent.provider.held.send_replace(true);
    pass(60).await;
    agent.provider.called(1).await;
    assert_eq!(agent.worker().sign_out(false).await.unwrap(), SignedOut::Revoked);
    agent.provider.held.send_replace(false);
    pass(5).await;
    assert!(agent.provider.revoked().contains(&"refresh-1".to_owned()));
    assert_eq!(agent.stored(), None);
    assert_eq!(agent.token(0, 0).await.unwrap_err().kind, ErrorKind::SignedOut);
}

#[tokio::test(start_paused = true)]
async fn a_stalled_provider_of_one_profile_does_not_delay_another() {
    let agent = Agent::signed_in().await;
    agent.login("other").await;
    agent.provider.held.send_replace(true);
    let ask = Ask { min_valid: Duration::from_secs(95), ..Ask::default() };
    pass(20).await;
    let stalled = tokio::spawn({
        let (worker, until) = (agent.worker(), agent.clock.now().plus(Duration::from_secs(3600)));
        async move { worker.token(ask, until).await }
    });
    agent.provider.called(1).await;
    let other = agent.registry.worker(&"other".parse().unwrap()).unwrap();
    let before = agent.clock.now();
    assert!(other.token(Ask::default(), before).await.is_ok());
    assert_eq!(agent.clock.now(), before, "answered without waiting");
    assert!(!stalled.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_restart_renews_nothing_until_somebody_asks() {
    let agent = Agent::signed_in().await.restart().await;
    pass(3600).await;
    assert_eq!(agent.provider.calls(), 0);
    assert_eq!(agent.token(0, 30).await.unwrap(), "access-1");
}

#[tokio::test(start_paused = true)]
async fn keep_alive_counts_from_the_last_saved_renewal_restarts_included() {
    let agent = Agent::signed_in().await.restart().await;
    pass(3 * 3600 + 31).await;
    assert_eq!(agent.provider.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_a_clock_which_was_ahead_has_recorded_puts_no_keep_alive_off() {
    // Nobody knows for how long the token was not used. What clocks are corrected by does not matter.
    for (ahead, calls) in [(365 * 86_400, 1), (30, 0)] {
        let agent = Agent::start();
        agent.clock.jump(ahead);
        agent.login("work").await;
        agent.clock.jump(-ahead);
        let agent = agent.restart().await;
        pass(31).await;
        assert_eq!(agent.provider.calls(), calls, "{ahead}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_intent_with_the_stored_token_is_repeated_at_once_and_a_refusal_says_why() {
    let agent = Agent::signed_in().await;
    let sha256 = RefreshToken::new("refresh-0").sha256();
    let intent = move |record: &mut Record| record.intent = Some(Intent { sha256, at: 0 });
    agent.registry.shared.state.update(&work(), intent).await.unwrap();
    *agent.provider.good.lock().unwrap() = None;
    let agent = agent.restart().await;
    pass(1).await;
    assert_eq!(agent.provider.calls(), 1);
    let error = agent.token(0, 30).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::LoginExpired);
    assert!(error.to_string().contains("interrupted"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_intent_whose_save_had_succeeded_is_settled_without_spending_a_token() {
    let agent = Agent::signed_in().await;
    let intent = |record: &mut Record| {
        record.intent = Some(Intent { sha256: RefreshToken::new("spent").sha256(), at: 0 });
    };
    agent.registry.shared.state.update(&work(), intent).await.unwrap();
    let agent = agent.restart().await;
    pass(1).await;
    assert_eq!(agent.provider.calls(), 0);
    assert_eq!(agent.registry.shared.state.record(&work()).unwrap().intent, None);
    assert_eq!(agent.token(0, 30).await.unwrap(), "access-1");
}

#[tokio::test(start_paused = true)]
async fn a_start_finishes_a_sign_out_that_was_interrupted() {
    let agent = Agent::signed_in().await;
    agent.registry.shared.state.update(&work(), |record| record.signed_out = true).await.unwrap();
    let agent = agent.restart().await;
    pass(1).await;
    assert_eq!((agent.stored(), agent.provider.revoked()), (None, vec!["refresh-0".to_owned()]));
    assert_eq!(agent.provider.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stored_token_of_another_authority_is_never_sent() {
    let agent = Agent::signed_in().await;
    let moved = |record: &mut Record| record.profile.authority = "https://evil.test/api".into();
    agent.registry.shared.state.update(&work(), moved).await.unwrap();
    let agent = agent.restart().await;
    assert_eq!(agent.token(0, 0).await.unwrap_err().kind, ErrorKind::StoreFailed);
    assert_eq!(agent.provider.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_login_that_a_sign_out_has_overtaken_is_not_installed_and_its_tokens_are_revoked() {
    let agent = Agent::signed_in().await;
    let late = agent.granted();
    agent.worker().sign_out(false).await.unwrap();
    let before = Login {
        profile: profile(),
        granted: late,
        method: SignInMethod::Browser,
        generation: 1,
        organization: None,
    };
    assert_eq!(agent.worker().install(before).await.unwrap_err().kind, ErrorKind::Ended);
    pass(1).await;
    assert_eq!(agent.provider.revoked(), ["refresh-0", "access-0", "refresh-0", "access-0"]);
    assert_eq!((agent.stored(), agent.token(0, 0).await.unwrap_err().kind), (None, ErrorKind::SignedOut));
}

#[tokio::test(start_paused = true)]
async fn a_home_whose_ticket_has_expired_stops_no_run_of_the_agent_that_has_signed_in() {
    let agent = Agent::signed_in().await;
    let refused = || StoreError::ReadOnly("the folder cannot be written: Permission denied".into());
    agent.store.refuse_saves(Some(refused()));
    agent.store.break_with(Some(refused()));
    // A day and a half, in which the store can neither be read nor written.
    for _ in 0..36 {
        pass(3_600).await;
        agent.token(30, 30).await.unwrap();
    }
    assert_eq!(agent.store.contents().into_values().collect::<Vec<_>>(), ["refresh-0"]);
    agent.store.refuse_saves(None);
    agent.store.break_with(None);
    pass(61).await;
    assert_eq!(agent.stored(), Some(format!("refresh-{}", agent.provider.calls())), "it is stored at last");
    // What another process is the owner of is spent by nobody else, wherever the token came from.
    *agent.provider.ownership.0.lock().unwrap() = Some("another agent (pid 7) owns the sessions".into());
    let calls = agent.provider.calls();
    pass(3_600).await;
    assert_eq!(agent.token(0, 0).await.unwrap_err().kind, ErrorKind::StoreFailed);
    assert_eq!(agent.provider.calls(), calls);
}

#[tokio::test(start_paused = true)]
async fn a_stored_token_is_not_spent_by_an_agent_that_does_not_own_it_or_cannot_store_its_successor() {
    let agent = Agent::signed_in().await.restart().await;
    let before = agent.store.contents();
    let own = |why: Option<&str>| *agent.provider.ownership.0.lock().unwrap() = why.map(str::to_owned);
    own(Some("another agent (pid 7) owns the sessions of this folder now"));
    let error = agent.token(0, 0).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::StoreFailed);
    assert!(
        error.to_string().contains("pid 7") && error.hint().contains("memory"),
        "{error}: {}",
        error.hint()
    );
    own(None);
    agent.store.refuse_saves(Some(StoreError::ReadOnly("the folder cannot be written".into())));
    pass(2).await;
    assert_eq!(agent.token(0, 0).await.unwrap_err().kind, ErrorKind::StoreFailed);
    assert_eq!((agent.provider.calls(), agent.store.contents()), (0, before));
    // Once the store can be written again the renewal succeeds, because the token was not spent.
    agent.store.refuse_saves(None);
    pass(2).await;
    agent.token(0, 0).await.unwrap();
    assert_eq!(agent.provider.calls(), 1);
}
