//! Renewal as callers and the provider see it.

use std::collections::BTreeSet;
use std::time::Duration;

use seqera_tests::reaper::signal;
use seqera_tests::sandbox::{ADA, GRACE};
use seqera_tests::terminal::in_terminal;
use seqera_tests::wait::Stopwatch;
use seqera_tests::{Home, Running, Sandbox, eventually};
use serde_json::json;

/// Lifetime of the first access token, in seconds, in tests where it has to expire soon.
const SHORT: u64 = 3;

/// A signed-in home whose first access token expires after [`SHORT`] seconds, while the renewal that should
/// replace it hangs at the provider.
fn at_expiry_with_a_hanging_renewal(sandbox: &Sandbox) -> (Home, String) {
    let home = Home::new();
    sandbox.fault(json!({"on": "code", "kind": "patch", "set": {"expires_in": SHORT}}));
    home.login("work", sandbox, ADA);
    let watch = Stopwatch::start();
    let first = home.token("work");
    sandbox.fault(json!({"on": "refresh", "kind": "hang"}));
    sandbox.wait_for("refresh", 1);
    let limit = Duration::from_secs(SHORT);
    eventually(limit * 2, "the end of the first token", || (watch.elapsed() > limit).then_some(()));
    (home, first)
}

fn tokens_of(callers: Vec<Running>) -> BTreeSet<String> {
    let runs = callers.into_iter().map(|caller| caller.finish(Duration::from_secs(60)).ok());
    runs.map(|run| run.line().to_owned()).collect()
}

#[test]
fn one_refresh_serves_200_callers_at_expiry_at_a_provider_that_revokes_on_reuse() {
    let sandbox = Sandbox::calm();
    let (home, first) = at_expiry_with_a_hanging_renewal(&sandbox);
    let mut callers: Vec<Running> = (0..200).map(|_| home.seqera("token --profile work").start()).collect();
    assert!(callers.iter_mut().all(Running::is_running), "nobody gets the expired token");
    sandbox.clear_faults();
    let tokens = tokens_of(callers);
    assert_eq!(tokens.len(), 1, "all get the same token");
    assert!(!tokens.contains(&first), "and it is a new one");
    assert_eq!((sandbox.count("refresh_attempts"), sandbox.count("reuses")), (1, 0));
}

#[test]
fn a_client_killed_in_mid_renewal_leaves_the_new_token_stored_and_served() {
    let sandbox = Sandbox::calm();
    let (home, first) = at_expiry_with_a_hanging_renewal(&sandbox);
    let mut caller = home.seqera("token --profile work").start();
    eventually(Duration::from_secs(10), "a connection", || waits_for_the_agent(&caller).then_some(()));
    caller.kill();
    sandbox.clear_faults();
    let second = home.token("work");
    assert_ne!(second, first);
    assert_eq!(sandbox.count("refresh_attempts"), 1, "the renewal that the dead caller waited for");
    // After a restart only the stored successor of the spent token can be renewed.
    home.seqera("agent restart").run().ok();
    assert_ne!(home.token("work"), second);
    assert_eq!((sandbox.count("refreshes"), sandbox.count("reuses")), (2, 0));
}

/// Whether the process has an open socket. A waiting `seqera token` has only that besides its streams.
fn waits_for_the_agent(caller: &Running) -> bool {
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", caller.pid())).into_iter().flatten().flatten();
    let targets = descriptors.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    targets.into_iter().any(|target| target.to_string_lossy().starts_with("socket:"))
}

#[test]
fn a_waiting_client_has_one_thread() {
    let sandbox = Sandbox::calm();
    let (home, _) = at_expiry_with_a_hanging_renewal(&sandbox);
    let caller = home.seqera("token --profile work").start();
    eventually(Duration::from_secs(10), "a connection", || waits_for_the_agent(&caller).then_some(()));
    let threads = std::fs::read_dir(format!("/proc/{}/task", caller.pid())).expect("it runs").count();
    assert_eq!(threads, 1);
    sandbox.clear_faults();
    caller.finish(Duration::from_secs(30)).ok();
}

#[test]
fn an_expired_token_is_never_handed_out_after_the_machine_stood_still() {
    let sandbox = Sandbox::start(&json!({"access_lifetime": SHORT}));
    let home = Home::new();
    home.login("work", &sandbox, ADA);
    let first = home.token("work");
    let agent = home.agent_pid().expect("the login started an agent");
    signal(agent, "STOP");
    let ended = || (sandbox.user_info(&first).status == 401).then_some(());
    eventually(Duration::from_secs(3 * SHORT), "the end of the first token", ended);
    let caller = home.seqera("token --profile work").start();
    signal(agent, "CONT");
    let second = caller.finish(Duration::from_secs(30)).ok();
    assert_eq!(sandbox.user_info(second.line()).status, 200, "the token is alive");
}

#[test]
fn a_token_is_renewed_on_schedule_with_nobody_asking() {
    let sandbox = Sandbox::start(&json!({"access_lifetime": 6}));
    let home = Home::new();
    home.login("work", &sandbox, ADA);
    sandbox.wait_for("refresh", 2);
    let watch = Stopwatch::start();
    let token = home.token("work");
    assert!(watch.elapsed() < Duration::from_secs(5), "the token was in memory");
    assert_eq!(sandbox.user_info(&token).status, 200);
    assert_eq!(sandbox.count("reuses"), 0);
}

#[test]
fn a_renewal_that_stalls_delays_neither_its_own_valid_token_nor_another_profile() {
    let sandbox = Sandbox::start(&json!({"access_lifetime": 30}));
    let home = Home::new();
    home.login("work", &sandbox, ADA);
    home.login("private", &sandbox, GRACE);
    sandbox.fault(json!({"on": "refresh", "times": 0, "kind": "hang"}));
    sandbox.wait_for("refresh", 1);
    for profile in ["work", "private"] {
        let watch = Stopwatch::start();
        home.token(profile);
        assert!(watch.elapsed() < Duration::from_secs(2), "{profile} waited for {:?}", watch.elapsed());
    }
    sandbox.clear_faults();
}

#[test]
fn a_provider_that_is_ill_for_a_while_ends_no_session() {
    let sandbox = Sandbox::start(&json!({"access_lifetime": 6}));
    let home = Home::new();
    home.login("work", &sandbox, ADA);
    for fault in [
        json!({"on": "refresh", "kind": "status", "code": 502, "body": "<html>bad gateway</html>"}),
        json!({"on": "refresh", "kind": "status", "code": 429, "headers": {"retry-after": "1"}}),
        json!({"on": "refresh", "kind": "reset"}),
        json!({"on": "refresh", "kind": "garbage", "body": "<html>maintenance</html>"}),
    ] {
        sandbox.fault(fault);
    }
    let renewed = || (sandbox.count("refreshes") > 0).then_some(());
    eventually(Duration::from_secs(60), "a renewal after all", renewed);
    let token = home.token("work");
    assert_eq!(sandbox.user_info(&token).status, 200);
    assert_eq!((sandbox.count("code_exchanges"), sandbox.count("reuses")), (1, 0));
}

#[test]
fn with_the_network_back_the_next_command_gets_a_token_whatever_the_back_off_of_the_outage() {
    let sandbox = Sandbox::start(&json!({"access_lifetime": SHORT}));
    let home = Home::new();
    home.login("work", &sandbox, ADA);
    sandbox.fault(json!({"on": "any", "times": 0, "kind": "reset"}));
    // The back-off is drawn by lot and grows.
    let far_off = || {
        let failure = home.seqera("status --profile work -o json").run().ok().json()["last_failure"].clone();
        let (failed, again) = (failure["at"].as_str()?, failure["retry_at"].as_str()?);
        ((time_of_day(again)? + DAY - time_of_day(failed)?) % DAY > 9).then_some(())
    };
    eventually(Duration::from_secs(180), "a long pause after a failure", far_off);
    sandbox.clear_faults();
    let token = home.seqera("token --profile work --timeout 7s").run().ok();
    assert_eq!(sandbox.user_info(token.line()).status, 200);
}

const DAY: u64 = 86_400;

/// The seconds since midnight of a time such as `2025-12-16T14:30:00Z`.
fn time_of_day(time: &str) -> Option<u64> {
    let parts = time.get(11..19)?.split(':').map(|part| part.parse::<u64>().ok());
    parts.reduce(|sum, part| Some(sum? * 60 + part?)).flatten()
}

#[test]
fn on_a_terminal_a_command_that_waits_says_for_what_and_until_when_and_elsewhere_nothing() {
    let sandbox = Sandbox::calm();
    let home = Home::new().with("NO_COLOR", "1");
    home.login("work", &sandbox, ADA);
    home.seqera("agent restart").run().ok();
    sandbox.fault(json!({"on": "refresh", "times": 0, "kind": "hang"}));
    let Some(terminal) = in_terminal(&home, "seqera token --profile work") else { return };
    let (mut person, script) = (terminal.start(), home.seqera("token --profile work").start());
    let said = person.until("word of the wait", |output| {
        output.lines().find(|line| line.contains("waiting until")).map(str::to_owned)
    });
    assert!(said.starts_with("note: waiting until "), "{said}");
    sandbox.clear_faults();
    person.finish(Duration::from_secs(30)).ok();
    assert_eq!(script.finish(Duration::from_secs(30)).ok().stderr, "");
}

#[test]
fn a_redirect_of_a_renewal_is_not_followed_and_the_secret_is_sent_nowhere_else() {
    let (sandbox, elsewhere) = (Sandbox::calm(), Sandbox::calm());
    let home = Home::new();
    home.login("work", &sandbox, ADA);
    home.seqera("agent restart").run().ok();
    let location = format!("{}/oauth2/token", elsewhere.authority);
    sandbox.fault(json!({"on": "refresh", "kind": "redirect", "location": location}));
    let refused = home.seqera("token --profile work -o json").run().fails_with(2).error_json();
    assert_eq!(refused["reason"], "MISCONFIGURED");
    assert_eq!(elsewhere.stats()["calls"], json!({}));
    // Nothing was deleted: once the provider has recovered, the session has too.
    home.seqera("agent restart").run().ok();
    assert_eq!(sandbox.user_info(&home.token("work")).status, 200);
}

#[test]
fn an_odd_answer_never_loses_the_new_refresh_token() {
    let sandbox = Sandbox::calm();
    let home = Home::new();
    home.login("work", &sandbox, ADA);
    for (number, oddity) in [
        json!({"set": {"expires_in": "3600"}}),
        json!({"remove": ["token_type"]}),
        json!({"remove": ["expires_in", "id_token"]}),
        json!({"set": {"token_type": "bearer", "scope": 7}}),
        json!({"id_token": {"sub": "somebody else"}}),
        json!({"remove": ["access_token"]}),
    ]
    .into_iter()
    .enumerate()
    {
        let mut fault = json!({"on": "refresh", "kind": "patch"});
        fault.as_object_mut().expect("an object").extend(oddity.as_object().expect("an object").clone());
        sandbox.fault(fault);
        // Without a token in memory, the next request is a renewal.
        home.seqera("agent restart").run().ok();
        let odd = home.seqera("token --profile work --timeout 5s").run();
        assert!(sandbox.count("refreshes") > number as u64, "{oddity}: {odd:?}");
        assert_eq!(sandbox.count("reuses"), 0, "{oddity}: the new refresh token was lost");
    }
    home.seqera("agent restart").run().ok();
    assert_eq!(sandbox.user_info(&home.token("work")).status, 200);
    assert_eq!((sandbox.count("reuses"), sandbox.count("code_exchanges")), (0, 1));
}

#[test]
fn only_the_providers_invalid_grant_ends_a_session_and_the_token_is_kept_for_a_look() {
    let sandbox = Sandbox::calm();
    let home = Home::new();
    home.login("work", &sandbox, ADA);
    sandbox.end_sessions();
    home.seqera("agent restart").run().ok();
    let refused = home.seqera("token --profile work -o json").run().fails_with(3).error_json();
    assert_eq!(refused["reason"], "LOGIN_EXPIRED");
    assert!(refused["hint"].as_str().is_some_and(|hint| hint.contains("seqera login")), "{refused}");
    home.login("work", &sandbox, ADA);
    assert_eq!(sandbox.user_info(&home.token("work")).status, 200);
}

#[test]
fn an_agent_without_anything_to_do_does_nothing() {
    let home = Home::new();
    let agent = home.start_agent();
    let before = wake_ups(agent.pid());
    let watch = Stopwatch::start();
    let time = Duration::from_secs(3);
    eventually(time * 2, "three seconds", || (watch.elapsed() >= time).then_some(()));
    let woken = wake_ups(agent.pid()) - before;
    assert!(woken <= 3, "{woken} wake-ups in {time:?} without a session");
}

/// How often the threads of a process gave up the processor voluntarily, which is once per wake-up.
fn wake_ups(pid: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs").flatten();
    let status = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("status")).ok());
    let switches = |text: String| {
        let line = text.lines().find(|line| line.starts_with("voluntary_ctxt_switches:"))?.to_owned();
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    status.filter_map(switches).sum()
}
