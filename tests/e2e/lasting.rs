//! Sign-ins that end by themselves, as providers tell it.

use seqera_tests::sandbox::ADA;
use seqera_tests::terminal::in_terminal;
use seqera_tests::{Home, Sandbox};
use serde_json::json;

/// A home whose sign-in ends after so many seconds, by the two fields of the draft.
fn ends_after(sandbox: &Sandbox, seconds: u64) -> Home {
    let home = Home::new();
    let told = json!({"refresh_token_timeout": 86_400, "authorization_expires_in": seconds});
    sandbox.fault(json!({"on": "code", "kind": "patch", "set": told}));
    home.login("work", sandbox, ADA);
    home
}

#[test]
fn a_long_program_is_not_begun_where_the_sign_in_ends_sooner() {
    let sandbox = Sandbox::calm();
    let home = ends_after(&sandbox, 7_200);
    let exec =
        |options: &str| home.seqera(&format!("exec --profile work -o json {options} -- echo begun")).run();
    let refused = exec("--long --for 72h").fails_with(6).error_json();
    assert_eq!(refused["reason"], "SIGN_IN_ENDS_SOON");
    let (message, hint) = (refused["message"].to_string(), refused["hint"].to_string());
    assert!(
        message.contains("ends in ") && hint.contains("seqera login --force --profile work"),
        "{refused}"
    );
    for begun in ["--long", "--long --for 1h", "--long --for 72h --force", ""] {
        assert_eq!(exec(begun).ok().line(), "begun", "{begun}");
    }
    assert_eq!(
        home.seqera("agent leases -o json").run().ok().json()["leases"].as_array().map(Vec::len),
        Some(2)
    );

    let soon = ends_after(&sandbox, 600);
    let run = soon.seqera("exec --profile work --long -o json -- true").run();
    assert_eq!(run.fails_with(6).error_json()["reason"], "SIGN_IN_ENDS_SOON");
}

#[test]
fn the_end_of_the_sign_in_is_shown_and_a_token_comes_with_a_warning() {
    let sandbox = Sandbox::calm();
    let home = ends_after(&sandbox, 7_200);
    let status = home.seqera("status --profile work -o json").run().ok().json();
    assert!(status["sign_in_ends_at"].is_string() && status["session_expires_at"].is_string(), "{status}");
    let shown = home.seqera("status --profile work").run().ok().stdout;
    assert!(shown.contains("(end of the sign-in)") && shown.contains(", or if unused for 1d"), "{shown}");
    let run = home.seqera("token --profile work --min-valid 72h").run().ok();
    assert!(
        run.stderr.contains("the sign-in ends in 1h")
            && run.stderr.contains("before the 3d that were asked for"),
        "{}",
        run.stderr
    );
    // The end outlives the agent, and a renewal that tells no end any more takes it away.
    home.stop_agent(home.agent_pid().expect("an agent"));
    let again = home.seqera("status --profile work -o json").run().ok().json();
    assert_eq!(again["sign_in_ends_at"], status["sign_in_ends_at"]);
    home.seqera("token --profile work --force-new").run().ok();
    let after = home.seqera("status --profile work -o json").run().ok().json();
    assert!(after["sign_in_ends_at"].is_null(), "{after}");
}

#[test]
fn a_person_at_a_terminal_is_told_once_a_day_in_the_last_tenth() {
    let sandbox = Sandbox::calm();
    let home = ends_after(&sandbox, 7_200);
    // The person signed in a week ago, as the record says, and the end is near.
    home.stop_agent(home.agent_pid().expect("an agent"));
    let record = home.config_dir().join("run");
    let files: Vec<_> =
        std::fs::read_dir(&record).expect("a folder").flatten().map(|entry| entry.path()).collect();
    let sessions = files.iter().map(|folder| folder.join("sessions.json")).find(|file| file.is_file());
    let sessions = sessions.expect("the record of the sessions");
    let text = std::fs::read_to_string(&sessions).expect("readable");
    let mut state: serde_json::Value = serde_json::from_str(&text).expect("an object");
    age(&mut state, 604_800);
    std::fs::write(&sessions, state.to_string()).expect("writable");
    // The next agent renews first, and hears the same.
    sandbox.fault(json!({"on": "refresh", "kind": "patch", "set": {"authorization_expires_in": 7_000}}));
    let piped = home.seqera("token --profile work").run().ok();
    assert_eq!(piped.stderr, "", "a program that reads standard error is told nothing");
    let told = || in_terminal(&home, "seqera token --profile work").map(|run| run.run().ok().stdout);
    let Some(first) = told() else { return };
    assert!(first.contains("the sign-in of profile 'work' ends"), "{first}");
    let second = told().expect("a terminal");
    assert!(!second.contains("ends"), "{second}");
}

/// Moves every time of a login back, wherever it stands.
fn age(value: &mut serde_json::Value, seconds: u64) {
    match value {
        serde_json::Value::Object(fields) => {
            fields.iter_mut().for_each(|(name, value)| match value.as_u64() {
                Some(at) if name == "loggedInAt" => *value = json!(at - seconds),
                _ => age(value, seconds),
            })
        }
        serde_json::Value::Array(parts) => parts.iter_mut().for_each(|part| age(part, seconds)),
        _ => {}
    }
}
