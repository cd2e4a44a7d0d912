//! Whole processes, from their start to their end: what a loop in a script pays for each turn.

use std::time::Duration;

use seqera_tests::skip::on_path;
use seqera_tests::wait::Stopwatch;
use serde_json::{Value, json};

use super::contestants::{Contestant, FLOOR, Field};
use super::counting::{COUNTER, counted, output};
use super::figures::Spread;

use crate::report::table;

/// Enough for a median that holds still.
const ROUNDS: usize = 200;

pub(super) fn measure(field: &mut Field) -> Value {
    let mut times = vec![Vec::new(); field.contestants.len()];
    for _ in 0..ROUNDS {
        for (contestant, times) in field.contestants.iter().zip(&mut times) {
            times.push(once(contestant).as_secs_f64());
        }
    }
    let floor = field.contestants.iter().position(|one| one.name == FLOOR).expect("there is a floor");
    let mut rows = Vec::new();
    let mut results = serde_json::Map::new();
    for (contestant, own) in field.contestants.iter().zip(&times) {
        let ratio = Spread::of_ratios(own, &times[floor]);
        let micros = Spread::of(own.iter().map(|seconds| seconds * 1e6)).median;
        let (instructions, calls) = (instructions(contestant), system_calls(contestant));
        let counted = |count: Option<u64>| count.map_or("-".to_owned(), |count| count.to_string());
        let counts = format!("{} instructions, {} system calls", counted(instructions), counted(calls));
        rows.push((contestant.name.to_owned(), format!("{ratio} × floor, {micros:.0} µs; {counts}")));
        let result = json!({
            "ratio": ratio.json(), "micros": micros, "instructions": instructions, "system_calls": calls,
        });
        results.insert(contestant.name.to_owned(), result);
    }
    table(&rows);
    results.into()
}

/// One run.
pub(super) fn once(contestant: &Contestant) -> Duration {
    let mut command = contestant.command();
    let watch = Stopwatch::start();
    let status = command.status().expect("what was found once can be started again");
    let time = watch.elapsed();
    assert!(status.success(), "{} fails", contestant.name);
    time
}

fn instructions(contestant: &Contestant) -> Option<u64> {
    let (program, arguments) = COUNTER.split_first()?;
    on_path(program).then(|| counted(&mut contestant.under(program, arguments)))?
}

/// The system calls of a process and its children.
fn system_calls(contestant: &Contestant) -> Option<u64> {
    if !on_path("strace") {
        return None;
    }
    let text = output(&mut contestant.under("strace", &["-f", "-c", "-U", "calls,name"]))?;
    let total = text.lines().find(|line| line.trim_end().ends_with(" total"))?;
    total.split_whitespace().next()?.parse().ok()
}
