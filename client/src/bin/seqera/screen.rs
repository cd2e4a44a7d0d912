//! Text for people and objects for programs. Data goes to standard output, everything else to standard error.
//! With `-o json` every line of both is an object: standard output gets the one of the command, standard error
//! what happens meanwhile and the failure. What is only there to keep a person company is left out.

pub(crate) mod ask;
pub(crate) mod failure;
pub(crate) mod layout;
pub(crate) mod qr;
pub(crate) mod terminal;
pub(crate) mod time;
pub(crate) mod typing;

use std::io::{ErrorKind, IsTerminal, Write, stderr, stdout};

use clap::ValueEnum;
use seqera_client::proto::text::is_deceptive;
use serde_json::Value;

pub(crate) use self::layout::{grid, one_line, table};
use crate::screen::failure::Failure;
use crate::screen::layout::{paragraphs, wrap};
use crate::screen::qr::Qr;

const RED: &str = "\x1b[1;31m";
const GREEN: &str = "\x1b[1;32m";
const YELLOW: &str = "\x1b[1;33m";
const CYAN: &str = "\x1b[1;36m";
const BLACK_ON_WHITE: &str = "\x1b[30;107m";
const PLAIN: &str = "\x1b[0m";

/// In front of a picture.
const INDENT: &str = "  ";

/// Who reads the answers: a person or a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Console,
    Json,
}

/// What a mark means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Doubtful,
    Bad,
    Plain,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    pub(crate) json: bool,
    colour: bool,
    /// The same for standard output.
    output_colour: bool,
    /// The terminal makes addresses clickable.
    links: bool,
}

impl Screen {
    /// Colours are used only on a terminal.
    pub(crate) fn new(json: bool, colour: bool) -> Self {
        Self {
            json,
            colour: colour && stderr().is_terminal(),
            output_colour: colour && stdout().is_terminal(),
            links: false,
        }
    }

    /// The same; `links`: the terminal is one of those that know OSC 8.
    pub(crate) fn with_links(self, links: impl FnOnce() -> bool) -> Self {
        Self { links: stderr().is_terminal() && links(), ..self }
    }

    /// Prints a label and its value for people, on standard output.
    pub(crate) fn say_value(&self, label: &str, value: &str) -> Result<(), Failure> {
        self.say(&table(&[(label, value.to_owned())]))
    }

    /// Prints a line for people on standard output; nothing if an object is wanted.
    pub(crate) fn say(&self, text: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { data(&paragraphs(&printable(text), terminal::output_columns())) }
    }

    /// Prints lines for people that begin with a mark, which gets a colour by what it means.
    pub(crate) fn say_marked(&self, text: &str, tone: Tone) -> Result<(), Failure> {
        let text = printable(text);
        if self.json {
            return Ok(());
        }
        data(&if self.output_colour { marked(&text, tone) } else { text })
    }

    /// Prints the one object on standard output.
    pub(crate) fn object(&self, value: &Value) -> Result<(), Failure> {
        data(&json(value))
    }

    /// Prints one of the lines that a command goes on printing until it is interrupted: for programs as an
    /// object. False if the reader has gone, and the command should end.
    pub(crate) fn follow(&self, line: &str) -> Result<bool, Failure> {
        match self.json {
            true => reached(&json(&serde_json::json!({"line": line}))),
            false => reached(&printable(line)),
        }
    }

    /// Prints a message for people on standard error.
    pub(crate) fn tell(&self, text: &str) {
        if !self.json {
            // If standard error is gone, there is no place left to say so.
            let _ = writeln!(stderr(), "{}", paragraphs(&printable(text), terminal::columns()));
        }
    }

    /// Prints a line with an address on standard error, which the terminal makes clickable if it can: also where
    /// it takes several lines. The address is left whole.
    pub(crate) fn address(&self, before: &str, url: &str) {
        let _ =
            writeln!(stderr(), "{before}{}", if self.links { link(url) } else { one_line(url).into_owned() });
    }

    /// Prints a question on standard error. The answer is typed on the same line.
    pub(crate) fn question(&self, text: &str) {
        if !self.json {
            let text = paragraphs(&printable(text), terminal::columns());
            let _ = write!(stderr(), "{text}").and_then(|()| stderr().flush());
        }
    }

    /// Prints an event on standard error, one object on a line, for a program that follows the progress.
    pub(crate) fn event(&self, value: &Value) {
        let _ = writeln!(stderr(), "{}", json(value));
    }

    /// Draws a QR code in block characters, dark on light, if standard error is a terminal that has room for it
    /// above `below`, which is printed next.
    pub(crate) fn picture(&self, code: &Qr, below: &[&str]) {
        if !terminal::size().is_some_and(|size| fits(code, below, size)) {
            return;
        }
        let (on, off) = if self.colour { (BLACK_ON_WHITE, PLAIN) } else { ("", "") };
        // Without colours, the background is assumed to be dark, as it is in most terminals.
        for row in code.rows(self.colour) {
            let _ = writeln!(stderr(), "{INDENT}{on}{row}{off}");
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
            return self.event(&failure.json());
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
        let text = wrap(&one_line(&format!("{label}: {text}")), room, false).join("\n");
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

/// The text with its first character in the colour of the tone.
fn marked(text: &str, tone: Tone) -> String {
    let colour = match tone {
        Tone::Good => GREEN,
        Tone::Doubtful => YELLOW,
        Tone::Bad => RED,
        Tone::Plain => return text.to_owned(),
    };
    let end = text.chars().next().map_or(0, char::len_utf8);
    format!("{colour}{}{PLAIN}{}", &text[..end], &text[end..])
}

/// True if the code and the lines below it stand on the terminal together, with one line left for the cursor.
fn fits(code: &Qr, below: &[&str], (columns, rows): (usize, usize)) -> bool {
    let lines = below.iter().map(|line| layout::width(line).div_ceil(columns).max(1)).sum::<usize>();
    code.width() + INDENT.len() <= columns && code.height() + lines < rows
}

/// An address that can be clicked (OSC 8). Nothing but the characters of an address, so that none ends the escape
/// sequence or begins another.
fn link(url: &str) -> String {
    match url.chars().all(|c| c.is_ascii_graphic()) {
        true => format!("\x1b]8;;{url}\x1b\\{url}\x1b]8;;\x1b\\"),
        false => one_line(url).into_owned(),
    }
}

/// The agent cleans what providers and Platforms wrote, but it may be of another version, and some texts come
/// from elsewhere. So whatever deceives a reader is replaced, except for a line feed.
fn printable(text: &str) -> String {
    text.chars().map(|c| if is_deceptive(c) && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// The value as one line, in which everything that deceives a reader is escaped: it may be read at a terminal.
fn json(value: &Value) -> String {
    let text = value.to_string();
    if !text.contains(is_deceptive) {
        return text;
    }
    let mut escaped = String::with_capacity(text.len() + 64);
    for c in text.chars() {
        match is_deceptive(c) {
            true => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| escaped += &format!("\\u{unit:04x}")),
            false => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_terminal_escape_of_others_reaches_the_terminal() {
        assert_eq!(printable("a\x1b]0;x\x07\nb"), "a\u{fffd}]0;x\u{fffd}\nb");
        assert_eq!(
            printable("ad\u{202e}nim\u{200b}\u{9b}2J\u{2028}é東"),
            "ad\u{fffd}nim\u{fffd}\u{fffd}2J\u{fffd}é東"
        );
    }

    #[test]
    fn an_object_is_one_line_of_visible_characters_and_reads_as_the_same_value() {
        let value = serde_json::json!({"a\u{202e}": "\u{2028}\u{7f}\u{85}\u{e0041}\n\"é🙂", "b": [1, null]});
        let text = json(&value);
        assert!(!text.contains(is_deceptive), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        assert_eq!(json(&serde_json::json!({"a": "é"})), r#"{"a":"é"}"#);
    }

    #[test]
    fn a_mark_has_the_colour_of_what_it_means_and_the_text_has_none() {
        assert_eq!(marked("✓ clock", Tone::Good), "\x1b[1;32m✓\x1b[0m clock");
        assert_eq!(marked("✗ clock", Tone::Bad), "\x1b[1;31m✗\x1b[0m clock");
        assert_eq!((marked("- x", Tone::Plain).as_str(), marked("", Tone::Plain).as_str()), ("- x", ""));
        let piped = Screen::new(false, true);
        assert!(!piped.output_colour || stdout().is_terminal());
    }

    #[test]
    fn a_link_is_an_address_and_nothing_else() {
        assert_eq!(
            link("https://x.test/?a=b"),
            "\x1b]8;;https://x.test/?a=b\x1b\\https://x.test/?a=b\x1b]8;;\x1b\\"
        );
        for odd in
            ["https://x.test/\x1b\\", "https://x.test/\x07", "https://x.test/a b", "https://x.test/\u{9c}"]
        {
            assert!(!link(odd).contains('\x1b'), "{odd:?}");
        }
    }

    #[test]
    fn a_picture_is_shown_only_where_it_stands_together_with_what_is_below() {
        // Version 4 of the standard, 33 cells: that of Cloud's address.
        let code = Qr::of("https://cloud.seqera.io/oauth/device?user_code=WDJB-MJHT").unwrap();
        let below = ["address", "code", "words", "waiting"];
        assert_eq!((code.width(), code.height()), (37, 19));
        for (size, shown) in [((80, 24), true), ((80, 23), false), ((39, 24), true), ((38, 24), false)] {
            assert_eq!(fits(&code, &below, size), shown, "{size:?}");
        }
        let long = "x".repeat(81);
        assert!(!fits(&code, &[&long, "", "", ""], (80, 24)), "a long line takes two");
    }
}
