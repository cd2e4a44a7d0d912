//! Tokens in the environment, and programs under `seqera exec`.

use std::time::Duration;

use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Sandbox, eventually};
use serde_json::json;

#[test]
fn a_token_of_the_environment_is_used_as_it_is_and_wakes_no_agent() {
    let home = Home::new().with("TOWER_ACCESS_TOKEN", "from-the-environment");
    assert_eq!(home.seqera("token").run().ok().line(), "from-the-environment");
    let seen = home.seqera("exec -- sh -c").args(["echo $SEQERA_ACCESS_TOKEN"]).run().ok();
    assert_eq!(seen.line(), "from-the-environment");
    home.seqera("agent status").run().fails_with(69);
}

#[test]
fn a_profile_flag_beats_the_token_of_the_environment_and_says_so() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    let token = home.token("work");
    let run = home.seqera("token --profile work").env("SEQERA_ACCESS_TOKEN", "other").run().ok();
    assert_eq!(run.line(), token);
    assert!(run.stderr.contains("SEQERA_ACCESS_TOKEN"), "{}", run.stderr);
    let variable =
        home.seqera("token").env("SEQERA_PROFILE", "work").env("SEQERA_ACCESS_TOKEN", "other").run();
    assert_eq!(variable.line(), "other");
}

#[test]
fn a_program_gets_the_token_the_endpoint_and_no_refresh_token() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    let run = home.seqera("exec --profile work -- env").env("TOWER_REFRESH_TOKEN", "x").run().ok();
    let token = home.token("work");
    for line in [
        format!("SEQERA_ACCESS_TOKEN={token}"),
        format!("TOWER_ACCESS_TOKEN={token}"),
        format!("TOWER_API_ENDPOINT={}", sandbox.authority),
    ] {
        assert!(run.stdout.lines().any(|seen| seen == line), "{line} is missing");
    }
    assert!(!run.stdout.contains("TOWER_REFRESH_TOKEN"));
}

#[test]
fn a_nested_command_gets_a_fresh_token_and_not_the_one_frozen_at_the_start() {
    let sandbox = Sandbox::start(&json!({"access_lifetime": 4}));
    let home = Home::new();
    home.login("work", &sandbox, ADA);
    // The inner command runs once this file can be read, so not before the environment's token has expired.
    let gate = home.root().join("gate");
    home.program("mkfifo").args([&gate]).run().ok();
    let script = "read -r _ <gate; seqera token; echo \"$SEQERA_ACCESS_TOKEN\"";
    let frozen = home.token("work");
    let running = home.seqera("exec --profile work -- sh -c").args([script]).start();
    sandbox.wait_for("refresh", 2);
    let dead = || (sandbox.user_info(&frozen).status == 401).then_some(());
    eventually(Duration::from_secs(10), "the end of the token", dead);
    std::fs::write(&gate, "\n").expect("the shell reads");
    let run = running.finish(Duration::from_secs(30)).ok();
    let (fresh, inherited) = run.line().split_once('\n').expect("two lines");
    assert_ne!(fresh, inherited);
    assert_eq!(sandbox.user_info(fresh).status, 200, "the nested token is alive");
}

#[test]
fn exit_codes_are_those_of_the_program_and_of_env() {
    let home = Home::new().with("SEQERA_ACCESS_TOKEN", "t");
    assert_eq!(home.seqera("exec -- sh -c").args(["exit 7"]).run().code, Some(7));
    home.seqera("exec -- /no/such/program").run().fails_with(127);
    let plain = home.write_config("plain.txt", "not a program");
    home.seqera("exec --").args([plain]).run().fails_with(126);
}

#[test]
fn a_token_variable_is_handed_on_without_what_copying_left_around_it() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let token = sandbox.personal_token("ada");
    for value in [
        format!("{token}\n"),
        format!(" {token} \r\n"),
        format!("\"{token}\""),
        format!("Bearer {token}"),
        format!("\u{feff}{token}"),
    ] {
        // A blank variable does not hide the next one.
        let home = |args: &str| {
            let command =
                home.seqera(args).env("SEQERA_ACCESS_TOKEN", " \n").env("TOWER_ACCESS_TOKEN", &value);
            command.env("SEQERA_AUTH_DOMAIN", &sandbox.authority)
        };
        assert_eq!(home("token").run().ok().stdout, format!("{token}\n"), "{value:?}");
        let header = home("token --format header").run().ok();
        assert_eq!(header.stdout, format!("Authorization: Bearer {token}\n"), "{value:?}");
        for line in
            home("token --format env").run().ok().stdout.lines().filter(|line| line.contains("ACCESS_TOKEN="))
        {
            assert!(line.ends_with(&format!("ACCESS_TOKEN='{token}'")), "{line}");
        }
        let given = home("exec -- printenv SEQERA_ACCESS_TOKEN TOWER_ACCESS_TOKEN").run().ok();
        assert_eq!(given.stdout, format!("{token}\n{token}\n"), "{value:?}");
        assert!(home("whoami").run().ok().stdout.contains("ada"), "{value:?}");
        assert!(home("status").run().ok().stdout.contains("TOWER_ACCESS_TOKEN"), "{value:?}");
        assert!(home("status --check").run().ok().stdout.contains("ada"), "{value:?}");
    }
}

#[test]
fn a_variable_that_cannot_be_used_ends_the_command_and_no_other_account_is_used() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("default", &sandbox, ADA);
    let other = sandbox.personal_token("ada");
    for (name, value, said) in [
        ("SEQERA_ACCESS_TOKEN", "two words", "has 2 words"),
        ("SEQERA_ACCESS_TOKEN", "${TOKEN}", "begins with '$'"),
        ("SEQERA_PROFILE", "Default", "not a profile name"),
        ("SEQERA_AUTH_DOMAIN", "https://a b", "contains a blank"),
        ("SEQERA_PLATFORM_API_URL", "https://", "names no host"),
    ] {
        for args in ["token", "exec -- true", "whoami", "status", "info", "org", "status --check"] {
            let command = home.seqera(args).env(name, value);
            // The next one of its kind would be another account.
            let command =
                if name.ends_with("TOKEN") { command.env("TOWER_ACCESS_TOKEN", &other) } else { command };
            let run = command.run().fails_with(2);
            assert!(run.stderr.contains(name) && run.stderr.contains(said), "{args} {name}: {}", run.stderr);
        }
        let doctor = home.seqera("agent doctor").env(name, value).run();
        assert!(doctor.stdout.contains(name) && doctor.stdout.contains(said), "{name}: {}", doctor.stdout);
    }
}
