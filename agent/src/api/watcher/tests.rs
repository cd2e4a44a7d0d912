//! Which events a watching client gets, and in which order.

use std::pin::Pin;

use futures_util::{Stream, StreamExt};

use super::*;
use crate::testing::fakes::{Agent, pass, work};

type Events = Pin<Box<dyn Stream<Item = Result<TokenEvent, Status>> + Send>>;

fn watch(agent: &Agent) -> Events {
    Box::pin(Watcher::new(Arc::clone(&agent.registry), work()).unwrap().events())
}

/// The next token, or `None` for a sign-out.
async fn next(events: &mut Events) -> Option<String> {
    match events.next().await.unwrap().unwrap().event.unwrap() {
        token_event::Event::Token(token) => Some(token.access_token),
        token_event::Event::SignedOut(_) => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_watcher_gets_the_current_token_and_then_each_new_one() {
    let agent = Agent::signed_in().await;
    let mut events = watch(&agent);
    assert_eq!(next(&mut events).await.as_deref(), Some("access-0"));
    assert_eq!(next(&mut events).await.as_deref(), Some("access-1"), "renewed with nobody asking");
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_told_of_the_sign_out_before_the_next_accounts_token() {
    let agent = Agent::signed_in().await;
    let mut events = watch(&agent);
    next(&mut events).await;
    agent.worker().sign_out(false).await.unwrap();
    agent.login("work").await;
    pass(1).await;
    assert_eq!(next(&mut events).await, None);
    assert_eq!(next(&mut events).await.as_deref(), Some("access-0"));
}

#[tokio::test(start_paused = true)]
async fn a_watcher_of_nobody_is_told_so_once_and_then_waits_for_a_login() {
    let agent = Agent::signed_in().await;
    agent.worker().sign_out(false).await.unwrap();
    let mut events = watch(&agent);
    assert_eq!(next(&mut events).await, None);
    assert!(tokio::time::timeout(std::time::Duration::from_secs(60), events.next()).await.is_err());
    agent.login("work").await;
    assert_eq!(next(&mut events).await.as_deref(), Some("access-0"));
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_watchers_with_unavailable() {
    let agent = Agent::signed_in().await;
    let mut events = watch(&agent);
    next(&mut events).await;
    agent.registry.drain(std::time::Duration::from_secs(1)).await;
    let end = events.next().await.unwrap().err().unwrap();
    assert_eq!(end.code(), tonic::Code::Unavailable);
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_watcher_follows_a_profile_that_gets_another_name() {
    let agent = Agent::signed_in().await;
    let mut events = watch(&agent);
    next(&mut events).await;
    crate::sessions::naming::rename(&agent.registry, work(), "lab".parse().unwrap()).await.unwrap();
    match events.next().await.unwrap().unwrap().event.unwrap() {
        token_event::Event::Token(token) => {
            assert_eq!((token.access_token.as_str(), token.profile.as_str()), ("access-1", "lab"));
        }
        token_event::Event::SignedOut(state) => panic!("{state}"),
    }
}
