//! Lines typed at a terminal, with editing and with the history of this run. What is asked may be private, so that
//! the history is kept in memory, and only as long as the prompt is open.
//!
//! `noline` believes that it knows the row of its cursor, and asks the terminal for it: a terminal that does not
//! answer, such as that of a script, would hang the prompt. So it gets its answers here, for a screen that begins
//! at the prompt, and what it writes for that screen is told to the terminal in relative moves.

use std::collections::VecDeque;
use std::io::{self, Write, stderr, stdin};

use embedded_io::{ErrorKind, ErrorType};
use noline::builder::EditorBuilder;
use noline::error::NolineError;
use noline::history::SliceHistory;
use noline::line_buffer::UnboundedBuffer;
use noline::sync_editor::Editor;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::screen::terminal;

/// The bytes of history that are kept.
const HISTORY: usize = 4096;

/// More rows than a line can need, so that the screen of `noline` never scrolls.
const ROWS: usize = 999;

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
        let mut line = Tty { prompt, ..Tty::default() };
        let history = Box::leak(vec![0; HISTORY].into_boxed_slice());
        let editor = EditorBuilder::new_unbounded().with_slice_history(history).build_sync(&mut line).ok()?;
        Some(Self { editor, line })
    }

    /// Reads a line; `None` at the end of the input. The terminal has to be [`Raw`].
    pub(super) fn read(&mut self) -> io::Result<Option<String>> {
        self.line = Tty { prompt: self.line.prompt, ..Tty::default() };
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
#[derive(Default)]
struct Tty {
    prompt: &'static str,
    /// Answers and input that the editor has not read yet.
    input: VecDeque<u8>,
    /// The part of an escape sequence that has been typed, or written, so far.
    typed: Vec<u8>,
    written: Vec<u8>,
    /// Where the editor's cursor is, counted from the row of the prompt.
    row: usize,
    /// The editor has asked for the lower right corner, which is how it learns the size.
    at_corner: bool,
    failure: Option<io::Error>,
}

impl Tty {
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
            self.row += usize::from(byte == b'\n');
            return out.push(byte);
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
            [0x1b, b'[', place @ .., b'H'] => self.go(place, out),
            _ => out.extend(whole),
        }
    }

    fn answer(&mut self) {
        let (row, column) = match std::mem::take(&mut self.at_corner) {
            true => (ROWS, terminal::columns().unwrap_or(COLUMNS)),
            false => (1, self.prompt.len() + 1),
        };
        self.input.extend(format!("\x1b[{row};{column}R").into_bytes());
    }

    fn go(&mut self, place: &[u8], out: &mut Vec<u8>) {
        let place = String::from_utf8_lossy(place);
        let (row, column) = place.split_once(';').unwrap_or((&place, "1"));
        let number = |text: &str| text.parse::<usize>().unwrap_or(1).saturating_sub(1);
        let (row, column) = (number(row), number(column));
        let vertical = match row.cmp(&self.row) {
            std::cmp::Ordering::Less => format!("\x1b[{}A", self.row - row),
            std::cmp::Ordering::Equal => String::new(),
            std::cmp::Ordering::Greater => format!("\x1b[{}B", row - self.row),
        };
        let horizontal = if column > 0 { format!("\r\x1b[{column}C") } else { "\r".to_owned() };
        out.extend(vertical.bytes().chain(horizontal.bytes()));
        self.row = row;
    }

    fn failed(&mut self, error: io::Error) -> ErrorKind {
        self.failure = Some(error);
        ErrorKind::Other
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

    #[test]
    fn the_editor_is_answered_here_and_the_terminal_is_asked_nothing() {
        let mut tty = Tty { prompt: "seqera> ", ..Tty::default() };
        assert_eq!(put(&mut tty, "\x1b7\x1b[999;999H\x1b[6n\x1b8"), "");
        assert!(tty.input.make_contiguous().starts_with(b"\x1b[999;"));
        tty.input.clear();
        assert_eq!(put(&mut tty, "\r\x1b[Jseqera> \x1b[6n"), "\r\x1b[Jseqera> ");
        assert_eq!(tty.input.make_contiguous(), b"\x1b[1;9R");
    }

    #[test]
    fn moves_are_relative_to_where_the_prompt_happens_to_stand() {
        let mut tty = Tty::default();
        assert_eq!(put(&mut tty, "\x1b[1;9H"), "\r\x1b[8C");
        assert_eq!(put(&mut tty, "long\n\rline\x1b[1;1H"), "long\n\rline\x1b[1A\r");
        assert_eq!(put(&mut tty, "\x1b[3;5H\x1b[J"), "\x1b[2B\r\x1b[4C\x1b[J");
    }

    #[test]
    fn keys_reach_the_editor_whole_and_what_looks_like_an_answer_does_not() {
        let mut tty = Tty::default();
        "a\x1b[A\x1b[R\x1b[12;3Rb\x1bxé".bytes().for_each(|byte| tty.take(byte));
        assert_eq!(String::from_utf8(tty.input.into()).unwrap(), "a\x1b[Ab\x1bxé");
    }
}
