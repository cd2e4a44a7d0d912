//! Tests of the records under another id.

use std::os::unix::net::UnixListener;

use tempfile::TempDir;

use super::*;
use crate::process::instance::tests::{self as instance, ours};
use crate::sessions::shared::OtherHosts;

/// The places of a host with a lasting id, and of the same host under its id of earlier versions, `old`.
fn home() -> (TempDir, Places, Places) {
    let (dir, found) = instance::home();
    let now = Places { host_id: "now".into(), former_id: Some("old".into()), ..found };
    let old = places_of(&now, "old");
    let old = Places { former_id: None, ..old };
    (dir, now, old)
}

fn leave_sessions(places: &Places) {
    std::fs::create_dir_all(places.run_dir()).unwrap();
    std::fs::write(places.run_dir().join("sessions.json"), "{\"profiles\":{}}").unwrap();
}

/// Drops what is held, and waits until others can have it.
async fn given_back(held: Hold, neighbours: &Neighbours, host: &str) {
    drop(held);
    while neighbours.hold(host).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_sessions_of_an_earlier_id_are_inherited_once_its_agent_has_ended() {
    let (_home, now, old) = home();
    assert_eq!(inherit(&now).await.unwrap(), None);
    leave_sessions(&old);
    let earlier = ours(&old).await;
    let waiting = inherit(&now);
    tokio::pin!(waiting);
    assert!(tokio::time::timeout(POLL * 3, &mut waiting).await.is_err(), "its owner lives");
    assert!(old.run_dir().join("sessions.json").exists());
    earlier.release().await;
    assert_eq!(waiting.await.unwrap(), None);
    let moved = std::fs::read_to_string(now.run_dir().join("sessions.json")).unwrap();
    assert!(moved.contains("\"keptUnder\": \"old\""), "{moved}");
    assert!(!old.run_dir().join("sessions.json").exists());
}

#[tokio::test]
async fn an_agent_of_an_earlier_version_that_serves_is_the_agent() {
    let (home, now, old) = home();
    leave_sessions(&old);
    let socket = home.path().join("agent.sock");
    let _serving = UnixListener::bind(&socket).unwrap();
    let mut earlier = ours(&old).await;
    earlier.announce(&socket).await;
    let running = inherit(&now).await.unwrap().expect("it serves");
    assert_eq!(running.socket, socket);
    assert!(old.run_dir().join("sessions.json").exists());
}

#[tokio::test]
async fn what_has_records_of_its_own_inherits_nothing() {
    let (_home, now, old) = home();
    leave_sessions(&old);
    leave_sessions(&now);
    assert_eq!(inherit(&now).await.unwrap(), None);
    assert!(old.run_dir().join("sessions.json").exists());
}

#[tokio::test]
async fn a_host_is_held_while_its_session_is_taken_and_not_while_its_agent_runs() {
    let (_home, now, old) = home();
    let neighbours = Neighbours(now);
    let agent = ours(&old).await;
    let refused = neighbours.hold("old").await.map(drop).unwrap_err();
    assert!(refused.contains("seqera agent stop"), "{refused}");
    agent.release().await;
    let held = neighbours.hold("old").await.unwrap();
    assert!(neighbours.hold("old").await.is_err(), "two at once");
    given_back(held, &neighbours, "old").await;
    ours(&old).await;
}

#[tokio::test]
async fn an_owner_that_could_not_lock_counts_as_alive_where_other_hosts_see_the_folder() {
    let (_home, now, old) = home();
    std::fs::create_dir_all(old.run_dir()).unwrap();
    let owner = r#"{"pid":7,"started":"1@another-boot","namespace":"","locked":false}"#;
    let path = owner_path(&old);
    std::fs::write(&path, owner).unwrap();
    let shared = Neighbours(Places { former_id: None, ..now.clone() });
    let refused = shared.hold("old").await.map(drop).unwrap_err();
    assert!(refused.contains(&path.display().to_string()), "{refused}");
    assert!(path.exists());
    // On a local file system another boot is an earlier one of this host.
    assert!(Neighbours(now).hold("old").await.is_ok());
}
