//! What was aimed at, beside what was reached.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::contestants::{OIDC, OWN, SSH};

/// One goal: what it is about, the most that the figure may be, its unit, where it comes from, and, for the page, why
/// it is missed if it is.
struct Goal {
    what: &'static str,
    most: f64,
    unit: &'static str,
    figure: fn(&Figures<'_>) -> Option<f64>,
    why: &'static str,
}

/// The results by their places.
struct Figures<'a>(&'a Map<String, Value>);

impl Figures<'_> {
    /// The number behind these names.
    fn at(&self, path: &[&str]) -> Option<f64> {
        let (kind, names) = path.split_first()?;
        names.iter().try_fold(self.0.get(*kind)?, |value, name| value.get(name))?.as_f64()
    }

    /// One contestant's number as a part of another's.
    fn part(&self, kind: &str, names: &[&str], of: &str) -> Option<f64> {
        let of_one = |name: &str| self.at(&[&[kind, name], names].concat());
        Some(of_one(OWN)? / of_one(of)?)
    }
}

const GOALS: &[Goal] = &[
    Goal {
        what: "`seqera token`, whole process, agent warm",
        most: 2.2,
        unit: "× the floor",
        figure: |all| all.at(&["whole", OWN, "ratio", "median"]),
        why: "",
    },
    Goal {
        what: "the same",
        most: 0.15,
        unit: "× `ssh-add -l`",
        figure: |all| all.part("whole", &["micros"], SSH),
        why: "on this machine the floor alone takes about as much: a process costs half a millisecond to start and \
              to end, whatever it does",
    },
    Goal {
        what: "the same",
        most: 0.35,
        unit: "× `oidc-token`",
        figure: |all| all.part("whole", &["micros"], OIDC),
        why: "`oidc-token` does little more than the floor: it checks neither whose the socket is nor which agent \
              answers",
    },
    Goal {
        what: "instructions of it, in its own code",
        most: 150_000.0,
        unit: "",
        figure: |all| all.at(&["whole", OWN, "instructions"]),
        why: "finding the right socket, the machine's id and the configuration takes most of what is beyond; \
              see [where they go](#where-the-instructions-go)",
    },
    Goal {
        what: "system calls of it",
        most: 70.0,
        unit: "",
        figure: |all| all.at(&["whole", OWN, "system_calls"]),
        why: "",
    },
    Goal {
        what: "a call over an open connection, one processor",
        most: 5.0,
        unit: "× a bare exchange",
        figure: |all| all.at(&["warm", "ratio", "median"]),
        why: "HTTP/2 frames are read and written by a library on both sides, in code that is built for size",
    },
    Goal {
        what: "the same, 99 of 100 within",
        most: 15.0,
        unit: "× a bare exchange",
        figure: |all| all.at(&["warm", "p99_to_bare_median", "median"]),
        why: "as above",
    },
    Goal {
        what: "a call of the Rust library on an open connection",
        most: 100.0,
        unit: "µs",
        figure: |all| all.at(&["warm", "micros"]),
        why: "",
    },
    Goal {
        what: "1,000 processes at once",
        most: 2.2,
        unit: "× the floor",
        figure: |all| all.at(&["herd", OWN, "ratio", "median"]),
        why: "",
    },
    Goal {
        what: "the same",
        most: 0.35,
        unit: "× `oidc-token`",
        figure: |all| all.part("herd", &["seconds"], OIDC),
        why: "to start a thousand processes takes most of the time of both",
    },
    Goal {
        what: "the same, failures",
        most: 0.0,
        unit: "",
        figure: |all| all.at(&["herd", OWN, "errors"]),
        why: "",
    },
    Goal {
        what: "1,000 callers without a token, five times: renewals",
        most: 5.0,
        unit: "",
        figure: |all| all.at(&["crowd", "expired", "renewals"]),
        why: "",
    },
    Goal {
        what: "the same, failures",
        most: 0.0,
        unit: "",
        figure: |all| all.at(&["crowd", "expired", "errors"]),
        why: "",
    },
    Goal {
        what: "the same, until the last has it",
        most: 200.0,
        unit: "ms beyond the renewal",
        figure: |all| all.at(&["crowd", "expired", "millis"]),
        why: "a thousand answers are written and read on the processors that the callers share with the agent",
    },
    Goal {
        what: "the agent stands still for 2 s, 1,500 callers: failures",
        most: 0.0,
        unit: "",
        figure: |all| all.at(&["crowd", "standing_still_errors"]),
        why: "",
    },
    Goal {
        what: "a cached answer while the provider hangs, 50 callers, 99 of 100 within",
        most: 5.0,
        unit: "ms",
        figure: |all| all.at(&["crowd", "hanging_p99_millis"]),
        why: "",
    },
    Goal {
        what: "agent idle with a session: memory of its own",
        most: 1.0,
        unit: "× ssh-agent",
        figure: |all| all.part("memory", &["idle", "anonymous_kib"], SSH),
        why: "relocations make a third of a megabyte of the program its own, which position independence costs",
    },
    Goal {
        what: "the same without what relocations change",
        most: 1.0,
        unit: "× ssh-agent",
        figure: |all| {
            let own = |name| {
                let of = |part| all.at(&["memory", name, "idle", part]);
                Some(of("anonymous_kib")? - of("relocated_kib")?)
            };
            Some(own(OWN)? / own(SSH)?)
        },
        why: "an HTTP/2 server, a runtime and the records of the sessions lie in it",
    },
    Goal {
        what: "the same: all resident memory",
        most: 2.0,
        unit: "× ssh-agent",
        figure: |all| all.part("memory", &["idle", "resident_kib"], SSH),
        why: "",
    },
    Goal {
        what: "threads of the idle agent",
        most: 4.0,
        unit: "",
        figure: |all| all.at(&["memory", OWN, "idle", "threads"]),
        why: "",
    },
    Goal {
        what: "memory of its own, 10 s after a herd of 1,000",
        most: 1.1,
        unit: "× idle",
        figure: |all| all.at(&["memory", OWN, "part"]),
        why: "musl's allocator keeps its notes on the groups of blocks that it once had, and pages that a few blocks share",
    },
    Goal {
        what: "the same after 5,000 idle connections",
        most: 1.1,
        unit: "× idle",
        figure: |all| all.at(&["memory", "bursts", "idle connections", "later"]),
        why: "as above",
    },
    Goal {
        what: "the same: all resident memory",
        most: 1.1,
        unit: "× idle",
        figure: |all| all.at(&["memory", "bursts", "idle connections", "later_resident"]),
        why: "as above",
    },
    Goal {
        what: "the same after 4,200 half requests",
        most: 1.1,
        unit: "× idle",
        figure: |all| all.at(&["memory", "bursts", "half requests", "later"]),
        why: "as above",
    },
    Goal {
        what: "the same: all resident memory",
        most: 1.1,
        unit: "× idle",
        figure: |all| all.at(&["memory", "bursts", "half requests", "later_resident"]),
        why: "as above",
    },
    Goal {
        what: "the same after 2,000 watchers",
        most: 1.1,
        unit: "× idle",
        figure: |all| all.at(&["memory", "bursts", "watchers", "later"]),
        why: "as above",
    },
    Goal {
        what: "the same: all resident memory",
        most: 1.1,
        unit: "× idle",
        figure: |all| all.at(&["memory", "bursts", "watchers", "later_resident"]),
        why: "as above",
    },
    Goal {
        what: "the same after 500 clients that never read",
        most: 1.1,
        unit: "× idle",
        figure: |all| all.at(&["memory", "bursts", "clients that never read", "later"]),
        why: "as above",
    },
    Goal {
        what: "the same: all resident memory",
        most: 1.1,
        unit: "× idle",
        figure: |all| all.at(&["memory", "bursts", "clients that never read", "later_resident"]),
        why: "as above",
    },
    Goal {
        what: "wake-ups of the idle agent, with a session",
        most: 2.0,
        unit: "a minute",
        figure: |all| all.at(&["memory", "idleness", "with a session", "wakes_a_minute"]),
        why: "the clock is looked at every half minute, and the runtime's timers, which lie in wheels, wake up about \
              three times for each",
    },
    Goal {
        what: "the same without a session",
        most: 0.0,
        unit: "a minute",
        figure: |all| all.at(&["memory", "idleness", "without", "wakes_a_minute"]),
        why: "",
    },
    Goal {
        what: "processor time of an idle day, with a session",
        most: 1.0,
        unit: "s",
        figure: |all| all.at(&["memory", "idleness", "with a session", "seconds_a_day"]),
        why: "",
    },
    Goal {
        what: "`$(seqera token)` with no agent running, a renewal included",
        most: 15.0,
        unit: "ms",
        figure: |all| all.at(&["start", "millis", "median"]),
        why: "two processes start one after the other, and what a renewal brings is on the disk before it is used",
    },
    Goal {
        what: "a call with 10,000 profiles",
        most: 1.1,
        unit: "× with one",
        figure: |all| all.at(&["grow", "10000", "ratio", "median"]),
        why: "",
    },
    Goal {
        what: "memory of a profile",
        most: 4.0,
        unit: "KiB",
        figure: |all| all.at(&["grow", "10000", "kib_a_profile"]),
        why: "each has a task, a view of its session and its record",
    },
    Goal { what: "`seqera`", most: 2.0, unit: "MiB", figure: |all| all.at(&["size", "seqera"]), why: "" },
    Goal {
        what: "`seqera-agent`",
        most: 8.0,
        unit: "MiB",
        figure: |all| all.at(&["size", "seqera-agent"]),
        why: "TLS, two kinds of HTTP, OpenID Connect and D-Bus are in it, and the tables by which it survives the \
              panic of one task",
    },
];

/// A table of the goals of which there are figures.
pub(super) fn table(results: &Map<String, Value>) -> String {
    let figures = Figures(results);
    let mut text = String::from("| what | goal | reached | |\n|---|---|---|---|\n");
    for goal in GOALS {
        let Some(figure) = (goal.figure)(&figures) else { continue };
        let Goal { what, most, unit, .. } = goal;
        let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
        let verdict = match figure <= *most {
            true => "yes".to_owned(),
            false if *most == 0.0 => format!("**no**: {}", goal.why),
            false => format!("**no**, by {:.0} %: {}", (figure / most - 1.0) * 100.0, goal.why),
        };
        let verdict = verdict.trim_end_matches([' ', ':']);
        let _ = writeln!(text, "| {what} | ≤ {}{unit} | {} | {verdict} |", plain(*most), plain(figure));
    }
    text
}

/// As many digits as say something.
fn plain(number: f64) -> String {
    match number {
        _ if number.fract() == 0.0 => format!("{number:.0}"),
        _ if number < 10.0 => format!("{number:.2}"),
        _ => format!("{number:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_goal_stands_beside_its_figure_and_a_missed_one_says_by_how_much() {
        let whole =
            json!({OWN: {"instructions": 165_000, "micros": 30, "system_calls": 66}, SSH: {"micros": 300}});
        let results = json!({"whole": whole});
        let table = table(results.as_object().expect("an object"));
        assert!(table.contains("| the same | ≤ 0.15 × `ssh-add -l` | 0.10 | yes |"), "{table}");
        assert!(table.contains("| ≤ 150000 | 165000 | **no**, by 10 %: finding"), "{table}");
        assert!(!table.contains("profiles"), "what was not measured is left out: {table}");
    }
}
