//! `cargo xtask test`: everything that has to hold, in one command. `cargo xtask peers`: only the tests with
//! real providers, a real keychain and a real browser. A failure does not stop the rest.

use std::process::ExitCode;

use seqera_tests::environment;
use seqera_tests::wait::Stopwatch;

use crate::checks::{self, Part};
use crate::{bench, contract, dist, documented, node, peers, report, systems, wings};

const CHECKS: [Part; 16] = [
    ("peers", peers::prepare),
    ("format", checks::format),
    ("wings", wings::check),
    ("promises", documented::promises),
    ("contract", contract::check),
    ("clippy", checks::clippy),
    ("clippy for Windows", systems::windows),
    ("clippy for macOS", systems::mac_os),
    ("documentation", checks::documentation),
    ("versions", node::versions),
    ("Node library", node::library),
    ("tests", checks::tests),
    ("client links no HTTP stack", checks::client_dependencies),
    ("static programs", dist::static_programs),
    ("packages", dist::packages),
    ("instructions of seqera token", bench::instructions),
];

/// Runs every check and test.
pub(crate) fn all() -> ExitCode {
    println!("Checks and tests of the workspace; about twenty minutes on a fresh clone with two processors.");
    run(&[&CHECKS[..], &peers::TESTS].concat())
}

/// Runs only the tests with real peers.
pub(crate) fn with_peers() -> ExitCode {
    println!("The agent against real programs from outside; about five minutes on two processors.");
    run(&[&[("peers", peers::prepare as fn() -> _)][..], &peers::TESTS].concat())
}

/// Runs the parts, and prints their times, what failed, and what was skipped.
fn run(parts: &[Part]) -> ExitCode {
    checks::forget_skipped();
    let mut rows = Vec::new();
    let mut failures = 0;
    for (index, (name, part)) in parts.iter().enumerate() {
        report::step(index + 1, parts.len(), name);
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
