//! `kill -9` at the worst moments of a renewal. The crash points exist only in debug builds.

use std::time::Duration;

use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Running, Sandbox, eventually};
use serde_json::{Value, json};

/// Signs in with an agent that dies at `place` of its first renewal, and waits until it has.
fn crashed(sandbox: &Sandbox, place: &str) -> Home {
    let home = Home::new();
    let mut agent = home.start_agent_with(&[("SEQERA_AGENT_CRASH_AT", place)]);
    sandbox.fault(json!({"on": "code", "kind": "patch", "set": {"expires_in": 3}}));
    home.login("work", sandbox, ADA);
    eventually(Duration::from_secs(20), "the crash", || has_ended(&mut agent).then_some(()));
    assert_eq!(sandbox.count("refreshes"), 1, "the provider has replaced the refresh token");
    home
}

fn has_ended(agent: &mut Running) -> bool {
    !agent.is_running()
}

#[test]
fn killed_between_sending_and_saving_one_prompt_repeat_is_answered_inside_the_reuse_window() {
    let sandbox = Sandbox::start(&json!({"reuse_grace": 60}));
    let home = crashed(&sandbox, "renewal-sent");
    let _agent = home.start_agent();
    // Nobody asks: the recorded intent is reason enough to renew.
    sandbox.wait_for("refresh", 2);
    assert_eq!(sandbox.user_info(&home.token("work")).status, 200);
    assert_eq!(sandbox.count("refresh_attempts"), 2);
}

#[test]
fn killed_between_sending_and_saving_the_person_learns_what_happened() {
    let sandbox = Sandbox::calm();
    let home = crashed(&sandbox, "renewal-sent");
    let _agent = home.start_agent();
    sandbox.wait_for("refresh", 2);
    let refused = home.seqera("token --profile work -o json").run().fails_with(3).error_json();
    assert_eq!(refused["reason"], "LOGIN_EXPIRED");
    let message = refused["message"].as_str().unwrap_or_default();
    assert!(message.contains("interrupted while renewing"), "{refused}");
    assert_eq!(sandbox.count("refresh_attempts"), 2, "a token that was spent is not tried again and again");
}

#[test]
fn killed_between_saving_and_clearing_the_intent_the_saved_token_goes_on() {
    let sandbox = Sandbox::calm();
    let home = crashed(&sandbox, "renewal-saved");
    let _agent = home.start_agent();
    assert_eq!(sandbox.user_info(&home.token("work")).status, 200);
    assert_eq!(sandbox.count("reuses"), 0, "the spent token was not sent again");
    let sessions = std::fs::read_to_string(session_file(&home)).expect("the sessions are recorded");
    let sessions: Value = serde_json::from_str(&sessions).expect("it is JSON");
    assert!(sessions["profiles"]["work"]["intent"].is_null(), "the intent is cleared: {sessions}");
}

fn session_file(home: &Home) -> std::path::PathBuf {
    let run = home.config_dir().join("run");
    let host = std::fs::read_dir(&run).expect("the run folder").flatten().next().expect("one host");
    host.path().join("sessions.json")
}

#[test]
fn a_stop_in_mid_renewal_saves_the_new_token() {
    let sandbox = Sandbox::calm();
    let home = Home::new();
    let agent = home.start_agent();
    sandbox.fault(json!({"on": "code", "kind": "patch", "set": {"expires_in": 4}}));
    home.login("work", &sandbox, ADA);
    sandbox.fault(json!({"on": "refresh", "kind": "hang", "after": true}));
    sandbox.wait_for("refresh", 1);
    seqera_tests::reaper::signal(agent.pid(), "TERM");
    // The old agent waits for the answer, and its successor waits for the old agent.
    let mut next = home.seqera("token --profile work").start();
    assert!(next.is_running());
    sandbox.clear_faults();
    agent.finish(Duration::from_secs(25));
    let token = next.finish(Duration::from_secs(60)).ok();
    assert_eq!(sandbox.user_info(token.line()).status, 200);
    assert_eq!(sandbox.count("reuses"), 0, "the answer was saved before the end");
}
