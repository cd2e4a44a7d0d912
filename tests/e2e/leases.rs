//! `seqera exec --long`: programs get their own access tokens, which are gone once the programs are.

use std::path::PathBuf;
use std::time::Duration;

use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Running, Sandbox, eventually, reaper};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(30);

/// A home where Ada is signed in as `work`.
fn signed_in(sandbox: &Sandbox) -> Home {
    let home = Home::new();
    home.login("work", sandbox, ADA);
    home
}

/// A program that prints its token, reads a line from a fifo of its own, and ends.
struct Program {
    running: Running,
    gate: PathBuf,
}

impl Program {
    fn start(home: &Home, name: &str) -> (Self, String) {
        let gate = home.root().join(name);
        home.program("mkfifo").args([&gate]).run().ok();
        let script = format!("echo $TOWER_ACCESS_TOKEN; read -r _ <{}", gate.display());
        let mut running = home.seqera("exec --profile work --long -- sh -c").args([script]).start();
        let token = running.until("token", |output| Some(output.lines().next()?.to_owned()));
        (Self { running, gate }, token)
    }

    fn end(self) {
        std::fs::write(&self.gate, "\n").expect("the program reads");
        self.running.finish(LIMIT).ok();
    }
}

/// The names of Ada's personal access tokens.
fn tokens(sandbox: &Sandbox) -> Vec<String> {
    sandbox.token_names(&sandbox.personal_token(ADA))
}

fn leased(sandbox: &Sandbox) -> Vec<String> {
    tokens(sandbox).into_iter().filter(|name| name.starts_with("seqera-")).collect()
}

fn until_all_are_deleted(sandbox: &Sandbox) {
    eventually(LIMIT, "the end of all tokens", || leased(sandbox).is_empty().then_some(()));
}

fn listed(home: &Home) -> Vec<Value> {
    let answer = home.seqera("agent leases -o json").run().ok().json();
    answer["leases"].as_array().expect("a list").clone()
}

fn session_file(home: &Home) -> PathBuf {
    let run = home.config_dir().join("run");
    let host = std::fs::read_dir(&run).expect("the run folder").flatten().next().expect("one host");
    host.path().join("sessions.json")
}

#[test]
fn a_program_gets_a_token_that_outlives_the_sessions_and_is_deleted_with_it() {
    let sandbox = Sandbox::start(&json!({"access_lifetime": 4}));
    let home = signed_in(&sandbox);
    let session = home.token("work");
    let (program, token) = Program::start(&home, "gate");
    assert_ne!(token, session);
    let dead = || (sandbox.user_info(&session).status == 401).then_some(());
    eventually(LIMIT, "the end of the session's first token", dead);
    assert_eq!(sandbox.user_info(&token).status, 200);
    let leases = listed(&home);
    assert_eq!(leases.len(), 1);
    assert_eq!(leases[0]["pid"], program.running.pid(), "it has replaced itself by the program");
    assert_eq!(leases[0]["program"], "sh");
    assert_eq!([leases[0]["name"].clone()], *leased(&sandbox));
    program.end();
    until_all_are_deleted(&sandbox);
    assert_eq!(sandbox.user_info(&token).status, 401);
    assert_eq!(listed(&home), Vec::<Value>::new());
}

#[test]
fn a_program_that_is_killed_leaves_no_token() {
    let sandbox = Sandbox::calm();
    let home = signed_in(&sandbox);
    let (mut program, _) = Program::start(&home, "gate");
    program.running.kill();
    until_all_are_deleted(&sandbox);
}

#[test]
fn a_token_for_a_time_outlives_its_program_and_not_its_time() {
    let sandbox = Sandbox::calm();
    let home = signed_in(&sandbox);
    let script = "echo $TOWER_ACCESS_TOKEN";
    let run = home.seqera("exec --profile work --long --for 4s -- sh -c").args([script]).run().ok();
    assert_eq!(sandbox.user_info(run.line()).status, 200, "the program has ended");
    assert_eq!(listed(&home)[0]["pid"], Value::Null);
    until_all_are_deleted(&sandbox);
}

#[test]
fn a_token_whose_program_is_not_there_is_given_back() {
    let sandbox = Sandbox::calm();
    let home = signed_in(&sandbox);
    home.seqera("exec --profile work --long --for 1h -- no-such-program").run().fails_with(127);
    assert_eq!(leased(&sandbox), [""; 0]);
}

#[test]
fn programs_that_end_while_no_agent_runs_are_found_at_the_next_start() {
    let sandbox = Sandbox::calm();
    let home = signed_in(&sandbox);
    let (ends, _) = Program::start(&home, "first");
    let (stays, token) = Program::start(&home, "second");
    let pid = home.agent_pid().expect("an agent runs");
    let stop = home.seqera("agent stop").run().ok();
    assert!(stop.stderr.contains("programs hold tokens"), "{}", stop.stderr);
    eventually(LIMIT, "the end of the agent", || (!reaper::is_alive(pid)).then_some(()));
    ends.end();
    assert_eq!(leased(&sandbox).len(), 2);
    home.seqera("agent start").run().ok();
    eventually(LIMIT, "the deletion of one token", || (leased(&sandbox).len() == 1).then_some(()));
    assert_eq!(sandbox.user_info(&token).status, 200);
    stays.end();
    until_all_are_deleted(&sandbox);
}

/// The agent dies at `place` while it makes a token. After the next start, nothing is left of the token.
fn nothing_is_left_after_a_crash_at(place: &str, made: usize) {
    let sandbox = Sandbox::calm();
    let home = Home::new();
    let mut agent = home.start_agent_with(&[("SEQERA_AGENT_CRASH_AT", place)]);
    home.login("work", &sandbox, ADA);
    let run = home.seqera("exec --profile work --long -- true").run();
    assert_ne!(run.code, Some(0));
    eventually(LIMIT, "the crash", || (!agent.is_running()).then_some(()));
    assert_eq!(leased(&sandbox).len(), made);
    let _agent = home.start_agent();
    sandbox.wait_for("tokens", 2);
    until_all_are_deleted(&sandbox);
}

#[test]
fn killed_before_the_token_is_made_nothing_is_left() {
    nothing_is_left_after_a_crash_at("lease-recorded", 0);
}

#[test]
fn killed_between_making_and_storing_the_token_is_found_by_its_name() {
    nothing_is_left_after_a_crash_at("lease-made", 1);
}

#[test]
fn killed_between_storing_and_recording_the_token_deletes_itself() {
    nothing_is_left_after_a_crash_at("lease-stored", 1);
}

#[test]
fn a_lost_answer_leaves_no_token() {
    let sandbox = Sandbox::calm();
    let home = signed_in(&sandbox);
    sandbox.fault(json!({"on": "tokens", "kind": "reset", "after": true}));
    let refused = home.seqera("exec --profile work --long -o json -- true").run().fails_with(4).error_json();
    assert_eq!(refused["reason"], "ISSUER_UNREACHABLE");
    until_all_are_deleted(&sandbox);
}

#[test]
fn a_platform_that_makes_no_tokens_is_named_and_nothing_stays() {
    let sandbox = Sandbox::calm();
    let home = signed_in(&sandbox);
    sandbox.fault(json!({"on": "tokens", "kind": "status", "code": 403}));
    let refused = home.seqera("exec --profile work --long -o json -- true").run().fails_with(1).error_json();
    assert_eq!(refused["reason"], "FORBIDDEN");
    assert_eq!(listed(&home), Vec::<Value>::new());
}

#[test]
fn a_full_disk_makes_no_token() {
    let sandbox = Sandbox::calm();
    let home = signed_in(&sandbox);
    let file = session_file(&home).with_file_name("leases.jsonl");
    // With a folder in the file's place, everybody's writes fail, even root's.
    std::fs::create_dir(&file).expect("its place is free");
    let refused = home.seqera("exec --profile work --long -o json -- true").run().fails_with(5).error_json();
    assert_eq!(refused["reason"], "STORE_FAILED");
    assert_eq!(leased(&sandbox), [""; 0]);
}

#[test]
fn a_deletion_that_fails_is_shown_and_goes_on() {
    let sandbox = Sandbox::calm();
    let home = signed_in(&sandbox);
    let (program, token) = Program::start(&home, "gate");
    sandbox.fault(json!({"on": "tokens", "kind": "status", "code": 502, "times": 0}));
    program.end();
    let told = || listed(&home)[0]["trouble"].as_str().map(str::to_owned);
    let trouble = eventually(LIMIT, "the trouble", told);
    assert!(trouble.contains("502"), "{trouble}");
    assert_eq!(sandbox.user_info(&token).status, 200);
    sandbox.clear_faults();
    let end = || home.seqera("agent leases").run().ok().stdout.contains("no program").then_some(());
    eventually(Duration::from_secs(60), "the end of the lease", end);
    assert_eq!(sandbox.user_info(&token).status, 401);
}

#[test]
fn a_sign_out_asks_first_and_then_takes_the_tokens_along() {
    let sandbox = Sandbox::calm();
    let home = signed_in(&sandbox);
    let (program, token) = Program::start(&home, "gate");
    for command in ["logout --profile work -o json", "logout --all -o json"] {
        let refused = home.seqera(command).run().fails_with(1).error_json();
        assert_eq!(refused["reason"], "IN_USE");
    }
    assert_eq!(sandbox.user_info(&home.token("work")).status, 200, "still signed in");
    let run = home.seqera("logout --profile work --force").run().ok();
    assert_eq!(run.line(), "work: revoked");
    assert_eq!(sandbox.user_info(&token).status, 401);
    assert_eq!(leased(&sandbox), [""; 0]);
    drop(program);
}

#[test]
fn an_access_token_that_was_given_is_used_as_it_is() {
    let sandbox = Sandbox::calm();
    let home = Home::new();
    let given = sandbox.personal_token(ADA);
    let login = format!("login --profile work --authority {} --with-token", sandbox.authority);
    home.seqera(&login).stdin(&given).run().ok();
    let script = ["echo $TOWER_ACCESS_TOKEN"];
    let run = home.seqera("exec --profile work --long -- sh -c").args(script).run().ok();
    assert_eq!(run.line(), given);
    assert!(run.stderr.contains("does not expire"), "{}", run.stderr);
    assert_eq!(leased(&sandbox), [""; 0]);
}

#[test]
fn an_agent_with_a_lease_does_not_exit_idle() {
    let sandbox = Sandbox::calm();
    let home = Home::new();
    let mut agent = home.start_agent_with(&[("SEQERA_AGENT_IDLE_EXIT", "1")]);
    home.login("work", &sandbox, ADA);
    let (program, token) = Program::start(&home, "gate");
    sandbox.fault(json!({"on": "tokens", "kind": "status", "code": 502, "times": 0}));
    // The session is removed but the lease stays, because its token cannot be deleted.
    home.seqera("logout --profile work --force").run().ok();
    program.end();
    let asked = sandbox.stats()["calls"]["tokens"].as_u64().unwrap_or_default();
    sandbox.wait_for("tokens", asked + 3);
    assert!(agent.is_running());
    sandbox.clear_faults();
    eventually(Duration::from_secs(90), "the exit", || (!agent.is_running()).then_some(()));
    assert_eq!(sandbox.user_info(&token).status, 401);
}

#[test]
fn no_file_but_the_store_and_no_log_holds_the_token() {
    let sandbox = Sandbox::calm();
    let home = signed_in(&sandbox);
    let (program, token) = Program::start(&home, "gate");
    let held = home.program("grep").args(["-rlF", &token]).args([home.root()]).run();
    for file in held.stdout.lines() {
        assert!(file.contains("/refresh-token.lease~"), "{file}");
    }
    let files = std::fs::read_dir(home.config_dir()).expect("the folder").flatten();
    let stored = files.filter(|file| file.file_name().to_string_lossy().contains("lease~"));
    for file in stored {
        use std::os::unix::fs::PermissionsExt;
        let mode = file.metadata().expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    program.end();
}
