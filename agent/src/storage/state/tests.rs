use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::UNIX_EPOCH;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;
use crate::token::Account;

fn places(home: &TempDir, host: &str) -> Places {
    Places {
        config_dir: home.path().join("seqera-ai"),
        config_is_default: true,
        tag: "0123456789ab".into(),
        host_id: host.into(),
        former_id: None,
        host_name: String::new(),
        sockets: Vec::new(),
        socket_is_chosen: false,
    }
}

fn work() -> ProfileName {
    "work".parse().unwrap()
}

fn sign_in(record: &mut Record) {
    let account = Account { subject: "42".into(), email: "ada@sandbox.test".into(), ..Account::default() };
    *record = Record { account: Some(account), logged_in_at: Some(1_767_225_600), ..Record::default() };
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[tokio::test]
async fn a_change_is_seen_at_once_and_is_durable_when_it_is_answered() {
    let home = tempfile::tempdir().unwrap();
    let state = State::open(&places(&home, "host-a"));
    assert_eq!(state.record(&work()), None);
    state.update(&work(), sign_in).await.unwrap();
    state.set_default(Some(work())).await.unwrap();
    let again = State::open(&places(&home, "host-a"));
    assert_eq!(again.snapshot(), state.snapshot());
    assert_eq!(again.snapshot().default_profile, Some(work()));
    for path in [state.files.sessions_path(), state.files.summary_path()] {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
    }
    let summary = json_of(&state.files.summary_path());
    assert_eq!(summary["profiles"]["work"]["last_login"], 1_767_225_600);
}

#[tokio::test]
async fn what_a_newer_version_wrote_survives() {
    let home = tempfile::tempdir().unwrap();
    let places = places(&home, "host-a");
    let newer = json!({
        "later": [1],
        "profiles": {"work": {"profile": {"authority": "https://a", "clientId": "c"}, "proxy": {"x": 1}}},
    });
    durable::private_folder(&places.run_dir()).unwrap();
    fs::write(places.run_dir().join("sessions.json"), newer.to_string()).unwrap();
    let state = State::open(&places);
    state.update(&work(), |record| record.signed_out = true).await.unwrap();
    let written = json_of(&state.files.sessions_path());
    assert_eq!((&written["later"], &written["profiles"]["work"]["proxy"]), (&json!([1]), &json!({"x": 1})));
    assert_eq!(written["profiles"]["work"]["signedOut"], true);
}

#[tokio::test]
async fn changes_that_come_during_a_write_share_the_next_one() {
    let home = tempfile::tempdir().unwrap();
    let state = State::open(&places(&home, "host-a"));
    let (free, blocked) = std::sync::mpsc::sync_channel::<()>(1);
    state.lane.post(move || blocked.recv().unwrap());
    let mut updates = JoinSet::new();
    for n in 0..50 {
        let state = state.clone();
        let name: ProfileName = format!("p{n}").parse().unwrap();
        updates.spawn(async move { state.update(&name, sign_in).await });
    }
    while state.snapshot().profiles.len() < 50 {
        tokio::task::yield_now().await;
    }
    free.send(()).unwrap();
    assert!(updates.join_all().await.into_iter().all(|result| result.is_ok()));
    assert_eq!(lock(&state.files.written).count, 1);
    assert_eq!(State::open(&places(&home, "host-a")).snapshot().profiles.len(), 50);
}

/// A lease in the form of the file.
fn lease() -> Value {
    json!({
        "name": "seqera-ada", "profile": "work", "settings": {"authority": "https://a", "clientId": "c"},
        "subject": "42", "host": "host-a", "program": "nextflow", "ends": {"at": 9_999_999_999_u64},
        "createdAt": 7, "ending": false,
    })
}

async fn add_lease(state: &State, id: &str) -> Result<(), StateError> {
    let (id, lease) = (id.to_owned(), serde_json::from_value(lease()).unwrap());
    state.change(|sessions| drop(sessions.leases.insert(id, lease))).await
}

#[tokio::test]
async fn more_changes_at_once_than_any_queue_holds_are_all_written() {
    let home = tempfile::tempdir().unwrap();
    let state = State::open(&places(&home, "host-a"));
    let mut updates = JoinSet::new();
    for n in 0..1000 {
        let state = state.clone();
        updates.spawn(async move { add_lease(&state, &format!("{n:08x}")).await });
    }
    assert!(updates.join_all().await.into_iter().all(|result| result.is_ok()));
    assert!(lock(&state.files.written).count < 1000);
    assert_eq!(State::open(&places(&home, "host-a")).snapshot().leases.len(), 1000);
}

#[tokio::test]
async fn a_lease_and_a_session_are_written_without_each_other() {
    use std::os::unix::fs::MetadataExt;
    let home = tempfile::tempdir().unwrap();
    let state = State::open(&places(&home, "host-a"));
    state.update(&work(), sign_in).await.unwrap();
    let files = [state.files.sessions_path(), state.files.summary_path()];
    let seen = || files.each_ref().map(|path| fs::metadata(path).unwrap().ino());
    let before = seen();
    add_lease(&state, "0000000a").await.unwrap();
    assert_eq!(seen(), before, "whole files are replaced when they are written");
    let journal = journal::path(&state.files.run_folder);
    let written = fs::read(&journal).unwrap();
    state.update(&work(), |record| record.refresh_expires_at = Some(7)).await.unwrap();
    assert_ne!(seen(), before);
    assert_eq!(fs::read(&journal).unwrap(), written);
    assert!(json_of(&files[0]).get("leases").is_none());
    assert_eq!(State::open(&places(&home, "host-a")).snapshot(), state.snapshot());
}

#[tokio::test]
async fn leases_that_an_older_version_has_recorded_are_moved_to_the_journal() {
    let home = tempfile::tempdir().unwrap();
    let places = places(&home, "host-a");
    durable::private_folder(&places.run_dir()).unwrap();
    let older = json!({"profiles": {}, "leases": {"0000000a": lease(), "0000000b": lease()}});
    fs::write(places.run_dir().join("sessions.json"), older.to_string()).unwrap();
    let state = State::open(&places);
    assert_eq!(state.snapshot().leases.len(), 2);
    state.change(|sessions| drop(sessions.leases.remove("0000000a"))).await.unwrap();
    assert!(json_of(&state.files.sessions_path()).get("leases").is_none());
    let again = State::open(&places);
    assert_eq!(again.snapshot().leases.keys().collect::<Vec<_>>(), ["0000000b"]);
    assert_eq!(crate::storage::other_hosts::leases(&self::places(&home, "host-b"), "").len(), 1);
}

#[tokio::test]
async fn a_damaged_journal_is_named_and_left_and_stops_no_session() {
    let home = tempfile::tempdir().unwrap();
    let places = places(&home, "host-a");
    let path = journal::path(&places.run_dir());
    let state = State::open(&places);
    state.update(&work(), sign_in).await.unwrap();
    add_lease(&state, "0000000a").await.unwrap();
    fs::write(&path, "{,\n").unwrap();
    let state = State::open(&places);
    let named = format!("{}:1:2: ", path.display());
    assert!(state.problems()[0].starts_with(&named), "{:?}", state.problems());
    let refused = add_lease(&state, "0000000b").await;
    assert!(matches!(&refused, Err(StateError::Corrupt(text)) if text.starts_with(&named)), "{refused:?}");
    state.update(&work(), |record| record.refresh_expires_at = Some(7)).await.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "{,\n");
    assert_eq!(state.set_aside(UNIX_EPOCH + Duration::from_secs(7)).await.unwrap().len(), 1);
    add_lease(&state, "0000000b").await.unwrap();
    assert_eq!((state.problems(), State::open(&places).snapshot()), (vec![], state.snapshot()));
}

#[tokio::test]
async fn a_change_that_could_not_be_written_is_kept_told_and_written_later() {
    let home = tempfile::tempdir().unwrap();
    let state = State::open(&places(&home, "host-a"));
    state.update(&work(), sign_in).await.unwrap();
    let folder = &state.files.run_folder;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
    let failed = state.update(&work(), |record| record.refresh_expires_at = Some(7)).await;
    assert!(matches!(&failed, Err(StateError::Failed(text)) if text.contains("chmod go-w")), "{failed:?}");
    assert_eq!(state.record(&work()).unwrap().refresh_expires_at, Some(7));
    assert_eq!(state.problems().len(), 1);
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
    state.flush().await.unwrap();
    assert_eq!(state.problems(), Vec::<String>::new());
    assert_eq!(State::open(&places(&home, "host-a")).record(&work()).unwrap().refresh_expires_at, Some(7));
}

#[tokio::test]
async fn a_corrupt_file_is_named_with_its_line_and_never_overwritten_until_it_is_set_aside() {
    let home = tempfile::tempdir().unwrap();
    let places = places(&home, "host-a");
    let path = places.run_dir().join("sessions.json");
    durable::private_folder(&places.run_dir()).unwrap();
    fs::write(&path, "{\n  \"profiles\": {,\n").unwrap();
    let state = State::open(&places);
    let named = format!("{}:2:16: ", path.display());
    assert!(state.problems()[0].starts_with(&named), "{:?}", state.problems());
    let refused = state.update(&work(), sign_in).await;
    assert!(matches!(&refused, Err(StateError::Corrupt(text)) if text.starts_with(&named)), "{refused:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\n  \"profiles\": {,\n");
    let aside = state.set_aside(UNIX_EPOCH + Duration::from_secs(7)).await.unwrap();
    assert_eq!(aside, [places.run_dir().join("sessions.json.corrupt-7")]);
    state.update(&work(), sign_in).await.unwrap();
    assert_eq!(
        (state.problems(), json_of(&path)["profiles"]["work"]["kind"].as_str()),
        (vec![], Some("renewable"))
    );
}

#[tokio::test]
async fn what_is_no_file_is_named_and_left_until_it_is_set_aside() {
    let home = tempfile::tempdir().unwrap();
    let places = places(&home, "host-a");
    let (sessions, summary) =
        (places.run_dir().join("sessions.json"), places.config_dir.join("auth-state.json"));
    durable::private_folder(&places.run_dir()).unwrap();
    for path in [&sessions, &summary] {
        crate::testing::odd::named_pipe(path);
    }
    let state = State::open(&places);
    let named = |path: &Path| format!("{} is a named pipe, not a file", path.display());
    assert!(state.problems()[0].starts_with(&named(&sessions)), "{:?}", state.problems());
    assert_eq!(state.update(&work(), sign_in).await, Err(StateError::Corrupt(named(&sessions))));
    assert_eq!(state.set_aside(UNIX_EPOCH + Duration::from_secs(7)).await.unwrap().len(), 2);
    state.update(&work(), sign_in).await.unwrap();
    assert_eq!(state.problems(), Vec::<String>::new());
}

#[tokio::test]
async fn a_corrupt_summary_stops_nothing_and_stays_as_it_is() {
    let home = tempfile::tempdir().unwrap();
    let places = places(&home, "host-a");
    let path = places.config_dir.join("auth-state.json");
    durable::private_folder(&places.config_dir).unwrap();
    fs::write(&path, "[1").unwrap();
    let state = State::open(&places);
    state.update(&work(), sign_in).await.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "[1");
    assert!(state.problems()[0].starts_with(&format!("{}:1:2: ", path.display())), "{:?}", state.problems());
    state.set_aside(UNIX_EPOCH + Duration::from_secs(7)).await.unwrap();
    state.update(&work(), |record| record.ended = Some("refused".into())).await.unwrap();
    assert_eq!(json_of(&path)["profiles"]["work"]["status"], "expired");
}

#[tokio::test]
async fn two_hosts_over_one_home_have_sessions_of_their_own_and_one_summary() {
    let home = tempfile::tempdir().unwrap();
    let (first, second) = (State::open(&places(&home, "host-a")), State::open(&places(&home, "host-b")));
    first.update(&work(), sign_in).await.unwrap();
    second.update(&"lab".parse().unwrap(), sign_in).await.unwrap();
    assert_eq!(State::open(&places(&home, "host-a")).snapshot().profiles.len(), 1);
    let summary = json_of(&first.files.summary_path());
    assert_eq!(summary["profiles"].as_object().unwrap().keys().collect::<Vec<_>>(), ["lab", "work"]);
}
