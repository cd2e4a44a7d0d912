//! Logins, sign-outs and stops that coincide with each other, a failing store or a waiting caller. Under a
//! paused clock.

use std::sync::Arc;
use std::time::Duration;

use seqera_agent_proto::v1::ImportTokenRequest;

use crate::api::login::import;
use crate::error::ErrorKind;
use crate::providers::Granted;
use crate::sessions::handle::Handle;
use crate::sessions::install::Login;
use crate::sessions::sign_out::SignedOut;
use crate::sessions::verdict::Standing;
use crate::storage::record::{Record, SignInMethod};
use crate::storage::store::{StoreError, StoreKind};
use crate::testing::fakes::{Agent, pass, profile, work};
use crate::token::{AccessToken, Credential};

fn begin_login(agent: &Agent) -> (Handle, tokio::task::JoinHandle<Result<Vec<String>, ErrorKind>>) {
    let worker = agent.registry.ensure(&work());
    let generation = worker.view().generation;
    let granted = agent.granted();
    let login =
        Login { profile: profile(), granted, method: SignInMethod::Browser, generation, organization: None };
    let installing = tokio::spawn({
        let worker = worker.clone();
        async move { worker.install(login).await.map_err(|error| error.kind) }
    });
    (worker, installing)
}

#[tokio::test(start_paused = true)]
async fn a_sign_out_while_a_login_is_being_stored_leaves_nothing_and_revokes_its_tokens() {
    for seconds in [1, 8] {
        let agent = Agent::start();
        agent.store.hold_saves();
        let (worker, installing) = begin_login(&agent);
        pass(1).await;
        let out = tokio::spawn(async move { worker.sign_out(false).await.unwrap() });
        pass(seconds).await;
        agent.store.release();
        assert_eq!(installing.await.unwrap().unwrap_err(), ErrorKind::Ended, "{seconds} s");
        out.await.unwrap();
        pass(1).await;
        assert_eq!(agent.provider.revoked(), ["refresh-0", "access-0"], "{seconds} s");
        assert_eq!(agent.stored(), None, "{seconds} s");
        let record = agent.registry.shared.state.record(&work());
        assert!(record.is_none_or(|record| record.account.is_none()), "{seconds} s");
        assert_eq!(agent.registry.ensure(&work()).view().standing, Standing::SignedOut);
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_that_has_just_been_stored_is_what_a_sign_out_revokes() {
    let agent = Agent::start();
    let (worker, installing) = begin_login(&agent);
    // The worker gets both commands before the login's job can report its end.
    let out = tokio::spawn(async move { worker.sign_out(false).await.unwrap() });
    let _ = installing.await.unwrap();
    out.await.unwrap();
    pass(1).await;
    assert_eq!(agent.provider.revoked(), ["refresh-0", "access-0"]);
    assert_eq!(agent.stored(), None);
}

#[tokio::test(start_paused = true)]
async fn a_sign_out_right_after_a_renewal_was_saved_revokes_the_new_token_and_not_the_spent_one() {
    let agent = Arc::new(Agent::signed_in().await);
    agent.store.hold_saves();
    agent.clock.jump(200);
    let caller = agent.caller(0, 30);
    agent.provider.called(1).await;
    let out = tokio::spawn({
        let agent = Arc::clone(&agent);
        async move { agent.worker().sign_out(false).await.unwrap() }
    });
    agent.store.release();
    assert_eq!(out.await.unwrap(), SignedOut::Revoked);
    let _ = caller.await.unwrap();
    assert_eq!(agent.provider.revoked()[0], "refresh-1");
    assert_eq!(agent.stored(), None);
}

#[tokio::test(start_paused = true)]
async fn two_sign_outs_at_once_both_get_an_answer() {
    let agent = Agent::signed_in().await;
    let worker = agent.worker();
    let (first, second) = tokio::join!(worker.sign_out(false), worker.sign_out(false));
    assert_eq!((first.unwrap(), second.unwrap()), (SignedOut::Revoked, SignedOut::NothingStored));
}

#[tokio::test(start_paused = true)]
async fn a_secret_in_a_locked_keychain_is_revoked_and_removed_when_it_opens() {
    let agent = Agent::signed_in().await.restart().await;
    agent.store.break_with(Some(StoreError::Locked("locked".into())));
    let out = agent.worker().sign_out(false).await.unwrap();
    assert_eq!(out, SignedOut::KeychainLocked("locked".into()));
    assert_eq!(agent.token(0, 0).await.unwrap_err().kind, ErrorKind::SignedOut);
    assert_eq!(agent.provider.revoked(), Vec::<String>::new());
    agent.store.break_with(None);
    pass(31).await;
    assert_eq!((agent.stored(), agent.provider.revoked()), (None, vec!["refresh-0".to_owned()]));
    assert_eq!(agent.registry.shared.state.record(&work()).unwrap().store, None);
}

#[tokio::test(start_paused = true)]
async fn a_login_after_a_sign_out_from_a_locked_keychain_stays() {
    let agent = Agent::signed_in().await.restart().await;
    agent.store.break_with(Some(StoreError::Locked("locked".into())));
    agent.worker().sign_out(false).await.unwrap();
    let (_, installing) = begin_login(&agent);
    agent.store.break_with(None);
    installing.await.unwrap().unwrap();
    pass(40).await;
    assert_eq!(agent.stored().as_deref(), Some("refresh-0"));
    assert_eq!(agent.worker().view().standing, Standing::SignedIn);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_comes_back_after_a_sign_out_does_not_bring_the_secret_back() {
    let agent = Agent::signed_in().await;
    agent.store.break_with(Some(StoreError::Failed("disk full".into())));
    agent.clock.jump(200);
    agent.token(0, 30).await.unwrap();
    agent.store.break_with(None);
    agent.store.hold_saves();
    pass(31).await;
    let worker = agent.worker();
    let out = tokio::spawn(async move { worker.sign_out(false).await.unwrap() });
    pass(8).await;
    assert!(out.is_finished(), "a store that hangs does not hold the sign-out up");
    agent.store.release();
    pass(1).await;
    assert_eq!(agent.stored(), None);
}

#[tokio::test(start_paused = true)]
async fn a_session_without_a_refresh_token_ends_with_its_access_token() {
    let agent = Agent::start();
    let mut granted = agent.granted();
    if let Credential::Renewable(grant) = &mut granted.credential {
        grant.refresh = None;
    }
    let worker = agent.registry.ensure(&work());
    let login = Login {
        profile: profile(),
        granted,
        method: SignInMethod::Browser,
        generation: 1,
        organization: None,
    };
    worker.install(login).await.unwrap();
    assert_eq!(agent.token(0, 0).await.unwrap(), "access-0");
    pass(101).await;
    assert!(matches!(&worker.view().standing, Standing::Expired(why) if why.contains("no refresh token")));
    assert!(agent.registry.idle(), "nothing is left to keep an agent for");
}

#[tokio::test(start_paused = true)]
async fn a_session_kept_in_memory_is_over_after_a_restart() {
    let agent = Agent::signed_in().await;
    let in_memory = |record: &mut Record| record.store = Some(StoreKind::Memory);
    agent.registry.shared.state.update(&work(), in_memory).await.unwrap();
    let agent = agent.restart().await;
    let error = agent.token(0, 0).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::LoginExpired);
    assert!(error.to_string().contains("in memory only"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_stopping_agent_sends_a_waiting_caller_away_at_once() {
    let agent = Agent::signed_in().await;
    agent.clock.jump(200);
    agent.registry.drain(Duration::from_secs(1)).await;
    let before = tokio::time::Instant::now();
    assert_eq!(agent.token(0, 30).await.unwrap_err().kind, ErrorKind::Stopping);
    assert_eq!(before.elapsed(), Duration::ZERO);
    assert_eq!(agent.provider.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_takes_long_is_not_followed_by_another_for_the_same_caller() {
    let agent = Arc::new(Agent::signed_in().await);
    pass(11).await;
    agent.provider.held.send_replace(true);
    let caller = agent.caller(100, 60);
    agent.provider.called(1).await;
    pass(15).await;
    agent.provider.held.send_replace(false);
    assert_eq!(caller.await.unwrap().unwrap(), "access-1");
    assert_eq!(agent.provider.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stopping_agent_offers_the_store_once_more_what_it_would_forget() {
    let agent = Agent::signed_in().await;
    agent.store.break_with(Some(StoreError::Failed("disk full".into())));
    agent.clock.jump(200);
    agent.token(0, 30).await.unwrap();
    agent.store.break_with(None);
    agent.registry.drain(Duration::from_secs(1)).await;
    assert_eq!(agent.stored().as_deref(), Some("refresh-1"));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_panics_in_mid_renewal_is_started_again_and_spends_no_token_twice() {
    let agent = Arc::new(Agent::signed_in().await);
    agent.provider.held.send_replace(true);
    agent.clock.jump(200);
    let caller = tokio::spawn({
        let agent = Arc::clone(&agent);
        async move { agent.token(0, 30).await }
    });
    agent.provider.called(1).await;
    agent.worker().panic().await;
    assert_eq!(caller.await.unwrap().unwrap_err().kind, ErrorKind::Internal);
    pass(1).await;
    assert_eq!(agent.provider.calls(), 1, "the new worker waits for the renewal of the old one");
    agent.provider.held.send_replace(false);
    assert_eq!(agent.token(0, 30).await.unwrap(), "access-2");
    assert_eq!(agent.stored().as_deref(), Some("refresh-2"));
}

async fn login_with(agent: &Agent, token: &str, minted: bool) {
    let worker = agent.registry.ensure(&work());
    let credential = Credential::Fixed { token: AccessToken::new(token), expires_at: None, minted };
    let granted = Granted { credential, ..agent.granted() };
    let (generation, method) =
        (worker.view().generation, if minted { SignInMethod::Browser } else { SignInMethod::Token });
    let login = Login { profile: profile(), granted, method, generation, organization: None };
    worker.install(login).await.unwrap();
    pass(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_fixed_token_that_a_browser_login_has_made_is_revoked_when_another_replaces_it() {
    let agent = Agent::start();
    login_with(&agent, "made-1", true).await;
    login_with(&agent, "made-2", true).await;
    assert_eq!(agent.provider.revoked(), ["made-1"]);
    login_with(&agent, "made-2", false).await;
    assert_eq!(agent.provider.revoked(), ["made-1"], "it is the same one, and the person's own now");
    login_with(&agent, "made-3", true).await;
    assert_eq!(agent.provider.revoked(), ["made-1"]);
    assert_eq!(agent.stored().as_deref(), Some("made-3"));
}

#[tokio::test(start_paused = true)]
async fn a_sign_out_while_a_given_token_is_checked_is_the_last_word() {
    let agent = Agent::signed_in().await;
    agent.provider.held.send_replace(true);
    let registry = Arc::clone(&agent.registry);
    let asked = ImportTokenRequest { profile: "work".into(), token: "pat".into(), ..Default::default() };
    let importing = tokio::spawn(async move { import(&registry, asked).await });
    pass(1).await;
    agent.worker().sign_out(false).await.unwrap();
    agent.provider.held.send_replace(false);
    assert_eq!(importing.await.unwrap().unwrap_err().kind, ErrorKind::Ended);
    assert_eq!((agent.stored(), agent.worker().view().standing.clone()), (None, Standing::SignedOut));
}
