//! `seqera agent doctor`: what it finds in a home with problems, and what a repair does.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::time::Duration;

use seqera_tests::browser::{authorization_url, sign_in};
use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Invocation, Run, Sandbox, binaries, eventually, skip};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(20);

fn doctor(home: &Home, sandbox: &Sandbox, more: &str) -> Invocation {
    home.seqera(&format!("agent doctor -o json {more}")).env("SEQERA_AUTH_DOMAIN", &sandbox.authority)
}

/// The first check with this name for this profile.
fn found<'a>(report: &'a Value, name: &str, profile: Option<&str>) -> &'a Value {
    let checks = report["checks"].as_array().expect("checks").iter();
    let mut fitting = checks.filter(|check| check["name"] == name && check["profile"].as_str() == profile);
    fitting.next().unwrap_or_else(|| panic!("no {name} of {profile:?} in {report:#}"))
}

fn report(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error} in {run:?}"))
}

#[test]
fn a_home_where_all_is_well_has_no_problem_and_every_profile_was_asked() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    let calls = sandbox.count("refresh_attempts");
    let run = doctor(&home, &sandbox, "").run().ok();
    let report = report(&run);
    assert_eq!(report["problems"], 0, "{report:#}");
    for name in ["authority", "API", "clock", "proxy", "secret"] {
        assert_eq!(found(&report, name, Some("work"))["verdict"], "OK", "{name}");
    }
    for name in ["command", "agent", "socket", "runtime folder", "state", "private files", "file"] {
        assert_eq!(found(&report, name, None)["verdict"], "OK", "{name}");
    }
    assert_eq!(sandbox.count("refresh_attempts"), calls, "no token is spent");
}

#[test]
fn a_program_that_a_group_may_write_to_is_told() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let folder = home.root().join("site");
    std::fs::create_dir(&folder).expect("the folder can be made");
    for program in [&binaries().client, &binaries().agent] {
        let copy = folder.join(program.file_name().expect("a program has a name"));
        std::fs::copy(program, copy).expect("a copy can be made");
    }
    let mine = folder.metadata().expect("it is there");
    if mine.uid() == 0 {
        chown(&folder, None, Some(12_345)).expect("root may");
    } else if mine.uid() == mine.gid() {
        return skip("needs a group that is not the user's own");
    }
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o775)).expect("it is ours");
    let examine = home.program(folder.join("seqera")).args(["agent", "doctor", "-o", "json"]);
    let report = report(&examine.env("SEQERA_AUTH_DOMAIN", &sandbox.authority).run());
    let check = found(&report, "programs", None);
    assert_eq!(check["verdict"], "WARNING", "{check}");
    let text = check["text"].as_str().expect("a text");
    assert!(text.contains("others may write to") && text.contains("/site/seqera-agent"), "{text}");
    home.stop_agent(home.agent_pid().expect("it was accepted all the same"));
}

#[test]
fn a_clock_that_is_wrong_is_a_problem_and_a_provider_that_is_gone_is_one() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let clock = home.root().join("clock");
    let home = home.with("SEQERA_AGENT_CLOCK_OFFSET", &clock);
    home.login("work", &sandbox, ADA);
    std::fs::write(&clock, "-7200").expect("it can be written");
    let report = report(&doctor(&home, &sandbox, "").run().fails_with(1));
    let check = found(&report, "clock", Some("work"));
    assert_eq!(check["verdict"], "PROBLEM", "{check}");
    assert!(check["text"].as_str().is_some_and(|text| text.contains(" s behind ")), "{check}");
}

#[test]
fn files_that_cannot_be_read_are_set_aside_by_a_repair_and_by_nothing_else() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    home.seqera("agent stop").run().ok();
    let secret = home.write_config("refresh-token.work", "{\"authority\": \"canary-canary");
    let summary = home.write_config("auth-state.json", "{ broken");
    let run = doctor(&home, &sandbox, "").run().fails_with(1);
    assert!(!format!("{run:?}").contains("canary-canary"));
    let report_before = report(&run);
    let check = found(&report_before, "secret", Some("work"));
    assert_eq!(check["verdict"], "PROBLEM");
    assert!(check["remedy"].as_str().is_some_and(|text| text.contains("--repair")), "{check}");
    assert!(secret.exists() && summary.exists());
    doctor(&home, &sandbox, "--repair").run().fails_with(1);
    assert!(!secret.exists());
    let names = std::fs::read_dir(home.config_dir()).expect("the folder").flatten();
    let aside: Vec<_> = names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert!(aside.iter().any(|name| name.starts_with("refresh-token.work.corrupt-")), "{aside:?}");
    // What remains to be done is what it says: sign in.
    let login = format!("login --force --no-browser --profile work --authority {}", sandbox.authority);
    let mut login = home.seqera(&login).start();
    sign_in(&login.until("authorization URL", authorization_url), ADA);
    login.finish(LIMIT).ok();
    assert_eq!(report(&doctor(&home, &sandbox, "").run().ok())["problems"], 0);
}

#[test]
fn what_is_in_the_way_of_the_sessions_is_named_and_no_secret_is_shown() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    home.write_config("refresh-token.old", "canary-canary-canary-canary");
    let nextflow = home.root().join("home/.nextflow");
    std::fs::create_dir_all(&nextflow).expect("it can be made");
    std::fs::write(nextflow.join("seqera-auth.config"), "tower.accessToken = 'canary-x'").expect("written");
    let other = home.root().join("bin");
    std::fs::create_dir_all(&other).expect("it can be made");
    home.program("cp").args(["/bin/true".into(), other.join("seqera")]).run().ok();
    let path =
        format!("{}:{}", other.display(), home.environment()[std::ffi::OsStr::new("PATH")].to_string_lossy());
    let run = doctor(&home, &sandbox, "").env("TOWER_ACCESS_TOKEN", "canary-t").env("PATH", path).run();
    let report = report(&run);
    for name in ["PATH", "token variables", "plain credentials"] {
        assert_eq!(found(&report, name, None)["verdict"], "WARNING", "{name}");
    }
    assert!(found(&report, "token variables", None)["text"].to_string().contains("TOWER_ACCESS_TOKEN"));
    assert_eq!(
        found(&report, "private files", None)["verdict"],
        "PROBLEM",
        "made by hand, with the usual mode"
    );
    assert!(!format!("{}{}", run.stdout, run.stderr).contains("canary"));
}

#[test]
fn without_an_agent_its_own_half_still_looks_and_says_why_there_is_none() {
    let home = Home::new();
    let chosen = home.root().join("nobody.sock");
    let run = home.seqera("agent doctor -o json").env("SEQERA_AGENT_SOCK", &chosen).run().fails_with(1);
    let report = report(&run);
    assert_eq!(found(&report, "command", None)["verdict"], "OK");
    let agent = found(&report, "agent", None);
    assert_eq!(agent["verdict"], "PROBLEM");
    assert!(agent["text"].to_string().contains("nobody.sock"), "{agent}");
    assert_eq!(found(&report, "all else", None)["verdict"], "SKIPPED");
}

#[test]
fn problems_of_the_configuration_are_shown_as_they_are_now() {
    let home = Home::new();
    let agent = home.start_agent();
    let pid = agent.pid();
    let problems = || home.seqera("agent status -o json").run().json()["problems"].clone();
    // Whoever runs the tests may have lowered their priority or limits, which the agent tells.
    let before = problems();
    let of_others = |problem: &Value| problem.to_string().contains("from whoever started the agent");
    assert!(before.as_array().is_some_and(|all| all.iter().all(of_others)), "{before}");
    let file = home.write_config("config.json", "{ broken");
    let hang_up = || drop(home.shell(&format!("kill -HUP {pid}")).run().ok());
    hang_up();
    let told = || problems().to_string().contains("config.json").then_some(());
    eventually(LIMIT, "the problem", told);
    std::fs::remove_file(file).expect("it can be removed");
    hang_up();
    let gone = || (problems() == before).then_some(());
    eventually(LIMIT, "the end of the problem", gone);
}
