//! The agents' memory: idle with one session or key, after a herd, and ten seconds later.

use std::time::Duration;

use serde_json::{Value, json};

use super::contestants::Field;
use super::herd::herd;
use crate::report::table;

/// How long an agent has to give back what a herd made it take.
const REST: Duration = Duration::from_secs(10);

pub(super) fn measure(field: &mut Field) -> Value {
    let mut rows = Vec::new();
    let mut results = serde_json::Map::new();
    for contestant in &field.contestants {
        let Some(pid) = contestant.agent else { continue };
        let Some(idle) = Memory::of(pid) else {
            println!("      not measured: the memory of process {pid} ({}) is not readable", contestant.name);
            continue;
        };
        let (_, errors) = herd(contestant);
        let after = Memory::of(pid).unwrap_or_default();
        rest();
        let rested = Memory::of(pid).unwrap_or_default();
        let text = format!(
            "{} KiB of its own, {} in all, {} threads; after a herd {} and {}, {} s later {} and {}; {errors} errors",
            idle.own,
            idle.all,
            idle.threads,
            after.own,
            after.all,
            REST.as_secs(),
            rested.own,
            rested.all
        );
        rows.push((contestant.name.to_owned(), text));
        let result = json!({"idle": idle.json(), "after_a_herd": after.json(), "later": rested.json()});
        results.insert(contestant.name.to_owned(), result);
    }
    table(&rows);
    results.into()
}

#[expect(clippy::disallowed_methods, reason = "the time itself is what is measured")]
fn rest() {
    std::thread::sleep(REST);
}

/// In KiB.
#[derive(Default)]
struct Memory {
    /// Anonymous memory, which nothing else shares and no file holds.
    own: u64,
    /// Resident memory, of which text and read-only data are mapped from the file.
    all: u64,
    threads: u64,
}

impl Memory {
    fn of(pid: u32) -> Option<Self> {
        let memory = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        Some(Self {
            own: number(&memory, "Anonymous:")?,
            all: number(&memory, "Rss:")?,
            threads: number(&status, "Threads:")?,
        })
    }

    fn json(&self) -> Value {
        json!({"anonymous_kib": self.own, "resident_kib": self.all, "threads": self.threads})
    }
}

fn number(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}
