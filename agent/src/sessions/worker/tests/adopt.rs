//! Sessions of other hosts, taken over because the person says so. Under a paused clock.

use std::fs;
use std::sync::Arc;

use seqera_agent_proto::v1::{AdoptRequest, SessionState};

use crate::api::adoption::adopt;
use crate::error::ErrorKind;
use crate::storage::other_hosts::{self, sessions_path};
use crate::storage::record::{Adopting, Record, Sessions, read};
use crate::storage::state::State;
use crate::storage::store::{Patience, Store, StoreKind};
use crate::testing::fakes::{Agent, profile, work};
use crate::token::{Account, RefreshToken};

/// A session as the host with the id `h2` has left it.
fn of_h2(store: StoreKind) -> Record {
    Record {
        profile: profile(),
        account: Some(Account { subject: "ada".into(), ..Account::default() }),
        store: Some(store),
        secret_sha256: Some(RefreshToken::new("refresh-0").sha256()),
        logged_in_at: Some(1_767_225_600),
        last_renewed_at: Some(1_767_225_600),
        ..Record::default()
    }
}

fn leave(agent: &Agent, host: &str, name: Option<&str>, record: Record) {
    let path = sessions_path(agent.places.places(), host);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let profiles = [(work(), Arc::new(record))].into();
    let sessions = Sessions { profiles, host_name: name.map(str::to_owned), ..Sessions::default() };
    fs::write(path, serde_json::to_vec(&sessions).unwrap()).unwrap();
}

/// An agent whose folder has a session of the host `h2`, which called itself `node7`.
async fn beside_h2() -> Agent {
    let agent = Agent::start();
    leave(&agent, "h2", Some("node7"), of_h2(StoreKind::File));
    let agent = agent.restart().await;
    let mut secret = crate::storage::fake::stored("refresh-0");
    secret.authority = profile().authority;
    agent.others.save(&work(), &secret, Patience::Background).await.unwrap();
    agent
}

fn asked(profile: &str, host: &str) -> AdoptRequest {
    AdoptRequest { profile: profile.into(), host: host.into(), look_only: false }
}

fn there(agent: &Agent) -> usize {
    other_hosts::sessions(agent.places.places(), "").len()
}

#[tokio::test(start_paused = true)]
async fn what_belongs_to_another_host_is_named_in_words_and_refused_until_it_is_taken_over() {
    let agent = beside_h2().await;
    let refused = agent.registry.worker(&work()).map(drop).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::OtherHost);
    assert!(refused.to_string().contains("host 'node7', last renewed 2026-01-01T00:00:00Z"), "{refused:?}");
    assert!(refused.hint().contains("seqera login --adopt --profile work"), "{refused:?}");
    // A call that names no profile finds it too.
    assert_eq!(agent.registry.resolve("", "").unwrap(), work());

    let look = AdoptRequest { look_only: true, ..asked("", "") };
    let seen = adopt(&agent.registry, look).await.unwrap();
    assert_eq!((seen.len(), seen[0].state()), (1, SessionState::OtherHost));
    assert_eq!((there(&agent), agent.stored()), (1, None), "to look changes nothing");

    let adopted = adopt(&agent.registry, asked("", "")).await.unwrap();
    assert_eq!(adopted[0].state(), SessionState::SignedIn);
    assert_eq!(adopted[0].host.as_ref().unwrap().name, "node7");
    assert_eq!((there(&agent), agent.stored().as_deref()), (0, Some("refresh-0")));
    assert!(agent.others.contents().is_empty(), "the other host keeps nothing");
    assert_eq!(agent.token(0, 30).await.unwrap(), "access-1");
    let agent = agent.restart().await;
    agent.clock.jump(200);
    assert_eq!(agent.token(0, 30).await.unwrap(), "access-2");
}

#[tokio::test(start_paused = true)]
async fn a_host_whose_agent_runs_keeps_its_session() {
    let agent = beside_h2().await;
    *agent.provider.ownership.0.lock().unwrap() = Some("its agent (pid 7) runs".into());
    let refused = adopt(&agent.registry, asked("", "")).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::OtherHost);
    assert!(refused.to_string().contains("node7") && refused.to_string().contains("pid 7"), "{refused:?}");
    assert_eq!((there(&agent), agent.stored()), (1, None));
}

#[tokio::test(start_paused = true)]
async fn of_several_hosts_one_has_to_be_named_by_its_name_or_id() {
    let agent = beside_h2().await;
    leave(&agent, "h3", None, of_h2(StoreKind::File));
    let unclear = adopt(&agent.registry, asked("", "")).await.unwrap_err();
    assert_eq!(unclear.kind, ErrorKind::BadRequest);
    assert!(unclear.hint().contains("host 'node7'") && unclear.hint().contains("id h3"), "{unclear:?}");
    let none = adopt(&agent.registry, asked("", "node9")).await.unwrap_err();
    assert!(none.hint().contains("host 'node7'"), "{none:?}");
    adopt(&agent.registry, asked("", "NODE7")).await.unwrap();
    assert_eq!(there(&agent), 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_of_this_host_is_not_replaced_and_one_in_memory_cannot_be_had() {
    let agent = beside_h2().await;
    agent.login("work").await;
    assert_eq!(adopt(&agent.registry, asked("", "")).await.unwrap_err().kind, ErrorKind::BadRequest);
    assert_eq!(there(&agent), 1);

    let agent = beside_h2().await;
    leave(&agent, "h2", Some("node7"), of_h2(StoreKind::Memory));
    let refused = adopt(&agent.registry, asked("", "")).await.unwrap_err();
    assert!(refused.to_string().contains("memory only"), "{refused:?}");
    agent.others.empty(&work());
    leave(&agent, "h2", Some("node7"), of_h2(StoreKind::File));
    let refused = adopt(&agent.registry, asked("", "")).await.unwrap_err();
    assert!(refused.to_string().contains("its secret is not in the file"), "{refused:?}");
    assert_eq!(there(&agent), 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_leaves_the_session_where_it_is() {
    let agent = beside_h2().await;
    agent.store.break_with(Some(crate::storage::store::StoreError::Failed("disk full".into())));
    adopt(&agent.registry, asked("", "")).await.unwrap_err();
    assert_eq!(there(&agent), 1);
    agent.store.break_with(None);
    adopt(&agent.registry, asked("", "")).await.unwrap();
    assert_eq!(agent.token(0, 30).await.unwrap(), "access-1");
}

#[tokio::test(start_paused = true)]
async fn a_crash_in_between_leaves_the_session_with_exactly_one_host() {
    let agent = Agent::start();
    let places = agent.places.places();
    let record = of_h2(StoreKind::File);
    let adopting = Adopting { from: "h2".into(), profile: work(), record: Box::new(record.clone()) };
    let crashed = Sessions { adopting: Some(adopting), ..Sessions::default() };
    fs::create_dir_all(places.run_dir()).unwrap();
    fs::write(places.run_dir().join("sessions.json"), serde_json::to_vec(&crashed).unwrap()).unwrap();
    // The other host has it still: it was never taken.
    leave(&agent, "h2", None, record.clone());
    assert_eq!(State::open_inline(places).record(&work()), None);
    // The other host has signed in anew since.
    leave(&agent, "h2", None, Record { logged_in_at: Some(9), ..record.clone() });
    assert_eq!(State::open_inline(places).record(&work()).as_deref(), Some(&record));
    // It was taken, and not recorded here.
    other_hosts::take(places, "h2", &work()).unwrap();
    let state = State::open_inline(places);
    assert_eq!(state.record(&work()).as_deref(), Some(&record));
    state.flush().await.unwrap();
    state.set_default(None).await.unwrap();
    assert_eq!(read(&places.run_dir().join("sessions.json")).unwrap().adopting, None);
}
