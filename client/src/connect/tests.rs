use std::fs::{Permissions, create_dir, set_permissions, write};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use seqera_agent_proto::programs::stranger;
use tempfile::TempDir;

use super::*;

fn folder() -> TempDir {
    // mkdtemp gives 0700 and this user as owner.
    tempfile::tempdir().unwrap()
}

/// Places below `root`, with one socket for each given name.
fn places(root: &Path, sockets: &[&str]) -> Places {
    Places {
        config_dir: root.to_owned(),
        config_is_default: false,
        tag: "0123456789ab".into(),
        host_id: "host".into(),
        former_id: None,
        host_name: String::new(),
        sockets: sockets.iter().map(|name| root.join(name)).collect(),
        socket_is_chosen: false,
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

fn distrust(outcome: Result<Found, Miss>) -> (PathBuf, String) {
    match outcome.map(|found| found.socket) {
        Err(Miss::Failed(Error::Distrusted { path, why })) => (path, why),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_first_place_where_somebody_listens_is_used() {
    let root = folder();
    let places = places(root.path(), &["absent/a.sock", "stale.sock", "live.sock"]);
    drop(UnixListener::bind(&places.sockets[1]).unwrap());
    let _live = UnixListener::bind(&places.sockets[2]).unwrap();
    let found = search(&places, 0, soon()).unwrap_or_else(|miss| panic!("{miss:?}"));
    assert_eq!((found.place, &found.socket), (2, &places.sockets[2]));
    assert!(matches!(search(&places, 3, soon()), Err(Miss::Nobody)));
}

#[tokio::test]
async fn a_folder_that_others_may_write_to_is_refused_with_path_and_mode() {
    for mode in [0o777, 0o1777, 0o770, 0o702] {
        let root = folder();
        let places = places(root.path(), &["agent.sock"]);
        let _live = UnixListener::bind(&places.sockets[0]).unwrap();
        set_permissions(root.path(), Permissions::from_mode(mode)).unwrap();
        let (path, why) = distrust(search(&places, 0, soon()));
        assert_eq!(path, root.path());
        assert!(why.contains(&format!("{mode:04o}")), "{why}");
    }
}

#[tokio::test]
async fn a_folder_that_is_a_link_or_a_file_is_refused() {
    let root = folder();
    create_dir(root.path().join("real")).unwrap();
    let _live = UnixListener::bind(root.path().join("real/agent.sock")).unwrap();
    symlink(root.path().join("real"), root.path().join("link")).unwrap();
    let (path, why) = distrust(search(&places(root.path(), &["link/agent.sock"]), 0, soon()));
    assert_eq!((path, why.as_str()), (root.path().join("link"), "it is a symbolic link"));
    write(root.path().join("file"), "").unwrap();
    let (_, why) = distrust(search(&places(root.path(), &["file/agent.sock"]), 0, soon()));
    assert_eq!(why, "it is not a folder");
}

#[test]
fn another_users_folder_or_process_is_refused_by_its_uid() {
    assert_eq!(stranger(1000, &[1000]), None);
    assert_eq!(stranger(0, &[0, 1000]), None);
    let why = stranger(0, &[1000]).unwrap();
    assert!(why.contains("uid 0"), "{why}");
}

#[tokio::test]
async fn a_strangers_folder_at_a_later_place_locks_nobody_out() {
    let root = folder();
    create_dir(root.path().join("open")).unwrap();
    set_permissions(root.path().join("open"), Permissions::from_mode(0o777)).unwrap();
    let places = places(root.path(), &["absent.sock", "open/agent.sock", "live.sock"]);
    assert!(matches!(search(&places, 0, soon()), Err(Miss::Nobody)));
    let _live = UnixListener::bind(&places.sockets[2]).unwrap();
    assert_eq!(search(&places, 0, soon()).map(|found| found.place).ok(), Some(2));
}

#[tokio::test]
async fn a_first_place_that_another_user_has_made_locks_nobody_out_either() {
    let root = folder();
    create_dir(root.path().join("theirs")).unwrap();
    let mut places = places(root.path(), &["theirs/agent.sock", "live.sock"]);
    if chown(root.path().join("theirs"), Some(12_345), None).is_err() {
        // Only root can give a folder away; root's own serves as well.
        places.sockets[0] = "/usr/agent.sock".into();
    }
    assert!(matches!(search(&places, 0, soon()), Err(Miss::Nobody)));
    let _live = UnixListener::bind(&places.sockets[1]).unwrap();
    assert_eq!(search(&places, 0, soon()).map(|found| found.place).ok(), Some(1));
    places.socket_is_chosen = true;
    let (_, why) = distrust(search(&places, 0, soon()));
    assert!(why.contains("uid"), "{why}");
}

#[tokio::test]
async fn the_socket_that_a_running_agent_wrote_down_is_the_last_candidate() {
    let root = folder();
    let mut places = places(root.path(), &["absent.sock"]);
    let elsewhere = folder();
    let socket = elsewhere.path().join("agent.sock");
    let _live = UnixListener::bind(&socket).unwrap();
    std::fs::create_dir_all(places.run_dir()).unwrap();
    let record = serde_json::json!({"pid": 1, "version": "9", "socket": socket});
    write(places.agent_json(), record.to_string()).unwrap();
    assert_eq!(search(&places, 0, soon()).map(|found| found.socket).ok(), Some(socket.clone()));
    assert_eq!(expected_socket(&places), Some(socket));
    places.socket_is_chosen = true;
    assert!(matches!(search(&places, 0, soon()), Err(Miss::Nobody)));
    assert_eq!(expected_socket(&places), Some(places.sockets[0].clone()));
}

#[tokio::test]
async fn a_record_that_makes_no_sense_is_no_candidate() {
    let root = folder();
    let places = places(root.path(), &["absent.sock"]);
    std::fs::create_dir_all(places.run_dir()).unwrap();
    for text in ["", "{", r#"{"socket": 5}"#, r#"{"socket": "relative.sock"}"#] {
        write(places.agent_json(), text).unwrap();
        assert_eq!(candidates(&places), places.sockets, "{text}");
        assert_eq!(expected_socket(&places), Some(places.sockets[0].clone()));
    }
}

#[tokio::test]
async fn a_full_backlog_is_waited_for_until_the_deadline() {
    let root = folder();
    let places = places(root.path(), &["agent.sock"]);
    let listener = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    listener.bind(&socket2::SockAddr::unix(&places.sockets[0]).unwrap()).unwrap();
    listener.listen(0).unwrap();
    let at_once = || Instant::now() + Duration::from_millis(30);
    // The system rounds the backlog up; some connections always fit.
    let mut waiting = Vec::new();
    let full = loop {
        match search(&places, 0, at_once()) {
            Ok(found) if waiting.len() < 64 => waiting.push(found),
            other => break other.map(|found| found.socket),
        }
    };
    assert!(matches!(full, Err(Miss::Silent)), "{full:?}");
}
