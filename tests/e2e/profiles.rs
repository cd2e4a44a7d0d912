//! Profiles that get another name, or go.

use std::time::Duration;

use seqera_tests::sandbox::{ADA, GRACE};
use seqera_tests::{Home, Sandbox, eventually};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(30);

fn home() -> Home {
    Home::new().with("SEQERA_CREDENTIAL_STORE", "file")
}

/// The names of the files with secrets of profiles.
fn secrets(home: &Home) -> Vec<String> {
    let entries = std::fs::read_dir(home.config_dir()).expect("the folder is there").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("refresh-token.") && !name.contains('~')).collect()
}

fn summary(home: &Home) -> Value {
    let text = std::fs::read_to_string(home.config_dir().join("auth-state.json")).expect("it is written");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn a_session_goes_on_under_another_name() {
    let (home, sandbox) = (home(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    home.seqera("profile use work").run().ok();
    home.seqera("org switch sandbox-proteomics").run().ok();
    let mut program = home.seqera("exec --long -p work -- cat").typed().start();
    let held = || {
        let leases = home.seqera("agent leases -o json").run().ok().json();
        leases["leases"][0]["profile"].as_str().map(str::to_owned)
    };
    assert_eq!(eventually(LIMIT, "a lease", held), "work");
    let before = home.token("work");
    home.seqera("profile rename work lab").run().ok();

    assert_eq!(home.token("lab"), before, "what is in memory goes on being served");
    assert_eq!(secrets(&home), ["refresh-token.lab"]);
    let status = home.status("lab");
    let kept = (&status["account"]["email"], &status["organization"]["name"], &status["state"]);
    assert_eq!(kept, (&json!(ADA), &json!("sandbox-proteomics"), &json!("SIGNED_IN")));
    assert_eq!(
        home.seqera("profile -o json").run().ok().json()["profile"],
        "lab",
        "it is still the chosen one"
    );
    assert_eq!(held().as_deref(), Some("lab"));
    home.seqera("status -p work").run().fails_with(1);
    let listed = summary(&home);
    assert_eq!(
        (&listed["profiles"]["work"], &listed["profiles"]["lab"]["user"]),
        (&Value::Null, &json!(ADA))
    );

    // A program that began under the old name still gets its tokens, after a restart as well.
    home.seqera("agent restart").run().ok();
    let fresh = home.seqera("token -p work").run().ok();
    assert_eq!(sandbox.user_info(fresh.line()).status, 200);
    assert_ne!(fresh.line(), before);
    assert_eq!(sandbox.count("reuses"), 0);
    program.kill();
    home.seqera("logout -p lab --force").run().ok();
    assert_eq!((secrets(&home).len(), sandbox.user_info(&before).status), (0, 401));
    // Whoever signs in under the old name has a profile of their own.
    home.login("work", &sandbox, GRACE);
    assert_eq!(sandbox.user_info(&home.token("work")).status, 200);
}

#[test]
fn whenever_the_agent_dies_meanwhile_the_refresh_token_is_in_one_place_and_works() {
    for (place, name) in [("rename-noted", "work"), ("rename-copied", "work"), ("rename-recorded", "lab")] {
        let (home, sandbox) = (home(), Sandbox::calm());
        let agent = home.start_agent_with(&[("SEQERA_AGENT_CRASH_AT", place)]);
        home.login("work", &sandbox, ADA);
        let run = home.seqera("profile rename work lab").run();
        assert_ne!(run.code, Some(0), "{place}");
        agent.finish(LIMIT);
        let _next = home.start_agent();
        let token = home.seqera(&format!("token -p {name}")).run().ok();
        assert_eq!(sandbox.user_info(token.line()).status, 200, "{place}");
        assert_eq!(secrets(&home), [format!("refresh-token.{name}")], "{place}");
        assert_eq!((sandbox.count("refresh_attempts"), sandbox.count("reuses")), (1, 0), "{place}");
        let other = if name == "lab" { "work" } else { "lab" };
        home.seqera(&format!("status -p {other}")).run().fails_with(1);
        assert_eq!(summary(&home)["profiles"].as_object().map(serde_json::Map::len), Some(1), "{place}");
        if name == "work" {
            home.seqera("profile rename work lab").run().ok();
            assert_eq!(secrets(&home), ["refresh-token.lab"], "{place}");
        }
    }
}

#[test]
fn what_is_removed_is_revoked_and_leaves_nothing_and_old_names_are_not_dragged_along() {
    let (home, sandbox) = (home(), Sandbox::calm());
    home.login("wrok", &sandbox, ADA);
    home.seqera("profile remove wrok").run().fails_with(2);
    let token = home.token("wrok");
    assert_eq!(
        home.seqera("profile remove wrok --force").run().ok().stdout.lines().next(),
        Some("wrok: revoked")
    );
    assert_eq!((sandbox.user_info(&token).status, secrets(&home).len()), (401, 0));
    assert_eq!(summary(&home)["profiles"].get("wrok"), None);
    home.seqera("status -p wrok").run().fails_with(1);

    home.login("tpyo", &sandbox, ADA);
    home.login("work", &sandbox, ADA);
    home.seqera("logout -p tpyo").run().ok();
    let doctor = home.seqera("agent doctor").env("SEQERA_AUTH_DOMAIN", &sandbox.authority).run();
    assert!(doctor.stdout.contains("(work)") && !doctor.stdout.contains("tpyo"), "{}", doctor.stdout);
    assert_eq!(home.seqera("logout --all").run().ok().line(), "work: revoked");
    assert_eq!(home.seqera("logout --all").run().ok().line(), "nothing was stored");
    assert!(home.seqera("profile list").run().ok().stdout.contains("tpyo"), "its settings are kept");
    home.seqera("profile remove tpyo").run().ok();
    assert!(!home.seqera("profile list").run().ok().stdout.contains("tpyo"));
}

#[test]
fn a_person_is_asked_before_a_session_goes_with_its_profile() {
    let (home, sandbox) = (home(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    for (answer, code) in [("n\n", 2), ("y\n", 0)] {
        let Some(terminal) = seqera_tests::terminal::in_terminal(&home, "seqera profile remove work") else {
            return;
        };
        let mut removal = terminal.start();
        removal.until("question", |output| output.contains("Sign out and remove it? [y/N]").then_some(()));
        removal.write(answer);
        removal.finish(LIMIT).fails_with(code);
    }
    home.seqera("status -p work").run().fails_with(1);
}
