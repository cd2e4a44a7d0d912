//! GNOME Keyring, the keychain of most Linux desktops, both when it works and when it does not.

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
