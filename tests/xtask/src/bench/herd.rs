//! A thousand processes at once, as the tasks of a workflow start them.

use std::process::Child;

use seqera_tests::wait::Stopwatch;
use serde_json::{Value, json};

use super::contestants::{Contestant, FLOOR, Field};
use super::figures::Spread;
use crate::report::table;

pub(super) const PROCESSES: usize = 1000;
const ROUNDS: usize = 5;

pub(super) fn measure(field: &mut Field) -> Value {
    let mut times = vec![Vec::new(); field.contestants.len()];
    let mut errors = vec![0; field.contestants.len()];
    for _ in 0..ROUNDS {
        field.restart_floor();
        for (index, contestant) in field.contestants.iter().enumerate() {
            let (time, failed) = herd(contestant);
            times[index].push(time);
            errors[index] += failed;
        }
    }
    let floor = field.contestants.iter().position(|one| one.name == FLOOR).expect("there is a floor");
    let mut rows = Vec::new();
    let mut results = serde_json::Map::new();
    for (index, contestant) in field.contestants.iter().enumerate() {
        let ratio = Spread::of_ratios(&times[index], &times[floor]);
        let (seconds, errors) = (Spread::of(times[index].iter().copied()).median, errors[index]);
        rows.push((contestant.name.to_owned(), format!("{ratio} × floor, {seconds:.2} s, {errors} errors")));
        let result = json!({"ratio": ratio.json(), "seconds": seconds, "errors": errors});
        results.insert(contestant.name.to_owned(), result);
    }
    println!("  {PROCESSES} processes, {ROUNDS} times");
    table(&rows);
    results.into()
}

/// Starts them all, waits for all, and counts the seconds and the failures.
pub(super) fn herd(contestant: &Contestant) -> (f64, usize) {
    let watch = Stopwatch::start();
    let start = |_| contestant.command().spawn().expect("a process can be started");
    let children: Vec<Child> = (0..PROCESSES).map(start).collect();
    let failed = |mut child: Child| !child.wait().is_ok_and(|status| status.success());
    let errors = children.into_iter().map(failed).filter(|failed| *failed).count();
    (watch.elapsed().as_secs_f64(), errors)
}
