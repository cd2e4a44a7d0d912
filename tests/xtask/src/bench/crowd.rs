//! Many callers when something is wrong: the provider hangs, nobody has a token yet, the agent itself stands still.

use std::process::{Child, Command};
use std::time::Duration;

use seqera_tests::sandbox::ADA;
use seqera_tests::wait::Stopwatch;
use seqera_tests::{Home, Sandbox};
use serde_json::{Value, json};

use super::contestants::{Field, OWN};
use super::counting::{number_lines, output};
use super::figures::{Spread, pause};
use super::warm::example;
use crate::report::line;

/// Callers of a token that is at hand while its renewal hangs, and the calls of each.
const AT_HAND: [&str; 2] = ["50", "60"];
/// Callers of a token that nobody has yet; one process may have somewhat more connections than this.
const WITHOUT: &str = "1000";
/// How long the provider takes for that token.
const RENEWAL: Duration = Duration::from_millis(1000);
const ROUNDS: usize = 5;
/// For how long the agent stands still, and how many processes are started meanwhile.
const STANDSTILL: Duration = Duration::from_secs(2);
const PROCESSES: usize = 1500;

pub(super) fn measure(field: &mut Field) -> Value {
    let program = example("crowd");
    let hanging = hanging(&program);
    line(&format!("the provider hangs: 99 of 100 calls of {} callers within {hanging:.2} ms", AT_HAND[0]));
    let expired = expired(&program);
    let (more, renewals, errors) = (&expired["millis"], &expired["renewals"], &expired["errors"]);
    line(&format!(
        "{WITHOUT} callers without a token: {renewals} renewals in {ROUNDS} rounds, {errors} errors,"
    ));
    line(&format!("  {more} ms beyond the {} ms of the provider", RENEWAL.as_millis()));
    let errors = standing_still(field);
    line(&format!(
        "the agent stands still for {} s: {PROCESSES} calls, {errors} errors",
        STANDSTILL.as_secs()
    ));
    json!({"hanging_p99_millis": hanging, "expired": expired, "standing_still_errors": errors})
}

fn crowd(program: &std::path::Path, home: &Home, words: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(words).env_clear().envs(home.environment());
    command
}

/// The milliseconds within which 99 of 100 calls are answered from memory while the renewal of the token hangs.
fn hanging(program: &std::path::Path) -> f64 {
    let sandbox = Sandbox::start(&json!({"access_lifetime": 40}));
    let home = Home::new();
    sandbox.fault(json!({"on": "refresh", "kind": "hang", "times": 0}));
    home.login("default", &sandbox, ADA);
    // Half of the token's life is over then, and the other half is enough.
    sandbox.wait_for("refresh", 1);
    let text = output(&mut crowd(program, &home, &AT_HAND)).expect("every call is answered");
    let mut times = number_lines(&text);
    times.sort_by(f64::total_cmp);
    times[(times.len() - 1) * 99 / 100] / 1e6
}

/// A restarted agent knows the session and has no access token, as when the last one has expired.
fn expired(program: &std::path::Path) -> Value {
    let sandbox = Sandbox::calm();
    let home = Home::new();
    home.login("default", &sandbox, ADA);
    let (mut beyond, mut errors) = (Vec::new(), 0);
    for _ in 0..ROUNDS {
        home.seqera("agent restart").run().ok();
        let millis = u64::try_from(RENEWAL.as_millis()).expect("a short time");
        sandbox.fault(json!({"on": "refresh", "kind": "delay", "ms": millis}));
        match output(&mut crowd(program, &home, &[WITHOUT, "1"])) {
            Some(text) => {
                let last = number_lines(&text).into_iter().fold(0.0, f64::max) / 1e6;
                beyond.push(last - RENEWAL.as_secs_f64() * 1e3);
            }
            None => errors += 1,
        }
    }
    let millis = if beyond.is_empty() { Value::Null } else { json!(Spread::of(beyond).median.round()) };
    json!({"renewals": sandbox.count("refresh_attempts"), "errors": errors, "millis": millis})
}

/// The processes that fail when the agent is stopped while they start.
fn standing_still(field: &Field) -> usize {
    let own = field.find(OWN).expect("this project takes part");
    let pid = field.home.agent_pid().expect("the agent runs").to_string();
    let signal = |name: &str| assert!(output(Command::new("kill").args([name, &pid])).is_some());
    signal("-STOP");
    let watch = Stopwatch::start();
    let start = |_| own.command().spawn().expect("a process can be started");
    let children: Vec<Child> = (0..PROCESSES).map(start).collect();
    pause(STANDSTILL.saturating_sub(watch.elapsed()));
    signal("-CONT");
    let failed = |mut child: Child| !child.wait().is_ok_and(|status| status.success());
    children.into_iter().map(failed).filter(|failed| *failed).count()
}
