//! Leases under a paused clock, with a fake Platform and fake processes.

mod sign_out;

use tokio::task::JoinHandle;

use super::*;
use crate::clock::{Clock, unix};
use crate::error::ErrorKind;
use crate::leases::book::TokenSource;
use crate::leases::mint::{Mint, MintError};
use crate::providers::platform::PlatformError;
use crate::storage::record::{Ends, Program};
use crate::storage::store::{StoreError, StoreKind};
use crate::testing::fakes::{Agent, pass, work};

const SECOND: Duration = Duration::from_secs(1);

pub(super) fn with_process(pid: u32) -> Ends {
    Ends::With(Program { pid, started: "then".into() })
}

pub(super) fn order(agent: &Agent, ends: Ends) -> Order {
    let record = agent.registry.shared.state.record(&work()).unwrap();
    let by = AccessToken::new("access-0");
    Order { profile: work(), record, by, ends, program: "nextflow".into() }
}

pub(super) fn leases(agent: &Agent) -> &Arc<Leases> {
    &agent.registry.shared.leases
}

pub(super) async fn create(agent: &Agent, ends: Ends) -> Result<Leased, AgentError> {
    let access = Arc::clone(&agent.registry) as Arc<dyn TokenSource>;
    leases(agent).create(order(agent, ends), access).await
}

/// Starts a call whose token creation hangs at the Platform until the test releases it.
pub(super) async fn create_held(agent: &Agent) -> JoinHandle<Result<Leased, AgentError>> {
    let outside = &agent.provider.outside;
    outside.held.send_replace(true);
    let access = Arc::clone(&agent.registry) as Arc<dyn TokenSource>;
    let (wanted, makes) = (order(agent, with_process(7)), Arc::clone(leases(agent)));
    let calling = tokio::spawn(async move { makes.create(wanted, access).await });
    outside.called(1).await;
    calling
}

/// Waits until no lease is left, for at most a day.
pub(super) async fn all_over(agent: &Agent) {
    for _ in 0..86_400 {
        if leases(agent).book.count() == 0 {
            return;
        }
        pass(1).await;
    }
    panic!("left: {:?}", leases(agent).book.recorded());
}

#[tokio::test(start_paused = true)]
async fn a_token_lives_as_long_as_its_program_and_is_deleted_by_itself() {
    let agent = Agent::signed_in().await;
    let leased = create(&agent, with_process(7)).await.unwrap();
    assert_eq!(leased.token.expose(), "pat-1");
    assert_eq!(agent.provider.outside.names(), std::slice::from_ref(&leased.lease.name));
    assert!(!agent.registry.idle());
    pass(10_000).await;
    assert_eq!(agent.provider.outside.names().len(), 1);
    agent.provider.outside.end_process(7);
    all_over(&agent).await;
    assert_eq!(agent.provider.outside.names(), [""; 0]);
    assert_eq!(*lock(&agent.provider.outside.deleted_by), ["pat-1"], "no session was needed");
    assert_eq!(agent.store.contents().len(), 1, "the session's secret alone is left");
}

#[tokio::test(start_paused = true)]
async fn a_token_for_a_time_outlives_its_program_and_sees_a_suspend() {
    let agent = Agent::signed_in().await;
    let until = unix(agent.clock.now()) + 3_600;
    create(&agent, Ends::At(until)).await.unwrap();
    pass(1_800).await;
    assert_eq!(agent.provider.outside.names().len(), 1);
    agent.clock.jump(1_800);
    pass(31).await;
    assert_eq!(agent.provider.outside.names(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_token_made_by_a_clock_that_was_ahead_lasts_no_longer_once_it_is_right() {
    for restarts in [false, true] {
        let mut agent = Agent::signed_in().await;
        agent.clock.jump(365 * 86_400);
        let until = unix(agent.clock.now()) + 3_600;
        create(&agent, Ends::At(until)).await.unwrap();
        pass(600).await;
        agent.clock.jump(-365 * 86_400);
        if restarts {
            agent = agent.restart().await;
        }
        pass(1_800).await;
        assert_eq!(agent.provider.outside.names().len(), 1);
        pass(1_900).await;
        assert_eq!(agent.provider.outside.names(), [""; 0], "{restarts}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_the_leases_go_on() {
    let agent = Agent::signed_in().await;
    create(&agent, with_process(7)).await.unwrap();
    create(&agent, with_process(8)).await.unwrap();
    agent.provider.outside.end_process(8);
    let agent = agent.restart().await;
    pass(60).await;
    assert_eq!(leases(&agent).book.count(), 1, "7 runs on");
    agent.provider.outside.end_process(7);
    all_over(&agent).await;
    assert_eq!(agent.provider.outside.names(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_lease_of_another_host_is_left_to_it() {
    let agent = Agent::signed_in().await;
    let leased = create(&agent, with_process(7)).await.unwrap();
    leases(&agent).book.change(&leased.id, |lease| lease.host = "elsewhere".into()).await.unwrap();
    let agent = agent.restart().await;
    agent.provider.outside.end_process(7);
    pass(600).await;
    assert_eq!(agent.provider.outside.names(), [leased.lease.name]);
    assert!(leases(&agent).book.lease(&leased.id).is_some(), "it is listed");
    assert_eq!(leases(&agent).end(&leased.id, SECOND).await, None);
    assert_eq!(leases(&agent).book.count(), 0, "it keeps no agent of this host alive");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_has_stopped_deletes_nothing_any_more() {
    let agent = Agent::signed_in().await;
    create(&agent, with_process(7)).await.unwrap();
    agent.registry.drain(SECOND).await;
    agent.provider.outside.end_process(7);
    pass(600).await;
    assert_eq!(agent.provider.outside.names().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_down_is_not_made() {
    let agent = Agent::signed_in().await;
    let run = agent.places.places().run_dir();
    std::fs::remove_dir_all(&run).unwrap();
    std::fs::write(&run, "in the way").unwrap();
    let error = create(&agent, with_process(7)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::StoreFailed);
    assert!(error.to_string().contains("no token was made"), "{error}");
    assert_eq!(*agent.provider.outside.calls.borrow(), 0);
    assert_eq!(leases(&agent).book.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_taken_name_is_replaced_by_another() {
    let agent = Agent::signed_in().await;
    agent.provider.outside.fail_next_creation(MintError::NameTaken, false);
    create(&agent, with_process(7)).await.unwrap();
    assert_eq!((leases(&agent).book.count(), agent.provider.outside.names().len()), (1, 1));
    for _ in 0..NAMES {
        agent.provider.outside.fail_next_creation(MintError::NameTaken, false);
    }
    let error = create(&agent, with_process(8)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Misconfigured);
    assert_eq!(leases(&agent).book.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_leaves_nothing_and_says_whose_it_is() {
    let agent = Agent::signed_in().await;
    let refused = MintError::Refused(PlatformError::Forbidden);
    agent.provider.outside.fail_next_creation(refused, false);
    let error = create(&agent, with_process(7)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Forbidden);
    assert!(error.hint().contains("administrator"));
    assert_eq!(leases(&agent).book.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_token_whose_creation_was_not_answered_is_found_by_its_name_and_deleted() {
    let agent = Agent::signed_in().await;
    agent.provider.outside.fail_next_creation(MintError::Unknown("reset".into()), true);
    let error = create(&agent, with_process(7)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    all_over(&agent).await;
    assert_eq!(agent.provider.outside.names(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_never_made_is_looked_for_and_given_up() {
    let agent = Agent::signed_in().await;
    agent.provider.outside.fail_next_creation(MintError::Unknown("reset".into()), false);
    create(&agent, with_process(7)).await.unwrap_err();
    pass(500).await;
    assert_eq!(leases(&agent).book.count(), 1, "a gateway may have passed it on");
    pass(900).await;
    assert_eq!(leases(&agent).book.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_fails_is_tried_again_and_says_why_across_a_restart() {
    let agent = Agent::signed_in().await;
    let leased = create(&agent, with_process(7)).await.unwrap();
    let outside = &agent.provider.outside;
    outside.fail_deletions(Some(PlatformError::Unreachable("it answered with status 502".into())));
    assert_eq!(leases(&agent).end(&leased.id, SECOND).await, Some(false));
    let trouble = leases(&agent).life(&leased.id).unwrap().failure().unwrap();
    assert!(trouble.why.contains("502"), "{trouble:?}");
    assert_eq!(leases(&agent).book.in_use(None), [""; 0], "nobody uses what has ended");
    let agent = agent.restart().await;
    pass(3_600).await;
    assert!(!agent.registry.idle());
    agent.provider.outside.fail_deletions(None);
    all_over(&agent).await;
    assert_eq!(agent.provider.outside.names(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_can_never_be_deleted_can_be_given_up() {
    let agent = Agent::signed_in().await;
    let leased = create(&agent, with_process(7)).await.unwrap();
    agent.provider.outside.fail_deletions(Some(PlatformError::NotAPlatform("https://gone.test".into())));
    assert_eq!(leases(&agent).end(&leased.id, SECOND).await, Some(false));
    assert_eq!(leases(&agent).give_up(&leased.id).await, Some(leased.lease.name));
    assert_eq!((leases(&agent).book.count(), agent.store.contents().len()), (0, 1));
    agent.provider.outside.fail_deletions(None);
    pass(3_600).await;
    assert_eq!(agent.provider.outside.names().len(), 1, "nobody tries any more");
    assert_eq!(leases(&agent).give_up(&leased.id).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_cannot_be_read_is_deleted_by_the_session() {
    let agent = Agent::signed_in().await;
    let leased = create(&agent, with_process(7)).await.unwrap();
    agent.store.break_with(Some(StoreError::Locked("closed".into())));
    assert_eq!(leases(&agent).end(&leased.id, SECOND).await, Some(true));
    assert_eq!(*lock(&agent.provider.outside.deleted_by), ["access-0"]);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_refused_and_still_there_is_deleted_by_the_session() {
    let agent = Agent::signed_in().await;
    let leased = create(&agent, with_process(7)).await.unwrap();
    *lock(&agent.provider.outside.refused) = Some("pat-1".into());
    assert_eq!(leases(&agent).end(&leased.id, SECOND).await, Some(true));
    assert_eq!(agent.provider.outside.names(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn the_session_of_another_account_deletes_nothing() {
    let agent = Agent::signed_in().await;
    let leased = create(&agent, with_process(7)).await.unwrap();
    leases(&agent).book.change(&leased.id, |lease| lease.subject = "grace".into()).await.unwrap();
    agent.store.break_with(Some(StoreError::Locked("closed".into())));
    assert_eq!(leases(&agent).end(&leased.id, SECOND).await, Some(false));
    assert_eq!(agent.provider.outside.names().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_deleted_elsewhere_is_over() {
    let agent = Agent::signed_in().await;
    let leased = create(&agent, with_process(7)).await.unwrap();
    let token = agent.provider.outside.list(&AccessToken::new("t")).await.unwrap().remove(0);
    agent.provider.outside.delete(&AccessToken::new("t"), token.id).await.unwrap();
    assert_eq!(leases(&agent).end(&leased.id, SECOND).await, Some(true));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_hangs_up_while_its_token_is_made_has_no_lease() {
    let agent = Agent::signed_in().await;
    let outside = Arc::clone(&agent.provider.outside);
    outside.held.send_replace(true);
    let until = unix(agent.clock.now()) + 3_600;
    let calling = create(&agent, Ends::At(until));
    assert!(timeout(SECOND, calling).await.is_err());
    outside.held.send_replace(false);
    all_over(&agent).await;
    assert_eq!((*outside.calls.borrow(), outside.names().len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_a_token_that_is_being_made() {
    let agent = Agent::signed_in().await;
    let outside = Arc::clone(&agent.provider.outside);
    let calling = create_held(&agent).await;
    let registry = Arc::clone(&agent.registry);
    let drained = tokio::spawn(async move { registry.drain(Duration::from_secs(20)).await });
    pass(5).await;
    assert!(!drained.is_finished());
    outside.held.send_replace(false);
    drained.await.unwrap();
    let leased = calling.await.unwrap().unwrap();
    assert_eq!((leased.lease.token_id, leased.lease.store), (Some(1), Some(StoreKind::File)));
}

#[tokio::test(start_paused = true)]
async fn nothing_that_is_written_down_or_shown_tells_the_token() {
    let agent = Agent::signed_in().await;
    let leased = create(&agent, with_process(7)).await.unwrap();
    let file = std::fs::read_to_string(agent.places.places().run_dir().join("leases.jsonl")).unwrap();
    assert!(file.contains(&leased.lease.name));
    assert!(!format!("{file}{leased:?}").contains("pat-1"));
    let stored = agent.store.contents();
    assert_eq!(stored.get(&ProfileName::of_lease(&leased.id)).map(String::as_str), Some("pat-1"));
}

#[tokio::test(start_paused = true)]
async fn beyond_a_limit_no_more_leases_are_made_and_none_is_lost() {
    let agent = Agent::signed_in().await;
    let leased = create(&agent, with_process(7)).await.unwrap();
    let fill = |profile: &'static str, count: usize| {
        let lease = Lease { profile: profile.parse().unwrap(), ..leased.lease.clone() };
        let more = (0..count).map(move |number| (format!("{profile}-{number}"), lease.clone()));
        agent.registry.shared.state.change(|sessions| sessions.leases.extend(more))
    };
    fill("work", MOST_OF_PROFILE - 1).await.unwrap();
    let error = create(&agent, with_process(8)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooMany);
    assert!(error.to_string().contains("profile 'work' has 1000 tokens"), "{error}");
    assert!(error.hint().contains("seqera agent leases"));
    assert_eq!(agent.provider.outside.names().len(), 1, "no token was made");
    leases(&agent).book.forget("work-0").await;
    create(&agent, with_process(8)).await.unwrap();
    leases(&agent).book.forget("work-1").await;
    fill("lab", MOST - MOST_OF_PROFILE + 1).await.unwrap();
    let error = create(&agent, with_process(9)).await.unwrap_err();
    assert!(error.to_string().contains("there are 4000 tokens"), "{error}");
}
