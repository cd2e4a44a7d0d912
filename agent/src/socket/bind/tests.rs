//! Binding, replacing and adopting sockets.

use std::fs::Permissions;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use tempfile::TempDir;
use tokio::net::UnixStream as AsyncStream;

use super::*;
use crate::socket::system::adopt;

fn dir() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
    dir
}

fn places(sockets: &[PathBuf]) -> Places {
    let mut places = Places::find(&|name| (name == "HOME").then(|| "/nowhere".into())).unwrap();
    places.sockets = sockets.to_vec();
    places
}

fn limits() -> Limits {
    Limits::of_descriptors(256)
}

async fn bind(sockets: &[PathBuf]) -> Result<(Socket, Incoming), AgentError> {
    Socket::bind(&places(sockets), None, limits()).await
}

#[tokio::test]
async fn the_socket_and_its_folder_are_for_their_user_alone() {
    let dir = dir();
    let path = dir.path().join("seqera/agent.sock");
    let (socket, _incoming) = bind(std::slice::from_ref(&path)).await.unwrap();
    assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
    assert_eq!(path.parent().unwrap().metadata().unwrap().mode() & 0o777, 0o700);
    drop(socket);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_place_that_does_not_work_is_passed_over() {
    let dir = dir();
    let long = dir.path().join("l".repeat(120)).join("agent.sock");
    let missing = dir.path().join("missing/below/agent.sock");
    let good = dir.path().join("good/agent.sock");
    let (socket, _incoming) = bind(&[missing.clone(), long.clone(), good.clone()]).await.unwrap();
    assert_eq!(socket.path(), good);
    let error = bind(&[missing.clone(), long]).await.unwrap_err().to_string();
    assert!(error.contains(missing.parent().unwrap().to_str().unwrap()), "{error}");
}

#[tokio::test]
async fn an_unsafe_folder_of_ones_own_is_an_error_and_not_passed_over() {
    let dir = dir();
    let open = dir.path().join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
    let good = dir.path().join("good/agent.sock");
    let error = bind(&[open.join("agent.sock"), good]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Misconfigured);
    assert!(
        error.to_string().contains(&format!("{} can be written to by others", open.display())),
        "{error}"
    );
}

/// A place that another user has made and opened to this one: as root, which may give things away; else, what
/// root has.
fn squatted(dir: &TempDir, make: fn(&Path)) -> (PathBuf, u32) {
    let place = dir.path().join("squatted");
    make(&place);
    match lchown(&place, Some(12_345), None) {
        Ok(()) => (place, 12_345),
        Err(_) => (PathBuf::from("/usr"), 0),
    }
}

#[tokio::test]
async fn what_another_user_has_put_in_a_place_is_passed_over_and_named() {
    let makers: [fn(&Path); 3] = [
        |place| std::fs::create_dir(place).unwrap(),
        |place| std::fs::write(place, "").unwrap(),
        |place| symlink("/nonexistent", place).unwrap(),
    ];
    for make in makers {
        let dir = dir();
        let (place, owner) = squatted(&dir, make);
        let good = dir.path().join("good/agent.sock");
        let (socket, _incoming) = bind(&[place.join("agent.sock"), good.clone()]).await.unwrap();
        assert_eq!(socket.path(), good);
        let [problem] = socket.passed_over() else { panic!("{:?}", socket.passed_over()) };
        let named = format!("{} belongs to uid {owner}, not to you", place.display());
        assert!(problem.contains(&named), "{problem}");
    }
}

#[tokio::test]
async fn where_the_only_place_is_another_users_the_error_names_them() {
    let dir = dir();
    let (place, owner) = squatted(&dir, |place| std::fs::create_dir(place).unwrap());
    let missing = dir.path().join("missing/below/agent.sock");
    let error = bind(&[missing.clone(), place.join("agent.sock")]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Misconfigured);
    let text = error.to_string();
    assert!(text.contains(&format!("belongs to uid {owner}")), "{text}");
    assert!(text.contains(missing.parent().unwrap().to_str().unwrap()), "every place is named: {text}");
}

#[tokio::test]
async fn a_socket_that_nobody_listens_to_is_replaced() {
    let dir = dir();
    let path = dir.path().join("agent.sock");
    drop(UnixListener::bind(&path).unwrap());
    let (_socket, mut incoming) = bind(std::slice::from_ref(&path)).await.unwrap();
    let _client = AsyncStream::connect(&path).await.unwrap();
    let connection = incoming.recv().await.unwrap();
    let peer = &connection.caller().peer;
    assert_eq!(peer.pid, Some(std::process::id()));
    assert_eq!(peer.exe, std::env::current_exe().ok());
}

#[tokio::test]
async fn a_socket_that_is_served_and_a_file_of_another_kind_are_left_alone() {
    let dir = dir();
    let (served, file) = (dir.path().join("served.sock"), dir.path().join("file.sock"));
    let _other = UnixListener::bind(&served).unwrap();
    std::fs::write(&file, "precious").unwrap();
    let error = bind(std::slice::from_ref(&served)).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("is served by another program"), "{text}");
    assert!(text.contains(&format!("(pid {})", std::process::id())), "{text}");
    assert!(error.hint().contains("HOME") && !error.hint().contains("0700"), "{}", error.hint());
    let error = bind(std::slice::from_ref(&file)).await.unwrap_err().to_string();
    assert!(error.contains("is not a socket"), "{error}");
    assert!(UnixStream::connect(&served).is_ok());
    assert_eq!(std::fs::read_to_string(file).unwrap(), "precious");
}

#[tokio::test]
async fn where_the_agent_of_another_folder_serves_the_next_place_is_used() {
    let dir = dir();
    let (served, next) = (dir.path().join("served.sock"), dir.path().join("next.sock"));
    let _other = UnixListener::bind(&served).unwrap();
    let (socket, _incoming) = bind(&[served.clone(), next.clone()]).await.unwrap();
    assert_eq!(socket.path(), next);
    assert!(UnixStream::connect(&served).is_ok(), "it serves on");
}

#[tokio::test]
async fn a_socket_whose_file_disappears_is_bound_again() {
    let dir = dir();
    let (first, second) = (dir.path().join("a/agent.sock"), dir.path().join("b/agent.sock"));
    let (mut socket, mut incoming) = bind(&[first.clone(), second.clone()]).await.unwrap();
    assert!(!socket.ensure().await.unwrap());
    std::fs::remove_dir_all(first.parent().unwrap()).unwrap();
    assert!(socket.ensure().await.unwrap());
    assert_eq!(socket.path(), first);
    // A symbolic link to nowhere replaces the folder; once it is gone, the socket can be bound again.
    std::fs::remove_dir_all(first.parent().unwrap()).unwrap();
    std::fs::create_dir_all(first.join("is a folder now")).unwrap();
    std::fs::remove_dir_all(first.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/nonexistent", first.parent().unwrap()).unwrap();
    assert!(socket.ensure().await.is_err());
    std::fs::remove_file(first.parent().unwrap()).unwrap();
    assert!(socket.ensure().await.unwrap());
    let _client = AsyncStream::connect(socket.path()).await.unwrap();
    assert!(incoming.recv().await.is_some());
}

#[tokio::test]
async fn beyond_its_share_a_process_is_refused_until_one_of_its_connections_has_ended() {
    let dir = dir();
    let path = dir.path().join("agent.sock");
    let mut limits = limits();
    limits.process.connections = 1;
    let (_socket, mut incoming) =
        Socket::bind(&places(std::slice::from_ref(&path)), None, limits).await.unwrap();
    let connect = async || AsyncStream::connect(&path).await.unwrap();
    let (_first, _second) = (connect().await, connect().await);
    let (first, second) = (incoming.recv().await.unwrap(), incoming.recv().await.unwrap());
    assert!(!first.caller().seat.is_refused());
    assert!(second.caller().seat.is_refused());
    drop(first);
    let _third = connect().await;
    assert!(!incoming.recv().await.unwrap().caller().seat.is_refused());
}

#[tokio::test]
async fn a_listening_socket_with_a_safe_folder_is_adopted() {
    let dir = dir();
    let path = dir.path().join("agent.sock");
    let made = UnixListener::bind(&path).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
    let listener = adopt(OwnedFd::from(made)).unwrap();
    assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
    let (socket, mut incoming) = Socket::bind(&places(&[]), Some(listener), limits()).await.unwrap();
    let _client = AsyncStream::connect(&path).await.unwrap();
    assert!(incoming.recv().await.is_some());
    drop(socket);
    assert!(path.exists(), "the service manager removes its own file");
}

#[tokio::test]
async fn what_is_not_a_listening_socket_is_not_adopted() {
    let dir = dir();
    let file = std::fs::File::create(dir.path().join("file")).unwrap();
    let datagram = UnixDatagram::bind(dir.path().join("datagram")).unwrap();
    let (connected, _other) = UnixStream::pair().unwrap();
    for descriptor in [OwnedFd::from(file), OwnedFd::from(datagram), OwnedFd::from(connected)] {
        assert!(adopt(descriptor).unwrap_err().to_string().starts_with("descriptor 3: "));
    }
    std::fs::set_permissions(dir.path(), Permissions::from_mode(0o770)).unwrap();
    let listening = UnixListener::bind(dir.path().join("agent.sock")).unwrap();
    let error = adopt(OwnedFd::from(listening)).unwrap_err().to_string();
    assert!(error.contains("can be written to by others"), "{error}");
}
