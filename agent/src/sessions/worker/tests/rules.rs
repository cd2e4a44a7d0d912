//! Rules of a renewal that only show when something goes wrong. Under a paused clock.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

use crate::api::convert;
use crate::clock::{Clock as _, unix};
use crate::providers::{Renewal, Renewed, Revocable};
use crate::sessions::jobs::JobDone;
use crate::sessions::renewal::Learned;
use crate::sessions::sign_out::SignedOut;
use crate::sessions::verdict::JobOutcome;
use crate::sessions::worker::Worker;
use crate::storage::record::Record;
use crate::storage::state::State;
use crate::storage::store::StoreError;
use crate::testing::fakes::{Agent, pass, work};
use crate::token::{Access, AccessToken, RefreshToken};

/// What the next start of the agent would read.
fn on_disk(agent: &Agent) -> Record {
    Arc::unwrap_or_clone(State::open_inline(agent.places.places()).record(&work()).unwrap())
}

/// Renews once, with this answer of the provider.
async fn renew(agent: &Agent, answer: Renewal) {
    agent.provider.script.lock().unwrap().push(answer);
    agent.clock.jump(200);
    let _ = agent.token(0, 0).await;
}

fn granted(refresh: &str, refresh_lifetime: Option<u64>) -> Renewal {
    let access = Access { token: AccessToken::new("access"), lifetime: Duration::from_secs(100) };
    Renewal::Granted(Renewed {
        refresh: Some(RefreshToken::new(refresh)),
        refresh_lifetime: refresh_lifetime.map(Duration::from_secs),
        authorization_lifetime: None,
        access: Ok(access),
        subject: Some("ada".into()),
    })
}

#[tokio::test(start_paused = true)]
async fn after_a_lost_answer_the_intent_stays_on_disk_and_any_other_answer_clears_it() {
    let agent = Agent::signed_in().await;
    // The token is sent again at once; that answer is lost as well.
    agent.provider.script.lock().unwrap().push(Renewal::Unknown("reset".into()));
    renew(&agent, Renewal::Unknown("reset".into())).await;
    let intent = on_disk(&agent).intent.expect("the token may have been spent");
    assert_eq!(intent.sha256, RefreshToken::new("refresh-0").sha256());
    for answer in [
        Renewal::Transient("status 503".into(), None),
        Renewal::Misconfigured("invalid_client".into()),
        Renewal::Unclear("status 400".into()),
        Renewal::Rejected("invalid_grant".into()),
        granted("refresh-1", None),
    ] {
        let agent = Agent::signed_in().await;
        let shown = format!("{answer:?}");
        renew(&agent, answer).await;
        assert_eq!((agent.provider.calls(), on_disk(&agent).intent), (1, None), "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_stored_after_the_sign_out_is_removed_again_and_revoked() {
    let agent = Arc::new(Agent::signed_in().await);
    agent.store.hold_saves();
    agent.clock.jump(200);
    let caller = agent.caller(0, 30);
    agent.provider.called(1).await;
    // It does not wait for a store that hangs.
    assert_eq!(agent.worker().sign_out(false).await.unwrap(), SignedOut::Revoked);
    assert!(caller.await.unwrap().is_err());
    assert_eq!(
        (agent.stored(), agent.provider.revoked()),
        (None, vec!["refresh-0".into(), "access-0".into()])
    );
    agent.store.release();
    pass(1).await;
    assert_eq!(agent.stored(), None);
    assert_eq!(agent.provider.revoked()[2..], ["refresh-1", "access-1"]);
    let record = on_disk(&agent);
    assert_eq!((record.signed_out, record.store, record.last_renewed_at), (true, None, None));
}

#[tokio::test(start_paused = true)]
async fn what_is_granted_to_a_past_generation_is_revoked_and_not_even_offered_to_the_store() {
    let agent = Agent::signed_in().await;
    let saves = agent.store.saves();
    agent.provider.held.send_replace(true);
    pass(60).await;
    agent.provider.called(1).await;
    agent.worker().sign_out(false).await.unwrap();
    agent.provider.held.send_replace(false);
    pass(1).await;
    assert_eq!(agent.provider.revoked(), ["refresh-0", "access-0", "refresh-1", "access-1"]);
    assert_eq!((agent.stored(), agent.store.saves()), (None, saves));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_reports_tokens_of_a_past_generation_has_them_revoked() {
    let agent = Agent::signed_in().await;
    let shared = Arc::clone(&agent.registry.shared);
    let views = watch::Sender::new(Arc::default());
    let mut worker = Worker::new(Arc::new(Mutex::new(work())), shared, Arc::new(Semaphore::new(1)), views);
    let stale = Revocable {
        refresh: Some(RefreshToken::new("stale-refresh")),
        access: Some(AccessToken::new("stale-access")),
    };
    let learned = Learned { stale: Some(stale), ..Learned::default() };
    worker.on_done(Ok(JobDone::Token(JobOutcome::Settled, Box::new(learned))));
    pass(1).await;
    assert_eq!(agent.provider.revoked(), ["stale-refresh", "stale-access"]);
}

#[tokio::test(start_paused = true)]
async fn an_intent_that_could_not_be_written_is_shown_until_one_could() {
    let agent = Agent::signed_in().await;
    let noted = || {
        let view = agent.worker().view();
        let notes = convert::status(&work(), &view, agent.clock.now()).notes;
        (view.intent_unwritten, notes.iter().any(|note| note.contains("sessions.json")))
    };
    let file = agent.places.places().run_dir().join("sessions.json");
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir_all(file.join("in the way")).unwrap();
    renew(&agent, granted("refresh-1", None)).await;
    assert_eq!((agent.provider.calls(), agent.stored().as_deref()), (1, Some("refresh-1")));
    assert_eq!(noted(), (true, true));
    std::fs::remove_dir_all(&file).unwrap();
    renew(&agent, granted("refresh-2", None)).await;
    assert_eq!(noted(), (false, false));
}

#[tokio::test(start_paused = true)]
async fn the_recorded_end_of_the_session_counts_from_the_renewal_and_is_the_providers_word() {
    let agent = Agent::signed_in().await;
    renew(&agent, granted("refresh-1", Some(3600))).await;
    let renewed_at = unix(agent.clock.now());
    let record = on_disk(&agent);
    assert_eq!(
        (record.last_renewed_at, record.refresh_expires_at),
        (Some(renewed_at), Some(renewed_at + 3600))
    );
    // The same token again, with a shorter life, counted anew.
    renew(&agent, granted("refresh-1", Some(60))).await;
    let renewed_at = unix(agent.clock.now());
    assert_eq!(on_disk(&agent).refresh_expires_at, Some(renewed_at + 60));
    renew(&agent, granted("refresh-2", None)).await;
    assert_eq!(on_disk(&agent).refresh_expires_at, None, "the provider no longer says");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_the_store_had_refused_is_stored_with_the_next_renewal_although_it_is_the_same() {
    let agent = Agent::signed_in().await;
    agent.store.fail_next_save(StoreError::Failed("disk full".into()));
    renew(&agent, granted("refresh-1", None)).await;
    assert_eq!(agent.stored().as_deref(), Some("refresh-0"));
    agent.provider.script.lock().unwrap().push(granted("refresh-1", None));
    // Before the store is asked again by itself.
    pass(11).await;
    agent.token(95, 0).await.unwrap();
    assert_eq!((agent.provider.calls(), agent.stored().as_deref()), (2, Some("refresh-1")));
}
