//! The end of an outage, as the first caller after it sees it. Under a paused clock.

use std::sync::Arc;
use std::time::Duration;

use tonic::Status;
use tonic_types::StatusExt as _;

use crate::clock::Clock as _;
use crate::error::{AgentError, ErrorKind};
use crate::providers::Renewal;
use crate::testing::fakes::{Agent, pass};

/// An agent whose token has expired while its provider cannot be reached. The last attempt failed so many
/// seconds ago, and the ticker does not make the next one for more than another ten.
async fn in_back_off(seconds: u64) -> Arc<Agent> {
    let agent = Arc::new(Agent::signed_in().await);
    let refused = || Renewal::Transient("Connection refused".into(), None);
    *agent.provider.script.lock().unwrap() = (0..1000).map(|_| refused()).collect();
    agent.clock.jump(200);
    let rest = Duration::from_secs(seconds);
    let is_so = |agent: &Agent| {
        let (now, view) = (agent.clock.now(), agent.worker().view());
        let since = view.failure.as_ref().map(|failure| now.since(failure.at));
        let until = view.due.map(|due| now.until(due));
        since.is_some_and(|since| since >= rest && since < rest + Duration::from_millis(300))
            && until.is_some_and(|until| until > Duration::from_secs(10))
    };
    // The back-off is drawn by lot.
    for _ in 0..100_000 {
        if is_so(&agent) {
            return agent;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("no pause of that length");
}

/// What a caller reads in the answer, in whole seconds.
fn retry_after(error: AgentError) -> Option<Duration> {
    let delay = Status::from(error).get_details_retry_info()?.retry_delay?;
    Some(Duration::from_secs(delay.as_secs_f64().round() as u64))
}

fn end_of_outage(agent: &Agent) {
    agent.provider.script.lock().unwrap().clear();
}

#[tokio::test(start_paused = true)]
async fn with_the_network_back_a_caller_gets_its_token_at_once() {
    let agent = in_back_off(6).await;
    let before = (agent.provider.calls(), agent.clock.now());
    end_of_outage(&agent);
    agent.token(0, 0).await.unwrap();
    assert_eq!((agent.provider.calls(), agent.clock.now()), (before.0 + 1, before.1));
}

#[tokio::test(start_paused = true)]
async fn callers_right_after_a_failure_share_one_attempt_within_five_seconds() {
    let agent = in_back_off(1).await;
    let before = (agent.provider.calls(), agent.clock.now());
    end_of_outage(&agent);
    let callers: Vec<_> = (0..20).map(|_| agent.caller(0, 30)).collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!(agent.provider.calls(), before.0 + 1);
    assert!(agent.clock.now().since(before.1) < Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn during_an_outage_a_caller_costs_one_attempt_and_hears_when_the_next_one_is() {
    let agent = in_back_off(1).await;
    let before = (agent.provider.calls(), agent.clock.now());
    let due = agent.worker().view().due;
    let error = agent.token(0, 3).await.unwrap_err();
    assert_eq!((agent.provider.calls(), agent.clock.now()), before, "too soon, and too late for this caller");
    assert_eq!(retry_after(error), Some(Duration::from_secs(4)), "when an attempt is made for who asks then");
    assert_eq!(agent.worker().view().due, due, "nobody waits");
    pass(5).await;
    let error = agent.token(0, 0).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(retry_after(error).is_some());
    assert_eq!(agent.provider.calls(), before.0 + 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_whose_own_attempt_has_failed_does_not_wait_for_another_one_of_that_kind() {
    // One pause in three ends within the caller's patience, and it waits then.
    for _ in 0..40 {
        let agent = in_back_off(6).await;
        let before = (agent.provider.calls(), agent.clock.now());
        let answer = agent.token(0, 20).await;
        if agent.clock.now() == before.1 {
            assert_eq!(answer.unwrap_err().kind, ErrorKind::Unreachable);
            assert_eq!(agent.provider.calls(), before.0 + 1);
            return;
        }
    }
    panic!("every caller waited, although the next attempt was too late for it");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_came_during_a_hopeless_attempt_has_one_of_its_own() {
    let agent = in_back_off(6).await;
    let before = agent.provider.calls();
    agent.provider.held.send_replace(true);
    let first = agent.caller(0, 0);
    agent.provider.called(before + 1).await;
    // Its request hangs in the old network, and the new one is there.
    let second = agent.caller(0, 30);
    pass(1).await;
    end_of_outage(&agent);
    agent.provider.held.send_replace(false);
    assert_eq!(first.await.unwrap().unwrap_err().kind, ErrorKind::Unreachable);
    let failed = agent.clock.now();
    second.await.unwrap().unwrap();
    assert!(agent.clock.now().since(failed) <= Duration::from_secs(6));
}
