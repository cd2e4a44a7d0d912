//! Lines typed at a terminal, with editing and with the history of this run. What is asked may be private, so that
//! the history is kept in memory, and only as long as the prompt is open.
//!
//! `noline` believes that it knows the row of its cursor, and asks the terminal for it: a terminal that does not
//! answer, such as that of a script, would hang the prompt. So it gets its answers here, for a screen that begins
//! at the prompt, and what it writes for that screen is told to the terminal in relative moves. It also believes that
//! each character takes one column, which those of East Asia and emoji do not. So its screen is wider than any line,
//! and what stands where on the real one is worked out here.

use std::collections::VecDeque;
use std::io::{self, Write, stderr, stdin};

use embedded_io::{ErrorKind, ErrorType};
use noline::builder::EditorBuilder;
use noline::error::NolineError;
use noline::history::SliceHistory;
use noline::line_buffer::UnboundedBuffer;
use noline::sync_editor::Editor;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use seqera_client::proto::text::columns;

use crate::screen::terminal;

/// The bytes of history that are kept.
const HISTORY: usize = 4096;

/// More rows than a line can need, so that the screen of `noline` never scrolls.
const ROWS: usize = 999;

/// The widest screen that `noline` can write numbers for.
const WIDEST: usize = 9999;

/// The width of a terminal that does not tell its own.
const COLUMNS: usize = 80;

/// What asks for the position of the cursor.
const WHERE: &[u8] = b"\x1b[6n";

const CTRL_D: u8 = 4;

pub(super) struct Lines {
    editor: Editor<UnboundedBuffer, SliceHistory<'static>>,
    line: Tty,
}

impl Lines {
    /// `None` if the editor cannot be made.
    pub(super) fn new(prompt: &'static str) -> Option<Self> {
        let mut line = Tty::new(prompt);
        let history = Box::leak(vec![0; HISTORY].into_boxed_slice());
        let editor = EditorBuilder::new_unbounded().with_slice_history(history).build_sync(&mut line).ok()?;
        Some(Self { editor, line })
    }

    /// Reads a line; `None` at the end of the input. The terminal has to be [`Raw`].
    pub(super) fn read(&mut self) -> io::Result<Option<String>> {
        self.line = Tty::new(self.line.prompt);
        match self.editor.readline(self.line.prompt, &mut self.line) {
            Ok(line) => Ok(Some(line.to_owned())),
            // Ctrl-C comes as a signal.
            Err(NolineError::Aborted) => Ok(None),
            Err(_) => Err(self.line.failure.take().unwrap_or_else(|| io::ErrorKind::Other.into())),
        }
    }
}

/// A terminal that hands over each byte and echoes nothing, until this is dropped. Signals stay.
pub(super) struct Raw(Termios);

impl Raw {
    pub(super) fn set() -> io::Result<Self> {
        let before = tcgetattr(stdin())?;
        let mut raw = before.clone();
        raw.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::IEXTEN);
        tcsetattr(stdin(), OptionalActions::Drain, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // If the terminal has gone, there is nothing to restore.
        let _ = tcsetattr(stdin(), OptionalActions::Drain, &self.0);
    }
}

/// What stands between the editor and the terminal.
struct Tty {
    prompt: &'static str,
    /// The width of the real screen.
    columns: usize,
    /// Answers and input that the editor has not read yet.
    input: VecDeque<u8>,
    /// The part of an escape sequence that has been typed, or written, so far.
    typed: Vec<u8>,
    written: Vec<u8>,
    /// The character that has been written so far.
    character: Vec<u8>,
    /// Where the editor's cursor is on its own screen, counted from the row of the prompt.
    row: usize,
    at: usize,
    /// What stands in that row.
    line: Vec<char>,
    /// The editor has asked for the lower right corner, which is how it learns the size.
    at_corner: bool,
    failure: Option<io::Error>,
}

impl Tty {
    fn new(prompt: &'static str) -> Self {
        Self {
            prompt,
            columns: terminal::columns().unwrap_or(COLUMNS),
            input: VecDeque::new(),
            typed: Vec::new(),
            written: Vec::new(),
            character: Vec::new(),
            row: 0,
            at: 0,
            line: Vec::new(),
            at_corner: false,
            failure: None,
        }
    }

    /// Takes a byte that was typed. The answer to a question of somebody else (`ESC [ … R`) would end the editor.
    fn take(&mut self, byte: u8) {
        self.typed.push(byte);
        let is_open = match self.typed.as_slice() {
            [0x1b] | [0x1b, b'['] => true,
            [0x1b, b'[', .., last] => !(0x40..=0x7e).contains(last),
            _ => false,
        };
        if !is_open {
            let whole = std::mem::take(&mut self.typed);
            if !(whole.starts_with(b"\x1b[") && whole.ends_with(b"R")) {
                self.input.extend(whole);
            }
        }
    }

    /// Translates a byte for the terminal into `out`.
    fn put(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.written.is_empty() && byte != 0x1b {
            return self.print(byte, out);
        }
        self.written.push(byte);
        let is_open = match self.written.as_slice() {
            [0x1b] | [0x1b, b'['] => true,
            [0x1b, b'[', .., last] => !(0x40..=0x7e).contains(last),
            _ => false,
        };
        if is_open {
            return;
        }
        let whole = std::mem::take(&mut self.written);
        match whole.as_slice() {
            WHERE => self.answer(),
            b"\x1b[999;999H" => self.at_corner = true,
            // The position is saved for the visit to the corner, which does not take place.
            b"\x1b7" | b"\x1b8" => {}
            b"\x1b[J" => {
                self.line.truncate(self.at);
                out.extend(whole);
            }
            [0x1b, b'[', place @ .., b'H'] => self.go(place, out),
            _ => out.extend(whole),
        }
    }

    fn answer(&mut self) {
        let (row, column) = match std::mem::take(&mut self.at_corner) {
            true => (ROWS, WIDEST),
            false => (1, self.prompt.len() + 1),
        };
        self.input.extend(format!("\x1b[{row};{column}R").into_bytes());
    }

    fn print(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            b'\r' => self.move_to(0, out),
            b'\n' => {
                if self.at < self.line.len() {
                    self.move_to(self.line.len(), out);
                }
                (self.row, self.at) = (self.row + 1, 0);
                self.line.clear();
                out.push(byte);
            }
            0..0x20 => out.push(byte),
            _ => {
                self.character.push(byte);
                if let Ok(text) = std::str::from_utf8(&self.character) {
                    let typed = text.chars().next();
                    self.character.clear();
                    typed.into_iter().for_each(|c| self.put_character(c, out));
                }
            }
        }
    }

    /// A terminal waits at the end of a full row until more is written, each in its own way: the next row is begun
    /// here.
    fn put_character(&mut self, c: char, out: &mut Vec<u8>) {
        let (row, _) = self.place(self.at);
        if self.line.len() <= self.at {
            self.line.resize(self.at + 1, ' ');
        }
        self.line[self.at] = c;
        self.at += 1;
        let (after, column) = self.place(self.at);
        let is_full = column == 0 && columns(c) > 0;
        let breaks = after - row;
        let begins = breaks > usize::from(is_full);
        out.extend(if begins { &b"\n\r"[..] } else { b"" });
        out.extend(c.encode_utf8(&mut [0; 4]).bytes());
        out.extend(if is_full { &b"\n\r"[..] } else { b"" });
    }

    /// Where a place of the editor's row is on the real screen, counted from the beginning of that row.
    fn place(&self, at: usize) -> (usize, usize) {
        let most = self.columns.max(2);
        (0..at).fold((0, 0), |(row, column), at| {
            let wide = self.line.get(at).map_or(1, |c| columns(*c));
            let (row, column) = if column + wide > most { (row + 1, wide) } else { (row, column + wide) };
            if column == most { (row + 1, 0) } else { (row, column) }
        })
    }

    fn go(&mut self, place: &[u8], out: &mut Vec<u8>) {
        let place = String::from_utf8_lossy(place);
        let (row, column) = place.split_once(';').unwrap_or((&place, "1"));
        let number = |text: &str| text.parse::<usize>().unwrap_or(1).saturating_sub(1);
        let (row, column) = (number(row), number(column));
        if row != self.row {
            // Another row of a line that is longer than the widest screen.
            self.move_to(0, out);
            out.extend(vertical(self.row, row));
            self.line.clear();
            self.row = row;
        }
        self.move_to(column, out);
    }

    fn move_to(&mut self, at: usize, out: &mut Vec<u8>) {
        let ((before, _), (row, column)) = (self.place(self.at), self.place(at));
        self.at = at;
        out.extend(vertical(before, row));
        out.push(b'\r');
        if column > 0 {
            out.extend(format!("\x1b[{column}C").bytes());
        }
    }

    fn failed(&mut self, error: io::Error) -> ErrorKind {
        self.failure = Some(error);
        ErrorKind::Other
    }
}

fn vertical(from: usize, to: usize) -> Vec<u8> {
    match to.cmp(&from) {
        std::cmp::Ordering::Less => format!("\x1b[{}A", from - to).into_bytes(),
        std::cmp::Ordering::Equal => Vec::new(),
        std::cmp::Ordering::Greater => format!("\x1b[{}B", to - from).into_bytes(),
    }
}

impl ErrorType for Tty {
    type Error = ErrorKind;
}

impl embedded_io::Read for Tty {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        while self.input.is_empty() {
            let mut byte = [0];
            match rustix::io::read(stdin(), &mut byte) {
                // The terminal has gone, which ends the input as Ctrl-D does.
                Ok(0) => self.input.push_back(CTRL_D),
                Ok(_) => self.take(byte[0]),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(self.failed(error.into())),
            }
        }
        let Some((first, byte)) = buffer.first_mut().zip(self.input.pop_front()) else { return Ok(0) };
        *first = byte;
        Ok(1)
    }
}

impl embedded_io::Write for Tty {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        let mut out = Vec::new();
        bytes.iter().for_each(|byte| self.put(*byte, &mut out));
        stderr().write_all(&out).map_err(|error| self.failed(error))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        stderr().flush().map_err(|error| self.failed(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(tty: &mut Tty, text: &str) -> String {
        let mut out = Vec::new();
        text.bytes().for_each(|byte| tty.put(byte, &mut out));
        String::from_utf8(out).unwrap()
    }

    fn tty(columns: usize) -> Tty {
        Tty { columns, ..Tty::new("seqera> ") }
    }

    #[test]
    fn the_editor_is_answered_here_and_the_terminal_is_asked_nothing() {
        let mut tty = tty(80);
        assert_eq!(put(&mut tty, "\x1b7\x1b[999;999H\x1b[6n\x1b8"), "");
        assert!(tty.input.make_contiguous().starts_with(b"\x1b[999;9999R"));
        tty.input.clear();
        assert_eq!(put(&mut tty, "\r\x1b[Jseqera> \x1b[6n"), "\r\x1b[Jseqera> ");
        assert_eq!(tty.input.make_contiguous(), b"\x1b[1;9R");
    }

    #[test]
    fn moves_are_relative_to_where_the_prompt_happens_to_stand() {
        assert_eq!(put(&mut tty(80), "\x1b[1;9H"), "\r\x1b[8C");
        let mut tty = tty(10);
        assert_eq!(put(&mut tty, "> a long line"), "> a long l\n\rine");
        assert_eq!(put(&mut tty, "\x1b[1;3H"), "\x1b[1A\r\x1b[2C");
        assert_eq!(put(&mut tty, "\x1b[1;14H\r\x1b[J"), "\x1b[1B\r\x1b[3C\x1b[1A\r\x1b[J");
        assert_eq!(
            put(&mut tty, "> a long line\x1b[1;1H\n\r"),
            "> a long l\n\rine\x1b[1A\r\x1b[1B\r\x1b[3C\n\r"
        );
    }

    #[test]
    fn wide_characters_take_two_columns_marks_none_and_what_does_not_fit_begins_a_row() {
        let mut tty = tty(10);
        assert_eq!(put(&mut tty, "> 東京🙂a"), "> 東京🙂a");
        assert_eq!(put(&mut tty, "都"), "\n\r都");
        assert_eq!(put(&mut tty, "\x1b[1;4H"), "\x1b[1A\r\x1b[4C", "behind the first");
        assert_eq!(put(&mut tty, "\x1b[J京🙂"), "\x1b[J京🙂");
        assert_eq!(put(&mut tty, "京"), "京\n\r", "a row that is full to its last column");
        assert_eq!(put(&mut tty, "e\u{301}"), "e\u{301}");
        assert_eq!(put(&mut tty, "\x1b[1;8H"), "\r\x1b[1C", "a mark stands on its letter");
        assert_eq!(tty.line.iter().collect::<String>(), "> 東京🙂京e\u{301}");
    }

    #[test]
    fn keys_reach_the_editor_whole_and_what_looks_like_an_answer_does_not() {
        let mut tty = tty(80);
        "a\x1b[A\x1b[R\x1b[12;3Rb\x1bxé".bytes().for_each(|byte| tty.take(byte));
        assert_eq!(String::from_utf8(tty.input.into()).unwrap(), "a\x1b[Ab\x1bxé");
    }
}
