//! Tests of the lock and of `agent.json`.

use crate::leases::program::{Programs, SystemPrograms};
use std::os::unix::net::UnixListener;

use tempfile::TempDir;

use super::*;

/// A folder, and the places of an agent in it.
pub(in crate::process) fn home() -> (TempDir, Places) {
    let dir = tempfile::tempdir().unwrap();
    let env = |name: &str| match name {
        "HOME" => Some(dir.path().into()),
        "XDG_RUNTIME_DIR" => Some(dir.path().join("runtime").into()),
        _ => None,
    };
    std::fs::create_dir(dir.path().join("runtime")).unwrap();
    let places = Places::find(&env).unwrap();
    (dir, places)
}

/// The places claimed, or a panic if somebody has them.
pub(in crate::process) async fn ours(places: &Places) -> Instance {
    match claim(places, None).await.unwrap() {
        Claim::Ours(instance) => instance,
        Claim::Theirs(running) => panic!("another agent runs: {running:?}"),
    }
}

#[tokio::test]
async fn a_second_agent_finds_the_first_one_named() {
    let (home, places) = home();
    let socket = home.path().join("agent.sock");
    let _serving = UnixListener::bind(&socket).unwrap();
    let mut first = ours(&places).await;
    first.announce(&socket).await;
    let Claim::Theirs(running) = claim(&places, None).await.unwrap() else { panic!("two agents") };
    assert_eq!((running.pid, &running.socket), (std::process::id(), &socket));
    assert_eq!(running.version, env!("CARGO_PKG_VERSION"));
    first.release().await;
    assert!(!places.agent_json().exists());
    ours(&places).await;
}

#[tokio::test]
async fn a_starting_agent_waits_for_one_that_stops() {
    let (home, places) = home();
    let socket = home.path().join("agent.sock");
    let _still_listening = UnixListener::bind(&socket).unwrap();
    let mut first = ours(&places).await;
    first.announce(&socket).await;
    first.announce_stopping().await;
    let mut next = tokio::spawn({
        let places = places.clone();
        async move { ours(&places).await }
    });
    assert!(timeout(POLL * 3, &mut next).await.is_err(), "did not wait");
    first.release().await;
    next.await.unwrap();
}

#[tokio::test]
async fn what_a_crashed_agent_left_behind_stops_nobody() {
    let (_home, places) = home();
    let crashed = ours(&places).await;
    let left = r#"{"pid": 1, "version": "0", "socket": "/gone"}"#;
    std::fs::write(places.agent_json(), left).unwrap();
    drop(crashed);
    ours(&places).await;
}

/// A file system that cannot lock, as far as this program can see it.
fn without_locks(places: &Places) {
    std::fs::create_dir_all(lock_path(places)).unwrap();
}

#[tokio::test]
async fn where_the_folder_cannot_be_locked_the_owner_file_beside_it_decides() {
    let (_home, places) = home();
    without_locks(&places);
    let first = ours(&places).await;
    assert!(first.problem.as_ref().unwrap().contains("agent.owner"), "{:?}", first.problem);
    assert_eq!(first.ownership.confirm().await, Standing::Owner);
    assert!(owner_path(&places).exists());
    first.release().await;
    assert!(!owner_path(&places).exists(), "the owner file stays behind");
}

#[tokio::test]
async fn whoever_cannot_lock_finds_the_owner_that_could() {
    let (home, places) = home();
    let socket = home.path().join("agent.sock");
    let _serving = UnixListener::bind(&socket).unwrap();
    std::fs::create_dir_all(places.run_dir()).unwrap();
    without_locks(&places);
    // Process 1 lives, and serves nobody here: it is the owner all the same.
    let owner = serde_json::json!({"pid": 1, "started": SystemPrograms.identify(1).unwrap().started,
        "namespace": crate::process::system::pid_namespace(), "locked": true});
    let running = serde_json::json!({"pid": 1, "version": "0", "socket": "/gone", "owner": owner});
    std::fs::write(places.agent_json(), running.to_string()).unwrap();
    let us = Owner::this_process().unwrap();
    assert!(matches!(attempt(&places, &us).await.unwrap(), Attempt::Taken(Some(owner)) if owner.pid() == 1));
    // By the owner file alone as well.
    std::fs::remove_file(places.agent_json()).unwrap();
    std::fs::write(owner_path(&places), owner.to_string()).unwrap();
    assert!(matches!(attempt(&places, &us).await.unwrap(), Attempt::Taken(Some(owner)) if owner.pid() == 1));
}

#[tokio::test]
async fn where_the_folder_cannot_be_written_nothing_is_owned_and_two_do_not_serve_one_runtime_folder() {
    let (home, places) = home();
    std::fs::create_dir_all(&places.config_dir).unwrap();
    std::fs::write(places.config_dir.join("run"), "in the way").unwrap();
    let mut first = ours(&places).await;
    assert!(first.problem.as_ref().unwrap().contains("no stored session is renewed"), "{:?}", first.problem);
    assert!(matches!(first.ownership.confirm().await, Standing::Guest(_)));
    // The second one finds the first by the file beside that lock.
    let socket = home.path().join("agent.sock");
    let _serving = UnixListener::bind(&socket).unwrap();
    first.announce(&socket).await;
    assert!(matches!(claim(&places, None).await.unwrap(), Claim::Theirs(_)));
    // The folder can be written by now.
    std::fs::remove_file(places.config_dir.join("run")).unwrap();
    assert_eq!(first.ownership.confirm().await, Standing::Owner);
}

#[tokio::test]
async fn a_folder_that_is_removed_under_the_agent_is_taken_again() {
    let (home, places) = home();
    let mut first = ours(&places).await;
    first.announce(&home.path().join("agent.sock")).await;
    std::fs::remove_dir_all(&places.config_dir).unwrap();
    assert_eq!(first.look_after().await, Standing::Owner);
    let running: Running = serde_json::from_slice(&std::fs::read(places.agent_json()).unwrap()).unwrap();
    assert_eq!(running.pid, std::process::id());
    assert!(matches!(attempt(&places, &Owner::this_process().unwrap()).await.unwrap(), Attempt::Taken(_)));
}

#[tokio::test]
async fn an_agent_whose_folder_another_one_has_taken_stops_owning() {
    let (_home, places) = home();
    let mut first = ours(&places).await;
    std::fs::remove_dir_all(&places.config_dir).unwrap();
    let mut second = ours(&places).await;
    second.announce(Path::new("/run/second.sock")).await;
    assert!(matches!(first.look_after().await, Standing::Lost(_)));
    assert!(shared::Ownership::may_spend(&*first.ownership).await.is_err());
    // And takes nothing of the other one along when it goes, nor says that the other one stops.
    first.announce_stopping().await;
    first.release().await;
    let named = Running::read(places.agent_json()).await.unwrap();
    assert_eq!((named.stopping, named.socket.as_path()), (false, Path::new("/run/second.sock")));
    assert_eq!(second.look_after().await, Standing::Owner);
    assert!(owner_path(&places).exists());
}

#[tokio::test]
async fn a_run_folder_that_others_can_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let (_home, places) = home();
    std::fs::create_dir_all(places.run_dir()).unwrap();
    std::fs::set_permissions(places.run_dir(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let error = claim(&places, None).await.unwrap_err();
    assert!(error.to_string().contains(&*places.run_dir().to_string_lossy()), "{error}");
}

#[tokio::test]
async fn a_file_system_that_hangs_is_given_up() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let hanging = bounded(Duration::from_millis(20), move || held.recv().map_err(io::Error::other)).await;
    assert_eq!(hanging.unwrap_err().kind(), io::ErrorKind::TimedOut);
    drop(release);
}

#[tokio::test]
async fn files_of_the_agent_are_for_its_user_alone() {
    use std::os::unix::fs::MetadataExt;
    let (home, places) = home();
    let mut instance = ours(&places).await;
    instance.announce(&home.path().join("agent.sock")).await;
    for file in [places.agent_json(), places.run_dir().join("agent.lock")] {
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600, "{}", file.display());
    }
}
