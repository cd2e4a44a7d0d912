//! Calls over a connection that stays open, beside a bare exchange over a socket. Both sides of each run on one
//! processor, since a call across two takes several times as long and which one happens is chance.

use std::process::Command;

use seqera_tests::binaries::{cargo, workspace};
use seqera_tests::skip::on_path;
use serde_json::{Value, json};

use super::contestants::{FLOOR, Field, OWN};
use super::counting::{number_lines, output};
use super::figures::Spread;

use crate::report::line;

const CALLS: &str = "2000";
const ROUNDS: usize = 5;

pub(super) fn measure(field: &mut Field) -> Value {
    if !on_path("taskset") {
        println!("      not measured: taskset is missing; on Debian: apt-get install util-linux");
        return Value::Null;
    }
    let warm = example("warm");
    let floor = field.find(FLOOR).expect("there is a floor");
    let own = field.find(OWN).expect("this project takes part");
    for pid in [floor.agent, own.agent].into_iter().flatten() {
        let _ = output(Command::new("taskset").args(["-a", "-c", "-p", "0", &pid.to_string()]));
    }
    let mut call = Command::new("taskset");
    call.args(["-c", "0"]).arg(&warm).arg(CALLS).env_clear().envs(field.home.environment());
    let (mut raw, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        raw.push(Calls::of(&mut field.ping(CALLS)));
        ours.push(Calls::of(&mut call));
    }
    let of = |calls: &[Calls], part: fn(&Calls) -> f64| calls.iter().map(part).collect::<Vec<_>>();
    let middle = Spread::of_ratios(&of(&ours, |calls| calls.median), &of(&raw, |calls| calls.median));
    let worst = Spread::of_ratios(&of(&ours, |calls| calls.p99), &of(&raw, |calls| calls.median));
    let micros = Spread::of(of(&ours, |calls| calls.median)).median / 1e3;
    line(&format!("{middle} × a bare exchange, {micros:.1} µs; 99 of 100 within {worst} × its median"));
    json!({"ratio": middle.json(), "p99_to_bare_median": worst.json(), "micros": micros})
}

/// The nanoseconds of many calls.
pub(super) struct Calls {
    pub(super) median: f64,
    pub(super) p99: f64,
}

impl Calls {
    pub(super) fn of(command: &mut Command) -> Self {
        let text = output(command).expect("it prints the times of its calls");
        let mut times = number_lines(&text);
        times.sort_by(f64::total_cmp);
        let at = |hundredth: usize| times[(times.len() - 1) * hundredth / 100];
        Self { median: at(50), p99: at(99) }
    }
}

/// A program that uses the library as a long-lived one would.
pub(super) fn example(name: &str) -> std::path::PathBuf {
    let args = ["build", "--quiet", "--profile", "dist", "-p", "seqera-client", "--example", name];
    let status = Command::new(cargo()).args(args).current_dir(workspace()).status();
    assert!(status.is_ok_and(|status| status.success()), "the example does not build");
    workspace().join("target/dist/examples").join(name)
}
