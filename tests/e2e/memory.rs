//! What stands in the agent's memory, and for how long. The agent is started so that the test may read it; a
//! scan that finds a secret while it is being sent shows that the others would find one too.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use seqera_tests::memory::Memory;
use seqera_tests::sandbox::{ADA, GRACE};
use seqera_tests::{Home, Invocation, Run, Running, Sandbox, binaries, eventually, skip, within};
use serde_json::{Value, json};

use crate::private_site::PrivateSite;
use crate::proxy;

const LIMIT: Duration = Duration::from_secs(20);

/// The part of a token that is no other token's.
fn tail(token: &str) -> &str {
    assert!(token.len() >= 32, "too short to be told from other text");
    &token[token.len() - 24..]
}

fn stored(home: &Home, profile: &str) -> String {
    let path = home.config_dir().join(format!("refresh-token.{profile}"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let record: Value = serde_json::from_str(&text).expect("a record");
    record["secret"].as_str().expect("the record has a secret").to_owned()
}

/// Buffers of connections that are being closed take a moment.
#[track_caller]
fn stays(agent: &Running, what: &str, secret: &str, copies: usize) {
    let right = || (Memory::of(agent.pid()).count(tail(secret)) == copies).then_some(());
    let Some(()) = within(LIMIT, right) else {
        panic!("not {copies} copies of {what} but {:#?}", Memory::of(agent.pid()).around(tail(secret)))
    };
}

#[test]
fn a_refresh_token_is_in_the_clear_only_while_it_is_sent() {
    let sandbox = Sandbox::calm();
    let mut home = Home::new();
    let ahead = home.root().join("clock-offset");
    home.set("SEQERA_AGENT_CLOCK_OFFSET", &ahead);
    let agent = home.start_dumpable_agent();
    home.login("work", &sandbox, ADA);
    let (first, first_access) = (stored(&home, "work"), home.token("work"));
    stays(&agent, "the refresh token between its uses", &first, 0);
    stays(&agent, "the access token", &first_access, 1);

    sandbox.fault(json!({"on": "refresh", "kind": "hang"}));
    std::fs::write(ahead, "900").expect("the clock can be put forward");
    let caller = home.seqera("token --profile work --min-valid 55m").start();
    sandbox.wait_for("refresh", 1);
    assert!(Memory::of(agent.pid()).count(tail(&first)) > 0, "the one that is being sent is found");
    sandbox.clear_faults();
    let access = caller.finish(LIMIT).ok().line().to_owned();
    let second = stored(&home, "work");
    assert!(first != second && first_access != access);
    for spent in [&first, &first_access] {
        stays(&agent, "what was replaced", spent, 0);
    }
    stays(&agent, "the new refresh token between its uses", &second, 0);
    stays(&agent, "the new access token", &access, 1);

    home.seqera("logout --all").run().ok();
    for gone in [&first, &second, &first_access, &access] {
        stays(&agent, "what was signed out", gone, 0);
    }
}

#[test]
fn after_a_restart_a_refresh_token_from_the_store_is_sealed_too() {
    let sandbox = Sandbox::calm();
    let home = Home::new();
    home.login("work", &sandbox, ADA);
    home.stop_agent(home.agent_pid().expect("the agent runs"));
    let first = stored(&home, "work");
    let agent = home.start_dumpable_agent();
    // A refused renewal leaves the token that it has read in memory, for the next attempt.
    sandbox.fault(json!({"on": "refresh", "kind": "status", "code": 503}));
    home.seqera("token --profile work --timeout 1s").run();
    sandbox.wait_for("refresh", 1);
    stays(&agent, "the refresh token between its uses", &first, 0);
    home.token("work");
    let second = stored(&home, "work");
    stays(&agent, "the refresh token that was spent", &first, 0);
    stays(&agent, "the refresh token between its uses", &second, 0);
}

#[test]
fn a_token_that_could_not_be_revoked_yet_is_sealed_and_goes_when_it_is() {
    let sandbox = Sandbox::calm();
    let home = Home::new();
    let agent = home.start_dumpable_agent();
    home.login("work", &sandbox, ADA);
    let (refresh, access) = (stored(&home, "work"), home.token("work"));
    sandbox.fault(json!({"on": "revoke", "kind": "status", "code": 503, "times": 0}));
    let out = home.seqera("logout --all").run().ok();
    assert!(out.stdout.contains("revocation pending"), "{}", out.stdout);
    for owed in [&refresh, &access] {
        stays(&agent, "what is still to be revoked", owed, 0);
    }
    sandbox.clear_faults();
    eventually(LIMIT * 3, "the revocation", || (sandbox.count("revocations") > 0).then_some(()));
    for gone in [&refresh, &access] {
        stays(&agent, "what was revoked", gone, 0);
    }
}

#[test]
fn what_is_kept_in_memory_only_is_there_once_and_gone_after_the_sign_out() {
    let sandbox = Sandbox::calm();
    let home = Home::new().with("SEQERA_CREDENTIAL_STORE", "memory");
    let agent = home.start_dumpable_agent();
    let pat = sandbox.personal_token(GRACE);
    let login = format!("login --profile pat --authority {} --with-token", sandbox.authority);
    home.seqera(&login).stdin(&pat).run().ok();
    stays(&agent, "the personal access token, which is served", &pat, 1);
    assert_eq!(home.token("pat"), pat);
    stays(&agent, "the personal access token after it was served", &pat, 1);
    let refused = "not-a-token-of-this-platform-0123456789";
    home.seqera(&login.replace("pat", "wrong")).stdin(refused).run();
    stays(&agent, "a token that was refused", refused, 0);
    home.seqera("logout --all").run().ok();
    stays(&agent, "the personal access token", &pat, 0);
}

#[test]
fn the_password_of_a_proxy_is_in_the_clear_only_while_a_connection_is_made() {
    let site = PrivateSite::open(json!({"access_lifetime": 4}));
    site.want(proxy::CREDENTIALS);
    let home = Home::new();
    let agent = home.start_dumpable_agent();
    let nowhere = |what: &str| {
        for form in ["ss-canary", proxy::CREDENTIALS] {
            let gone = || (Memory::of(agent.pid()).count(form) == 0).then_some(());
            let Some(()) = within(LIMIT, gone) else {
                panic!("{what}: {form} in {:#?}", Memory::of(agent.pid()).around(form))
            };
        }
    };
    let wrong = proxy::proxy_url(&site, "wr0ngss-canary");
    proxy::login(&home, &site).env("HTTPS_PROXY", wrong).run().fails_with(2);
    nowhere("no trace of a wrong password");
    proxy::finish(proxy::login(&home, &site), &site).ok();
    let first = home.token("work");
    nowhere("no password between its uses");
    let fresh = || Some(home.token("work")).filter(|token| *token != first);
    eventually(LIMIT, "a renewed token", fresh);
    nowhere("no password after a renewal");
    assert_eq!(site.refused(), 1, "it was known all the time");
    home.seqera("logout --all").run().ok();
    nowhere("no password after the sign-out");
}

#[test]
fn the_key_of_what_is_sealed_lies_where_the_system_guards_it() {
    let home = Home::new();
    let sandbox = Sandbox::calm();
    home.login("work", &sandbox, ADA);
    let pid = home.agent_pid().expect("the agent runs");
    let doctor = home.seqera("agent doctor --profile work").run().ok();
    let told = doctor.stdout.lines().find(|line| line.contains("memory  ")).expect("a line about memory");
    // Both kinds count as locked. The file is the owner's to read, whatever else is closed to him.
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the agent lives");
    let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:")).expect("the kernel counts");
    assert_eq!(told.starts_with('✓'), !locked.trim().starts_with("0 "), "{told}\n{locked}");
}

/// A program with the rights of a plain user, also where root runs the tests.
fn as_user(home: &Home, program: &Path) -> Invocation {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|found| found.uid() == 0);
    let without = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"].map(OsStr::new);
    home.program("env").args(without.into_iter().filter(|_| is_root).chain([program.as_os_str()]))
}

fn read_as_user(home: &Home, path: &str) -> Run {
    let path = format!("if={path}");
    as_user(home, Path::new("dd")).args(["bs=1", "count=1", "of=/dev/null", &path]).run()
}

#[test]
fn another_program_of_the_same_user_reads_neither_memory_nor_environment_and_no_core_is_left() {
    if !skip::have(&["setpriv", "dd"], "apt-get install util-linux coreutils") {
        return;
    }
    let home = Home::new();
    let mut open = as_user(&home, &binaries().agent).args(["--dumpable"]).start();
    let serves = || (home.agent_pid() == Some(open.pid())).then_some(());
    eventually(LIMIT, "an agent that allows it", serves);
    // By these means the environment may be read where it is allowed.
    read_as_user(&home, &format!("/proc/{}/environ", open.pid())).ok();
    home.stop_agent(open.pid());
    open.kill();

    as_user(&home, &binaries().client).args(["agent", "start"]).run().ok();
    let pid = home.agent_pid().expect("the agent runs");
    // For the memory the kernel asks the same question as for ptrace(2): PTRACE_MODE_ATTACH.
    for file in ["mem", "environ", "maps", "auxv"] {
        let refused = read_as_user(&home, &format!("/proc/{pid}/{file}"));
        assert!(refused.code != Some(0), "{file}: {refused:?}");
        assert!(refused.stderr.contains("Permission denied"), "{file}: {}", refused.stderr);
    }
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).expect("anybody may read them");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
}
