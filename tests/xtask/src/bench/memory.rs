//! The agents' memory: idle with one session or key, after a herd, and ten seconds later. This project's also after
//! bursts of other kinds, and what it does while nobody calls it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use seqera_tests::Home;
use seqera_tests::wait::Stopwatch;
use serde_json::{Map, Value, json};

use super::burst::{self, Burst};
use super::contestants::{Contestant, Field, OWN};
use super::figures::pause;
use super::herd::herd;
use crate::report::{line, table};

/// How long an agent has to give back what a burst made it take.
const REST: Duration = Duration::from_secs(10);
/// How long an agent is left alone before it counts as idle: what it has built for a sign-in goes after a minute.
const SETTLING: Duration = Duration::from_secs(65);
/// How long it is watched then.
const WATCHED: Duration = Duration::from_secs(60);

/// Between two looks at an agent during a herd.
const SAMPLE: Duration = Duration::from_millis(200);

pub(super) fn measure(field: &mut Field) -> Value {
    let mut results = Map::new();
    results.insert("idleness".to_owned(), idleness(field));
    let mut rows = Vec::new();
    let before_all = Memory::of(field.own_agent()).unwrap_or_default();
    for contestant in &field.contestants {
        let pid = if contestant.name == OWN { Some(field.own_agent()) } else { contestant.agent };
        let Some(pid) = pid else { continue };
        let Some(idle) = Memory::of(pid) else {
            println!("      not measured: the memory of process {pid} ({}) is not readable", contestant.name);
            continue;
        };
        let (errors, course) = through_a_herd(contestant, pid);
        let after = Memory::of(pid).unwrap_or_default();
        rows.push((contestant.name.to_owned(), format!("{idle}; {} threads; {errors} errors", idle.threads)));
        rows.push((String::new(), format!("{} after a herd, {} s later", after, REST.as_secs())));
        let part = after.own as f64 / idle.own as f64;
        let result = json!({"idle": idle.json(), "later": after.json(), "part": part, "course": course});
        results.insert(contestant.name.to_owned(), result);
    }
    table(&rows);
    results.insert("bursts".to_owned(), bursts(field, &before_all));
    results.into()
}

/// How many of a herd fail, and seconds with the agent's own KiB through the herd and the rest after it.
fn through_a_herd(contestant: &Contestant, pid: u32) -> (usize, Vec<(f64, u64)>) {
    let (over, watch) = (AtomicBool::new(false), Stopwatch::start());
    std::thread::scope(|scope| {
        let course = scope.spawn(|| {
            let mut course = Vec::new();
            while !over.load(Ordering::Relaxed) {
                course.push((watch.elapsed().as_secs_f64(), Memory::of(pid).unwrap_or_default().own));
                pause(SAMPLE);
            }
            course
        });
        pause(SAMPLE * 2);
        let (_, errors) = herd(contestant);
        pause(REST);
        over.store(true, Ordering::Relaxed);
        (errors, course.join().unwrap_or_default())
    })
}

/// What the agent does while nobody calls it, with a session and without one.
fn idleness(field: &Field) -> Value {
    let empty = Home::new();
    empty.seqera("agent start").run().ok();
    let agents = [("with a session", field.own_agent()), ("without", empty.agent_pid().expect("it runs"))];
    pause(SETTLING);
    let before = agents.map(|(_, pid)| Doings::of(pid));
    pause(WATCHED);
    let mut results = Map::new();
    for ((name, pid), before) in agents.into_iter().zip(before) {
        let after = Doings::of(pid);
        let minutes = WATCHED.as_secs_f64() / 60.0;
        let wakes = (after.wakes - before.wakes) / minutes;
        let seconds_a_day = (after.nanos - before.nanos) / 1e9 / minutes * 1440.0;
        line(&format!("{name}: {wakes:.1} wake-ups a minute, {seconds_a_day:.2} s of processor a day"));
        results.insert(name.to_owned(), json!({"wakes_a_minute": wakes, "seconds_a_day": seconds_a_day}));
    }
    results.into()
}

/// The agent's memory ten seconds after each kind of burst, as parts of what it was before them all, and before any
/// herd.
fn bursts(field: &Field, idle: &Memory) -> Value {
    let pid = field.own_agent();
    let mut results = Map::new();
    for (kind, count) in burst::KINDS {
        let burst = Burst::start(kind, count, &field.socket());
        let peak = Memory::of(pid).unwrap_or_default();
        drop(burst);
        pause(REST);
        let later = Memory::of(pid).unwrap_or_default();
        let [own, all] =
            [(later.own, idle.own), (later.all, idle.all)].map(|(now, then)| now as f64 / then as f64);
        line(&format!(
            "{count} {kind}: {} KiB of its own before, {} at the peak, {} later; {}, {}, {} in all",
            idle.own, peak.own, later.own, idle.all, peak.all, later.all
        ));
        let result = json!({
            "peak_kib": peak.own, "later_kib": later.own, "later": own,
            "peak_resident_kib": peak.all, "later_resident_kib": later.all, "later_resident": all,
        });
        results.insert(kind.to_owned(), result);
    }
    results.into()
}

/// In KiB.
#[derive(Default)]
pub(super) struct Memory {
    /// Anonymous memory, which nothing else shares and no file holds.
    pub(super) own: u64,
    /// The part of it that the relocations of the program have made its own.
    relocated: u64,
    /// Resident memory, of which text and read-only data are mapped from the file.
    all: u64,
    threads: u64,
}

impl Memory {
    pub(super) fn of(pid: u32) -> Option<Self> {
        let memory = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let maps = std::fs::read_to_string(format!("/proc/{pid}/smaps")).ok()?;
        Some(Self {
            own: number(&memory, "Anonymous:")?,
            relocated: of_files(&maps),
            all: number(&memory, "Rss:")?,
            threads: number(&status, "Threads:")?,
        })
    }

    fn json(&self) -> Value {
        json!({
            "anonymous_kib": self.own, "relocated_kib": self.relocated, "resident_kib": self.all,
            "threads": self.threads,
        })
    }
}

impl std::fmt::Display for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (own, relocated, all) = (self.own, self.relocated, self.all);
        write!(f, "{own} KiB of its own ({relocated} by relocation and as data), {all} in all")
    }
}

/// The anonymous memory of mappings of files: data, and what the relocations have changed.
fn of_files(maps: &str) -> u64 {
    let mut of_file = false;
    let mut sum = 0;
    for line in maps.lines() {
        match line.strip_prefix("Anonymous:") {
            Some(rest) if of_file => {
                sum += rest.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0)
            }
            // The head of a mapping: its second word is what may be done with it.
            None if line.split(' ').nth(1).is_some_and(|word| word.len() == 4) => {
                of_file = line.contains(" /") && !line.contains("(deleted)");
            }
            _ => {}
        }
    }
    sum
}

/// What a process has done since it was started.
struct Doings {
    /// How often one of its threads went to sleep of its own will, and so had been woken.
    wakes: f64,
    /// Time on a processor.
    nanos: f64,
}

impl Doings {
    fn of(pid: u32) -> Self {
        let (mut wakes, mut nanos) = (0.0, 0.0);
        for task in std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let read = |file: &str| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
            wakes += number(&read("status"), "voluntary_ctxt_switches:").unwrap_or(0) as f64;
            nanos += read("schedstat").split(' ').next().and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0);
        }
        Self { wakes, nanos }
    }
}

fn number(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}
