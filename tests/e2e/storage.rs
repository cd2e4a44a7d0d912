//! What is on disk: who may read it, what it can be used for, and what happens if it is corrupt.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Sandbox};

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode() & 0o777
}

fn sessions_file(home: &Home) -> PathBuf {
    let hosts = std::fs::read_dir(home.config_dir().join("run")).expect("the run folder").flatten();
    hosts.map(|host| host.path().join("sessions.json")).find(|file| file.exists()).expect("sessions.json")
}

#[test]
fn everything_that_is_kept_is_private_whatever_the_umask_says() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.shell("umask 000; seqera agent start").run().ok();
    home.login("work", &sandbox, ADA);
    let config = home.config_dir();
    for folder in [config.clone(), config.join("run"), home.socket_dir()] {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
    }
    let log = home.root().join("state/seqera/agent.log");
    let files = ["refresh-token.work", "auth-state.json"].map(|name| config.join(name));
    for file in files.into_iter().chain([sessions_file(&home), log, home.socket_dir().join("agent.sock")]) {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn a_stored_token_is_never_sent_to_another_authority() {
    let (home, right, wrong) = (Home::new(), Sandbox::calm(), Sandbox::calm());
    home.login("work", &right, ADA);
    home.seqera("agent restart").run().ok();
    let elsewhere = |args: &str| home.seqera(args).env("SEQERA_AUTH_DOMAIN", &wrong.authority);
    let refused = elsewhere("token -o json").env("SEQERA_PROFILE", "work").run().fails_with(2).error_json();
    assert_eq!(refused["reason"], "AUTHORITY_MISMATCH");
    // Not even if the configuration is edited to point elsewhere.
    let profiles = serde_json::json!({"profiles": {"work": {"authority": wrong.authority}}});
    home.write_config("config.json", &profiles.to_string());
    home.seqera("agent restart").run().ok();
    home.seqera("token --profile work").run();
    assert_eq!(wrong.stats()["calls"], serde_json::json!({}), "the other authority was not called at all");
}

#[test]
fn a_corrupt_secret_file_is_named_and_never_overwritten() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    home.seqera("agent stop").run().ok();
    let file = home.write_config("refresh-token.work", "{\"authority\": \"http");
    let failed = home.seqera("token --profile work").run().fails_with(5);
    assert!(failed.stderr.contains("refresh-token.work"), "{}", failed.stderr);
    assert_eq!(std::fs::read_to_string(&file).expect("it is there"), "{\"authority\": \"http");
    // A login sets it aside.
    home.login("work", &sandbox, ADA);
    let names = std::fs::read_dir(home.config_dir()).expect("the folder").flatten();
    let aside = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    assert!(aside.into_iter().any(|name| name.starts_with("refresh-token.work.corrupt-")));
}

#[test]
fn corrupt_session_records_are_named_never_overwritten_and_lose_no_token() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    home.seqera("agent stop").run().ok();
    let file = sessions_file(&home);
    let good = std::fs::read(&file).expect("it is there");
    std::fs::write(&file, "{\n  broken").expect("it can be written");
    let failed = home.seqera("token --profile work").run();
    assert_ne!(failed.code, Some(0), "{failed:?}");
    let status = home.seqera("agent status").run().ok();
    let told = format!("{}{}", status.stdout, status.stderr);
    assert!(told.contains("sessions.json:2"), "file and line are named: {told}");
    assert_eq!(std::fs::read(&file).expect("it is there"), b"{\n  broken");
    assert!(home.config_dir().join("refresh-token.work").exists());
    // After a repair by hand, everything is as it was.
    home.seqera("agent stop").run().ok();
    std::fs::write(&file, good).expect("it can be written");
    assert_eq!(sandbox.user_info(&home.token("work")).status, 200);
}

#[test]
fn a_corrupt_summary_is_left_alone_and_the_session_goes_on() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let file = home.write_config("auth-state.json", "{\"profiles\": [");
    home.login("work", &sandbox, ADA);
    assert_eq!(std::fs::read_to_string(&file).expect("it is there"), "{\"profiles\": [");
    home.seqera("agent restart").run().ok();
    assert_eq!(sandbox.user_info(&home.token("work")).status, 200);
    let status = home.seqera("agent status").run().ok();
    assert!(status.stderr.contains("auth-state.json"), "{}", status.stderr);
}

#[test]
fn unknown_keys_of_the_summary_survive() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let file =
        home.write_config("auth-state.json", r#"{"profiles": {"old": {"user": "v1"}}, "theme": "dark"}"#);
    home.login("work", &sandbox, ADA);
    let text = std::fs::read_to_string(file).expect("it is there");
    let state: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!((&state["theme"], &state["profiles"]["old"]["user"]), (&"dark".into(), &"v1".into()));
    assert_eq!(state["profiles"]["work"]["user"], ADA);
}

#[test]
fn a_session_in_memory_only_is_not_lost_by_a_careless_stop() {
    let (home, sandbox) = (Home::new().with("SEQERA_CREDENTIAL_STORE", "memory"), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    assert_eq!(home.status("work")["store"], "memory");
    let refused = home.seqera("agent stop").run();
    assert_ne!(refused.code, Some(0));
    assert!(refused.stderr.contains("work"), "{}", refused.stderr);
    home.token("work");
    home.seqera("agent stop --force").run().ok();
}
