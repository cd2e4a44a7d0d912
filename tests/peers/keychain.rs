//! GNOME Keyring, the keychain of most Linux desktops, both when it works and when it does not.

use std::path::PathBuf;
use std::time::Duration;

use seqera_tests::browser::{authorization_url, sign_in};
use seqera_tests::keyring::Keyring;
use seqera_tests::sandbox::ADA;
use seqera_tests::wait::Stopwatch;
use seqera_tests::{Home, Sandbox, eventually};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn a_login_is_kept_in_the_keychain_survives_a_restart_renews_and_leaves_nothing() {
    let mut home = Home::new();
    let Some(keyring) = Keyring::start(&mut home) else { return };
    let sandbox = Sandbox::start(&json!({"access_lifetime": 6}));
    home.login("work", &sandbox, ADA);
    assert_eq!(home.status("work")["store"], "keychain");
    assert!(
        !home.config_dir().join("refresh-token.work").exists(),
        "the file is for those without a keychain"
    );
    let first = keyring.agent_secrets(&home);
    assert!(first.contains(&sandbox.authority), "the record says where the token belongs: {first}");

    sandbox.wait_for("refresh", 1);
    eventually(LIMIT, "the new token in the keychain", || {
        (keyring.agent_secrets(&home) != first).then_some(())
    });
    home.seqera("agent restart").run().ok();
    assert_eq!(sandbox.user_info(&home.token("work")).status, 200);
    assert_eq!(sandbox.count("reuses"), 0);

    home.seqera("logout --all").run().ok();
    assert!(!keyring.agent_secrets(&home).contains("secret ="), "nothing of the agent is left");
    assert_eq!(sandbox.count("tokens_alive"), 0);
}

#[test]
fn a_frozen_keychain_neither_blocks_a_login_nor_the_exit() {
    let mut home = Home::new();
    let Some(keyring) = Keyring::start(&mut home) else { return };
    let sandbox = Sandbox::calm();
    let agent = home.start_agent();
    keyring.freeze();
    let watch = Stopwatch::start();
    let args = format!("login --no-browser --profile work --authority {}", sandbox.authority);
    let mut login = home.seqera(&args).start();
    let url = login.until("authorization URL", authorization_url);
    sign_in(&url, ADA);
    login.finish(LIMIT).ok();
    assert!(watch.elapsed() < Duration::from_secs(20), "the login took {:?}", watch.elapsed());
    assert_eq!(home.status("work")["store"], "file");
    let watch = Stopwatch::start();
    assert_eq!(sandbox.user_info(&home.token("work")).status, 200);
    assert!(watch.elapsed() < Duration::from_secs(3), "a token in memory waits for no keychain");
    let watch = Stopwatch::start();
    home.seqera("agent stop").run().ok();
    agent.finish(Duration::from_secs(20)).ok();
    assert!(watch.elapsed() < Duration::from_secs(10), "the exit took {:?}", watch.elapsed());
    // The session is in the file, so it survives both the agent and the keychain.
    assert_eq!(sandbox.user_info(&home.token("work")).status, 200);
    keyring.thaw();
}

#[test]
fn what_a_frozen_keychain_does_late_is_undone() {
    let mut home = Home::new();
    let Some(keyring) = Keyring::start(&mut home) else { return };
    let sandbox = Sandbox::calm();
    home.login("work", &sandbox, ADA);
    keyring.freeze();
    let out = home.seqera("logout --profile work").run();
    assert_eq!(sandbox.count("tokens_alive"), 0, "the provider was told: {out:?}");
    keyring.thaw();
    let gone = || (!keyring.agent_secrets(&home).contains("secret =")).then_some(());
    eventually(LIMIT, "an empty keychain", gone);
    assert_eq!(home.seqera("token --profile work").run().code, Some(3));
}

#[test]
fn a_locked_keychain_is_an_error_with_a_hint_and_loses_no_session() {
    let mut home = Home::new();
    let Some(mut keyring) = Keyring::start(&mut home) else { return };
    let sandbox = Sandbox::calm();
    home.login("work", &sandbox, ADA);
    home.seqera("agent stop").run().ok();
    keyring.lock(&home);
    let watch = Stopwatch::start();
    let refused = home.seqera("token --profile work -o json").run().fails_with(5).error_json();
    assert_eq!(refused["reason"], "KEYCHAIN_LOCKED");
    assert!(refused["hint"].is_string(), "{refused}");
    assert!(watch.elapsed() < Duration::from_secs(10), "a prompt was waited for: {:?}", watch.elapsed());
    assert_eq!(sandbox.count("refresh_attempts"), 0);
    keyring.unlock(&mut home);
    let token = || Some(home.seqera("token --profile work").run()).filter(|run| run.code == Some(0));
    let token = eventually(LIMIT, "a token once the keychain is open", token);
    assert_eq!(sandbox.user_info(token.line()).status, 200);
}

#[test]
fn a_keychain_that_is_locked_while_the_agent_runs_keeps_the_renewed_token_from_being_lost() {
    let mut home = Home::new();
    let Some(keyring) = Keyring::start(&mut home) else { return };
    let sandbox = Sandbox::start(&json!({"access_lifetime": 8}));
    home.login("work", &sandbox, ADA);
    keyring.lock(&home);
    sandbox.wait_for("refresh", 1);
    let moved = || (home.status("work")["store"] == "file").then_some(());
    eventually(LIMIT, "the token in the file", moved);
    home.seqera("agent restart").run().ok();
    assert_eq!(sandbox.user_info(&home.token("work")).status, 200);
    assert_eq!(sandbox.count("reuses"), 0, "no older token was taken from the keychain");
}

/// A home whose agent's wall clock [`renewed_after`] moves.
fn home_with_clock() -> Home {
    let mut home = Home::new();
    let file = home.root().join("clock-offset");
    home.set("SEQERA_AGENT_CLOCK_OFFSET", file);
    home
}

/// A new token, so many hours after the start. By then every older one has expired.
fn renewed_after(hours: u32, home: &Home, sandbox: &Sandbox) {
    let (file, new) = (home.root().join("clock-offset"), home.root().join("clock-offset.new"));
    let before = sandbox.count("refreshes");
    let moved = std::fs::write(&new, (hours * 3600).to_string()).and_then(|()| std::fs::rename(new, file));
    moved.expect("the offset can be written");
    home.token("work");
    assert_eq!(sandbox.count("refreshes"), before + 1);
}

fn token_file(home: &Home) -> PathBuf {
    home.config_dir().join("refresh-token.work")
}

/// A session whose token is in the file because the keychain was killed, with the keychain running again.
fn killed_once(home: &mut Home, keyring: &mut Keyring, sandbox: &Sandbox) {
    home.login("work", sandbox, ADA);
    keyring.kill();
    renewed_after(2, home, sandbox);
    assert_eq!(home.status("work")["store"], "file");
    assert!(token_file(home).exists());
}

#[test]
fn a_keychain_that_was_killed_once_has_the_token_again_after_the_next_renewal() {
    let mut home = home_with_clock();
    let Some(mut keyring) = Keyring::start(&mut home) else { return };
    let sandbox = Sandbox::calm();
    killed_once(&mut home, &mut keyring, &sandbox);
    let fallback = home.status("work")["fallback"].clone();
    assert_eq!(fallback["from"], "keychain", "{fallback}");
    assert!(fallback["since"].is_string() && fallback["why"].is_string(), "{fallback}");
    let told = home.seqera("status --profile work").run().ok().stdout;
    assert!(told.contains("not the keychain, which failed since "), "{told}");
    let doctor = home.seqera("agent doctor").run().stdout;
    assert!(doctor.contains("because the keychain failed"), "{doctor}");

    keyring.unlock(&mut home);
    renewed_after(4, &home, &sandbox);
    let back = || (home.status("work")["store"] == "keychain").then_some(());
    eventually(LIMIT, "the token in the keychain", back);
    eventually(LIMIT, "an empty file", || (!token_file(&home).exists()).then_some(()));
    assert!(home.status("work")["fallback"].is_null());
    assert!(keyring.agent_secrets(&home).contains("secret ="));
    home.seqera("agent restart").run().ok();
    assert_eq!(sandbox.user_info(&home.token("work")).status, 200);
    assert_eq!(sandbox.count("reuses"), 0);
}

#[test]
fn a_crash_while_the_token_goes_back_to_the_keychain_loses_nothing() {
    for place in ["climb-saved", "climb-recorded"] {
        let mut home = home_with_clock();
        let Some(mut keyring) = Keyring::start(&mut home) else { return };
        let sandbox = Sandbox::calm();
        let mut agent = home.start_agent_with(&[("SEQERA_AGENT_CRASH_AT", place)]);
        killed_once(&mut home, &mut keyring, &sandbox);
        keyring.unlock(&mut home);
        renewed_after(4, &home, &sandbox);
        eventually(LIMIT, "the crash", || (!agent.is_running()).then_some(()));
        assert!(token_file(&home).exists(), "{place}");
        // The next agent has no access token, and renews.
        assert_eq!(sandbox.user_info(&home.token("work")).status, 200, "{place}");
        let back =
            || (home.status("work")["store"] == "keychain" && !token_file(&home).exists()).then_some(());
        eventually(LIMIT, "the token in the keychain alone", back);
        home.seqera("agent restart").run().ok();
        assert_eq!(sandbox.user_info(&home.token("work")).status, 200, "{place}");
        assert_eq!(sandbox.count("reuses"), 0, "{place}");
    }
}

#[test]
fn a_collection_that_ends_with_the_desktop_session_gets_no_token() {
    let mut home = home_with_clock();
    let Some(keyring) = Keyring::start(&mut home) else { return };
    let sandbox = Sandbox::calm();
    home.login("work", &sandbox, ADA);
    keyring.forgets(&home);
    renewed_after(2, &home, &sandbox);
    assert_eq!(home.status("work")["store"], "file");
    // What went down does not go up into it either.
    renewed_after(4, &home, &sandbox);
    renewed_after(6, &home, &sandbox);
    assert_eq!(home.status("work")["store"], "file");
    let secrets = keyring.agent_secrets(&home);
    assert!(!secrets.contains("collection/session"), "{secrets}");
}
