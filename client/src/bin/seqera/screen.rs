//! Words on the terminal, and objects for programs. Data goes to standard output, all else to standard
//! error; with `-o json` standard output gets one object or nothing.

pub(crate) mod ask;
pub(crate) mod failure;
pub(crate) mod layout;
pub(crate) mod qr;
pub(crate) mod terminal;
pub(crate) mod time;

use std::io::{ErrorKind, IsTerminal, Write, stderr, stdout};

use clap::ValueEnum;
use serde_json::Value;

pub(crate) use self::layout::{grid, table};
use crate::screen::failure::Failure;
use crate::screen::layout::wrap;
use crate::screen::qr::Qr;

const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[1;33m";
const CYAN: &str = "\x1b[1;36m";
const BLACK_ON_WHITE: &str = "\x1b[30;107m";
const PLAIN: &str = "\x1b[0m";

/// For whom the answers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Console,
    Json,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    pub(crate) json: bool,
    colour: bool,
}

impl Screen {
    /// Colours are shown where a terminal is there to show them.
    pub(crate) fn new(json: bool, colour: bool) -> Self {
        Self { json, colour: colour && stderr().is_terminal() }
    }

    /// A line for people with a name before its value, on standard output.
    pub(crate) fn say_value(&self, label: &str, value: &str) -> Result<(), Failure> {
        self.say(&table(&[(label, value.to_owned())]))
    }

    /// A line for people on standard output; nothing where an object is wanted.
    pub(crate) fn say(&self, text: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { data(&printable(text)) }
    }

    /// The one object on standard output.
    pub(crate) fn object(&self, value: &Value) -> Result<(), Failure> {
        data(&value.to_string())
    }

    /// Something to know on the way, on standard error.
    pub(crate) fn tell(&self, text: &str) {
        // If standard error is gone, there is no place left to say so.
        let _ = writeln!(stderr(), "{}", printable(text));
    }

    /// A question on standard error; the answer stands in the same line.
    pub(crate) fn question(&self, text: &str) {
        let _ = write!(stderr(), "{}", printable(text)).and_then(|()| stderr().flush());
    }

    /// For a program that follows what goes on: one object a line on standard error.
    pub(crate) fn event(&self, value: &Value) {
        let _ = writeln!(stderr(), "{value}");
    }

    /// A picture of dark cells on light ground, rows of block characters. Only on a terminal that is wide
    /// enough.
    pub(crate) fn picture(&self, code: &Qr) {
        if !stderr().is_terminal() || terminal::columns().is_some_and(|columns| columns < code.width()) {
            return;
        }
        let (on, off) = if self.colour { (BLACK_ON_WHITE, PLAIN) } else { ("", "") };
        // Without colours the ground is taken to be dark, as that of most terminals is.
        for row in code.rows(self.colour) {
            let _ = writeln!(stderr(), "  {on}{row}{off}");
        }
    }

    pub(crate) fn note(&self, text: &str) {
        self.labelled("note", CYAN, text);
    }

    pub(crate) fn warn(&self, text: &str) {
        self.labelled("warning", YELLOW, text);
    }

    pub(crate) fn failure(&self, failure: &Failure) {
        if self.json {
            let _ = writeln!(stderr(), "{}", failure.json());
            return;
        }
        self.labelled("error", RED, &failure.message);
        if let Some(hint) = failure.hint.text() {
            self.hint(hint);
        }
    }

    /// What can be done.
    pub(crate) fn hint(&self, text: &str) {
        self.labelled("hint", CYAN, text);
    }

    /// Broken at spaces where a person reads it, so that no word is cut at the edge of the terminal.
    fn labelled(&self, label: &str, colour: &str, text: &str) {
        let room = terminal::columns();
        let text = printable(&format!("{label}: {text}"));
        let lines: Vec<_> = text.lines().flat_map(|line| wrap(line, room, false)).collect();
        let text = lines.join("\n");
        let _ = match text.strip_prefix(label).filter(|_| self.colour) {
            Some(rest) => writeln!(stderr(), "{colour}{label}{PLAIN}{rest}"),
            None => writeln!(stderr(), "{text}"),
        };
    }
}

/// One line on standard output exactly as it is. A reader that has gone has read enough: `status | head -1`
/// is no failure, and a sign-out goes on.
pub(crate) fn data(line: &str) -> Result<(), Failure> {
    let mut out = stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::system("cannot write to standard output", &error))
        }
        _ => Ok(()),
    }
}

/// Texts of providers and Platforms may hold terminal escapes: no control character passes, but line ends.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_terminal_escape_of_others_reaches_the_terminal() {
        assert_eq!(printable("a\x1b]0;x\x07\nb"), "a\u{fffd}]0;x\u{fffd}\nb");
    }
}
