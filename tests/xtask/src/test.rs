//! `cargo xtask test`: everything that has to hold, in one command. What fails does not stop the rest.

use std::process::ExitCode;

use seqera_tests::environment;
use seqera_tests::wait::Stopwatch;

use crate::{checks, peers, report};

/// One part: its name, and what it does. An error is one line for the table.
type Part = (&'static str, fn() -> Result<(), String>);

const PARTS: [Part; 7] = [
    ("peers", peers::prepare),
    ("format", checks::format),
    ("file length", checks::file_length),
    ("clippy", checks::clippy),
    ("tests", checks::tests),
    ("client links no HTTP stack", checks::client_dependencies),
    ("client size", checks::client_size),
];

/// Runs all parts and prints their times, what failed, and what was skipped.
pub(crate) fn run() -> ExitCode {
    println!("Checks and tests of the workspace; about ten minutes on a fresh clone with two processors.");
    let mut rows = Vec::new();
    let mut failures = 0;
    for (index, (name, part)) in PARTS.iter().enumerate() {
        report::step(index + 1, PARTS.len(), name);
        let watch = Stopwatch::start();
        let outcome = part();
        failures += usize::from(outcome.is_err());
        let word = outcome.map_or_else(|problem| format!("FAILED: {problem}"), |()| "ok".to_owned());
        rows.push(((*name).to_owned(), format!("{:>8}   {word}", report::seconds(watch.elapsed()))));
    }
    let skipped = checks::skipped();
    println!();
    report::table(&rows);
    println!("\nskipped: {}", if skipped.is_empty() { "nothing" } else { "" });
    skipped.iter().for_each(|line| println!("  {line}"));
    if environment::is_ci() && !skipped.is_empty() {
        println!("CI skips nothing: this is a failure.");
        failures += 1;
    }
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
