//! Prints the doctor's findings one below the other as they arrive, and a summary at the end.

use seqera_client::proto::v1::Check;
use seqera_client::proto::v1::check::Verdict;
use serde_json::{Value, json};

use crate::screen::failure::{Failure, Hint};
use crate::screen::layout::{one_line, padded, width, wrap};
use crate::screen::terminal;
use crate::screen::{Screen, Tone};

/// The columns for mark and name. A longer name, such as that of a profile's check, gets a line to itself.
const NAMES: usize = 23;

/// In a narrower terminal, the text goes below the name.
const NARROW: usize = 60;

pub(super) struct Findings<'a> {
    screen: &'a Screen,
    columns: Option<usize>,
    problems: usize,
    warnings: usize,
    /// The texts shown so far: a finding of both halves is shown once.
    seen: Vec<String>,
    objects: Vec<Value>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(screen: &'a Screen) -> Self {
        let columns = terminal::output_columns();
        Self { screen, columns, problems: 0, warnings: 0, seen: Vec::new(), objects: Vec::new() }
    }

    pub(super) fn add(&mut self, check: Check) -> Result<(), Failure> {
        if matches!(check.verdict(), Verdict::Problem | Verdict::Warning) && check.profile.is_empty() {
            if self.seen.contains(&check.text) {
                return Ok(());
            }
            self.seen.push(check.text.clone());
        }
        self.problems += usize::from(check.verdict() == Verdict::Problem);
        self.warnings += usize::from(check.verdict() == Verdict::Warning);
        if self.screen.json {
            self.objects.push(object(&check));
        }
        let tone = match check.verdict() {
            Verdict::Ok => Tone::Good,
            Verdict::Warning => Tone::Doubtful,
            Verdict::Problem => Tone::Bad,
            Verdict::Skipped | Verdict::Unspecified => Tone::Plain,
        };
        self.screen.say_marked(&lines(&check, self.columns).join("\n"), tone)
    }

    /// Says what takes so long, in case somebody is waiting.
    pub(super) fn wait(&self) {
        if self.columns.is_some() && !self.screen.json {
            self.screen.tell("  asking the providers; one that cannot be reached takes up to 20 s …");
        }
    }

    /// Prints the summary. The command fails if there was a problem.
    pub(super) fn end(self) -> Result<(), Failure> {
        let Self { screen, problems, warnings, objects, .. } = self;
        if screen.json {
            screen.object(&json!({"problems": problems, "warnings": warnings, "checks": objects}))?;
        }
        let sum = format!("{}, {}", counted(problems, "problem"), counted(warnings, "warning"));
        if problems == 0 {
            return screen.say(&format!("\n{sum}"));
        }
        Err(Failure { reason: "PROBLEMS_FOUND".into(), message: sum, hint: Hint::None, exit: 1 })
    }
}

fn counted(number: usize, what: &str) -> String {
    match number {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        more => format!("{more} {what}s"),
    }
}

/// A check as an object for programs.
fn object(check: &Check) -> Value {
    json!({
        "name": check.name,
        "profile": (!check.profile.is_empty()).then_some(&check.profile),
        "verdict": check.verdict().as_str_name().trim_start_matches("VERDICT_"),
        "text": check.text,
        "remedy": (!check.remedy.is_empty()).then_some(&check.remedy),
    })
}

/// A check as lines for people: mark, name and finding, with the remedy below.
fn lines(check: &Check, columns: Option<usize>) -> Vec<String> {
    let mark = match check.verdict() {
        Verdict::Ok => "✓",
        Verdict::Warning => "!",
        Verdict::Problem => "✗",
        // A later agent may know verdicts that this version does not.
        Verdict::Skipped | Verdict::Unspecified => "-",
    };
    let name = match check.profile.as_str() {
        "" => format!("{mark} {}", check.name),
        profile => format!("{mark} {} ({profile})", check.name),
    };
    let narrow = columns.is_some_and(|columns| columns < NARROW);
    let indent = if narrow { 2 } else { NAMES + 1 };
    let room = columns.map(|columns| columns.saturating_sub(indent).max(1));
    let hint = (!check.remedy.is_empty()).then(|| format!("hint: {}", check.remedy));
    let mut below: Vec<_> = wrap(&one_line(&check.text), room, false);
    below.extend(hint.iter().flat_map(|hint| wrap(hint, room, false)));
    let first = if narrow || width(&name) > NAMES {
        name
    } else {
        format!("{} {}", padded(&name, NAMES), below.remove(0))
    };
    std::iter::once(first).chain(below.into_iter().map(|line| format!("{:indent$}{line}", ""))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check() -> Check {
        Check {
            name: "clock".into(),
            verdict: Verdict::Warning.into(),
            text: "31 s behind https://platform.test/api".into(),
            remedy: "set the clock of this machine".into(),
            profile: String::new(),
        }
    }

    #[test]
    fn the_remedy_stands_below_what_was_found() {
        let shown = lines(&check(), None);
        let wide = [
            "! clock                 31 s behind https://platform.test/api",
            "                        hint: set the clock of this machine",
        ];
        assert_eq!(shown, wide);
        assert_eq!(lines(&Check { remedy: String::new(), ..check() }, Some(80)), wide[..1]);
    }

    #[test]
    fn what_command_and_agent_both_see_is_told_and_counted_once() {
        let screen = Screen::new(true, false);
        let mut findings = Findings::new(&screen);
        let again =
            Check { name: "the agent's name of it".into(), verdict: Verdict::Problem.into(), ..check() };
        for check in [check(), again, Check { text: "another".into(), ..check() }] {
            findings.add(check).unwrap();
        }
        assert_eq!((findings.warnings, findings.problems, findings.objects.len()), (2, 0, 2));
    }

    #[test]
    fn in_a_narrow_terminal_the_text_stands_below_the_name_and_addresses_stay_whole() {
        let shown = lines(&check(), Some(24));
        let narrow = [
            "! clock",
            "  31 s behind",
            "  https://platform.test/api",
            "  hint: set the clock of",
            "  this machine",
        ];
        assert_eq!(shown, narrow);
    }

    #[test]
    fn a_long_name_has_a_line_of_its_own() {
        let long = Check { profile: "a-rather-long-profile".into(), ..check() };
        assert_eq!(lines(&long, None)[0], "! clock (a-rather-long-profile)");
    }
}
