//! Text for people and objects for programs. Data goes to standard output, everything else to standard error.
//! With `-o json` every line of both is an object: standard output gets the one of the command, standard error
//! what happens meanwhile and the failure. What is only there to keep a person company is left out.

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

/// Who reads the answers: a person or a program.
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
    /// Colours are used only if standard error is a terminal.
    pub(crate) fn new(json: bool, colour: bool) -> Self {
        Self { json, colour: colour && stderr().is_terminal() }
    }

    /// Prints a label and its value for people, on standard output.
    pub(crate) fn say_value(&self, label: &str, value: &str) -> Result<(), Failure> {
        self.say(&table(&[(label, value.to_owned())]))
    }

    /// Prints a line for people on standard output; nothing if an object is wanted.
    pub(crate) fn say(&self, text: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { data(&printable(text)) }
    }

    /// Prints the one object on standard output.
    pub(crate) fn object(&self, value: &Value) -> Result<(), Failure> {
        data(&value.to_string())
    }

    /// Prints one of the lines that a command goes on printing until it is interrupted: for programs as an
    /// object. False if the reader has gone, and the command should end.
    pub(crate) fn follow(&self, line: &str) -> Result<bool, Failure> {
        match self.json {
            true => reached(&serde_json::json!({"line": line}).to_string()),
            false => reached(&printable(line)),
        }
    }

    /// Prints a message for people on standard error.
    pub(crate) fn tell(&self, text: &str) {
        if !self.json {
            // If standard error is gone, there is no place left to say so.
            let _ = writeln!(stderr(), "{}", printable(text));
        }
    }

    /// Prints a question on standard error. The answer is typed on the same line.
    pub(crate) fn question(&self, text: &str) {
        if !self.json {
            let _ = write!(stderr(), "{}", printable(text)).and_then(|()| stderr().flush());
        }
    }

    /// Prints an event on standard error, one object on a line, for a program that follows the progress.
    pub(crate) fn event(&self, value: &Value) {
        let _ = writeln!(stderr(), "{value}");
    }

    /// Draws a QR code in block characters, dark on light, if standard error is a terminal that is wide
    /// enough.
    pub(crate) fn picture(&self, code: &Qr) {
        if !stderr().is_terminal() || terminal::columns().is_some_and(|columns| columns < code.width()) {
            return;
        }
        let (on, off) = if self.colour { (BLACK_ON_WHITE, PLAIN) } else { ("", "") };
        // Without colours, the background is assumed to be dark, as it is in most terminals.
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

    /// Prints a failure, unless somebody else has.
    pub(crate) fn failure(&self, failure: &Failure) {
        if failure.message.is_empty() {
            return;
        }
        if self.json {
            let _ = writeln!(stderr(), "{}", failure.json());
            return;
        }
        self.labelled("error", RED, &failure.message);
        if let Some(hint) = failure.hint.text() {
            self.hint(hint);
        }
    }

    /// Prints what the person can do.
    pub(crate) fn hint(&self, text: &str) {
        self.labelled("hint", CYAN, text);
    }

    /// Wraps the text at spaces on a terminal, so that no word is cut at the edge.
    fn labelled(&self, label: &str, colour: &str, text: &str) {
        if self.json {
            return self.event(&serde_json::json!({"event": label, "text": text}));
        }
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

/// Prints a line on standard output exactly as it is. If the reader has gone, it has read enough: a command
/// like `status | head -1` does not fail, and a sign-out goes on.
pub(crate) fn data(line: &str) -> Result<(), Failure> {
    reached(line).map(drop)
}

/// The same; false if the reader has gone.
fn reached(line: &str) -> Result<bool, Failure> {
    let mut out = stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::system("cannot write to standard output", &error)),
    }
}

/// Texts from providers and Platforms may contain terminal escapes, so every control character except a line
/// feed is replaced.
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
