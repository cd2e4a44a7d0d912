use super::*;
use crate::storage::fake::stored;
use crate::storage::record::Record;
use crate::storage::store::{Patience, Store};
use crate::testing::fakes::{Agent, work};

fn lab() -> ProfileName {
    "lab".parse().unwrap()
}

/// What an agent leaves behind that dies in the middle: both names have the secret, and the records are those of
/// before, or of after if `is_recorded`.
async fn interrupted(is_recorded: bool) -> Agent {
    let agent = Agent::signed_in().await;
    let shared = &agent.registry.shared;
    agent.store.save(&lab(), &stored("refresh-0"), Patience::Background).await.unwrap();
    note(&work(), Some(Rename { to: lab(), unfinished: true }), shared).await.unwrap();
    if is_recorded {
        shared.state.change(|sessions| move_records(sessions, &work(), &lab())).await.unwrap();
    }
    agent
}

fn names(agent: &Agent) -> (Vec<String>, Vec<String>) {
    let stored = agent.store.contents().keys().map(ToString::to_string).collect();
    let recorded = agent.registry.shared.state.snapshot().profiles.keys().map(ToString::to_string).collect();
    (stored, recorded)
}

#[tokio::test(start_paused = true)]
async fn the_next_start_removes_the_secret_that_no_record_is_about() {
    for (is_recorded, left) in [(false, "work"), (true, "lab")] {
        let agent = interrupted(is_recorded).await;
        finish(&agent.registry.shared).await;
        assert_eq!(names(&agent), (vec![left.to_owned()], vec![left.to_owned()]));
        let renames = agent.registry.shared.state.snapshot().renames.clone();
        assert_eq!(renames.get(&work()).map(|rename| rename.unfinished), is_recorded.then_some(false));
        let agent = agent.restart().await;
        let worker = agent.registry.worker(&left.parse().unwrap()).unwrap();
        assert!(worker.view().is_usable(), "{left}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_locked_at_the_start_is_asked_again_at_the_next_one() {
    let agent = interrupted(true).await;
    agent.store.break_with(Some(StoreError::Locked("no".into())));
    finish(&agent.registry.shared).await;
    assert!(agent.registry.shared.state.snapshot().renames[&work()].unfinished);
    agent.store.break_with(None);
    finish(&agent.registry.shared).await;
    assert_eq!(names(&agent).0, ["lab"]);
}

#[tokio::test(start_paused = true)]
async fn where_somebody_has_signed_in_under_the_other_name_since_nothing_is_removed() {
    let agent = interrupted(true).await;
    agent.registry.shared.state.update(&work(), |record| *record = Record::default()).await.unwrap();
    finish(&agent.registry.shared).await;
    assert_eq!(names(&agent).0, ["lab", "work"]);
    assert!(agent.registry.shared.state.snapshot().renames.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_does_not_own_the_sessions_removes_nothing() {
    let agent = interrupted(true).await;
    *agent.provider.ownership.0.lock().unwrap() = Some("another agent owns them".into());
    finish(&agent.registry.shared).await;
    assert_eq!(names(&agent).0, ["lab", "work"]);
}

#[test]
fn earlier_names_lead_to_the_present_one_and_a_name_that_is_taken_again_to_none() {
    let name = |text: &str| text.parse::<ProfileName>().unwrap();
    let mut sessions = Sessions { default_profile: Some(name("a")), ..Sessions::default() };
    sessions.profiles.insert(name("a"), Arc::default());
    for (from, to) in [("a", "b"), ("b", "c")] {
        sessions.renames.insert(name(from), Rename { to: name(to), unfinished: false });
        move_records(&mut sessions, &name(from), &name(to));
    }
    let renames: Vec<_> =
        sessions.renames.iter().map(|(from, rename)| (from.as_str(), rename.to.as_str())).collect();
    assert_eq!(renames, [("a", "c"), ("b", "c")]);
    assert_eq!(sessions.default_profile, Some(name("c")));
    move_records(&mut sessions, &name("c"), &name("a"));
    assert!(!sessions.renames.contains_key(&name("a")) && sessions.profiles.contains_key(&name("a")));
}
