//! `cargo xtask bench`: how fast and how small the programs are, beside a floor and beside agents that do less.
//! Everything is measured in one run, taking turns, and told as ratios, since a figure alone says more about the
//! machine and its neighbours. No test looks at these figures.

mod burst;
mod contestants;
mod counting;
mod crowd;
mod figures;
mod goals;
mod grow;
mod herd;
mod issuer;
mod memory;
mod page;
mod plot;
mod start;
mod warm;
mod whole;

use std::process::Command;

use seqera_tests::binaries::{binaries, workspace};
use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Sandbox, environment};
use serde_json::{Value, json};

use crate::bench::contestants::Field;
use crate::bench::counting::{COUNTER, counted};
use crate::{dist, peers, report};

pub(crate) use self::burst::{TASK as BURST, hold as hold_burst};

/// One kind of measurement: its name, and what does it.
type Kind = (&'static str, fn(&mut Field) -> Value);

/// What can be measured, in this order. The memory of this project's agent is first looked at when it has not yet
/// met a crowd.
const KINDS: [Kind; 8] = [
    ("size", size),
    ("whole", whole::measure),
    ("warm", warm::measure),
    ("memory", memory::measure),
    ("herd", herd::measure),
    ("start", start::measure),
    ("crowd", crowd::measure),
    ("grow", grow::measure),
];

/// True for something that can be measured.
pub(crate) fn knows(kind: &str) -> bool {
    KINDS.iter().any(|(name, _)| *name == kind)
}

/// What to measure, and what to do with the results.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Wish {
    /// One kind; everything if none is named.
    pub(crate) kind: Option<String>,
    /// Ends with one line for machines.
    pub(crate) json: bool,
    /// Writes the results into the repository, if everything was measured.
    pub(crate) keep: bool,
}

/// Measures.
pub(crate) fn bench(wish: &Wish) {
    if environment::variable(environment::BIN_DIR).is_none() {
        return with_programs_of_users(wish);
    }
    let machine = machine();
    println!("On {machine}.");
    println!("Ratios are medians of runs that took turns, with the quarters in brackets.");
    let mut field = Field::build();
    let mut results = serde_json::Map::new();
    let wanted = |name: &str| wish.kind.as_ref().is_none_or(|kind| kind == name);
    for (name, measure) in KINDS.iter().filter(|(name, _)| wanted(name)) {
        println!("\n{name}");
        results.insert((*name).to_owned(), measure(&mut field));
    }
    println!("\n{}", goals::table(&results));
    if wish.keep && wish.kind.is_none() {
        page::write(&workspace().join("tests/bench"), &machine, &results);
    }
    if wish.json {
        println!("{}", json!({"machine": machine, "results": results}));
    }
}

/// The sizes of both programs in MiB, and in bytes for people.
fn size(_: &mut Field) -> Value {
    let programs = binaries();
    let mut results = serde_json::Map::new();
    for (name, path) in [("seqera", &programs.client), ("seqera-agent", &programs.agent)] {
        let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
        report::line(&format!("{name}: {bytes} bytes"));
        results.insert(name.to_owned(), json!(bytes as f64 / f64::from(1 << 20)));
    }
    results.into()
}

/// Runs this task again with the programs as users get them.
fn with_programs_of_users(wish: &Wish) {
    peers::for_bench();
    let folder = dist::build(dist::TARGET);
    let mut words = vec!["bench"];
    words.extend(wish.kind.as_deref());
    words.extend(wish.json.then_some("--json"));
    words.extend(wish.keep.then_some("--keep"));
    dist::run_with(&folder, &words);
}

/// How many instructions `seqera token` may take from start to end, a tenth above what was reached.
const MOST_INSTRUCTIONS: u64 = 157_000;

/// Counts the instructions of `seqera token`, which do not depend on the neighbours.
///
/// # Errors
/// There are more than [`MOST_INSTRUCTIONS`].
pub(crate) fn instructions() -> Result<(), String> {
    let client = dist::folder(dist::TARGET).join("seqera");
    let sandbox = Sandbox::calm();
    let home = Home::new();
    home.login("default", &sandbox, ADA);
    let mut command = Command::new(COUNTER[0]);
    command.args(&COUNTER[1..]).arg(client).arg("token").env_clear().envs(home.environment());
    let count = counted(&mut command).ok_or("valgrind does not count: is it installed?")?;
    println!("      {count} instructions, {MOST_INSTRUCTIONS} are the limit");
    let few = count <= MOST_INSTRUCTIONS;
    few.then_some(()).ok_or_else(|| format!("{count} instructions, {MOST_INSTRUCTIONS} are the limit"))
}

/// The processors, how busy they were in the last minute, and the kernel.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let models: Vec<_> = processors.lines().filter(|line| line.starts_with("model name")).collect();
    let model = models.first().and_then(|line| line.split_once(": ")).map_or("?", |(_, model)| model);
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or("?");
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{} × {model}, Linux {}, load {load}", models.len(), kernel.trim())
}
