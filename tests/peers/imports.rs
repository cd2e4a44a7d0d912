//! What version 1 of the CLI keeps in GNOME Keyring.

use std::time::Duration;

use seqera_tests::keyring::Keyring;
use seqera_tests::leftovers::{note, refresh_token, v1_file};
use seqera_tests::wait::Stopwatch;
use seqera_tests::{Home, Sandbox};

/// Stores it as Python's keyring library does.
fn store(home: &Home, profile: &str, token: &str) {
    let attributes =
        format!("service seqera-ai-cli username '{profile}' application 'Python keyring library'");
    let command = format!("secret-tool store --label=\"Password for '{profile}'\" {attributes}");
    home.shell(&command).stdin(token).run().ok();
}

fn v1_items(home: &Home) -> String {
    home.shell("secret-tool search --all --unlock service seqera-ai-cli 2>&1").run().stdout
}

#[test]
fn an_item_of_v1_is_moved_to_one_of_ours() {
    let mut home = Home::new();
    let Some(keyring) = Keyring::start(&mut home) else { return };
    let sandbox = Sandbox::calm();
    let profile = format!("{}:platform", sandbox.authority);
    note(&home, &profile, &sandbox.authority);
    store(&home, &profile, &refresh_token(&sandbox));
    let imported = home.seqera("login --import -o json").run().ok().json()["imported"][0].clone();
    assert_eq!((&imported["profile"], &imported["store"]), (&"default".into(), &"keychain".into()));
    assert!(!v1_items(&home).contains("secret ="), "v1's item is gone");
    assert!(keyring.agent_secrets(&home).contains(&sandbox.authority));
    home.seqera("agent restart").run().ok();
    assert_eq!(sandbox.user_info(&home.token("default")).status, 200);
    assert_eq!(sandbox.count("reuses"), 0);
}

#[test]
fn a_frozen_keychain_is_told_and_what_lies_in_files_is_found() {
    let mut home = Home::new();
    let Some(keyring) = Keyring::start(&mut home) else { return };
    let sandbox = Sandbox::calm();
    v1_file(&home, "lab", &sandbox);
    let agent = home.start_agent();
    keyring.freeze();
    let watch = Stopwatch::start();
    let told = home.seqera("login --import").run().ok();
    assert!(watch.elapsed() < Duration::from_secs(15), "it took {:?}", watch.elapsed());
    assert!(told.stderr.contains("keychain does not answer in time"), "{}", told.stderr);
    assert!(told.stderr.contains("looking for sign-ins"), "progress: {}", told.stderr);
    assert_eq!(home.status("lab")["store"], "file");
    keyring.thaw();
    drop(agent);
}

#[test]
fn a_locked_keychain_raises_no_prompt_and_is_told() {
    let mut home = Home::new();
    let Some(keyring) = Keyring::start(&mut home) else { return };
    let sandbox = Sandbox::calm();
    note(&home, "lab", &sandbox.authority);
    store(&home, "lab", &refresh_token(&sandbox));
    keyring.lock(&home);
    let watch = Stopwatch::start();
    let told = home.seqera("login --import").run();
    assert_ne!(told.code, Some(0));
    assert!(told.stderr.contains("locked"), "{}", told.stderr);
    assert!(watch.elapsed() < Duration::from_secs(70), "a prompt was waited for: {:?}", watch.elapsed());
    assert_eq!(sandbox.count("refresh_attempts"), 0);
    assert!(home.seqera("status --profile lab").run().code != Some(0));
}
