//! Secrets that are typed or pasted: nothing is shown, and a line may be as long as it likes. A terminal that edits
//! lines itself cuts them off at 4,095 bytes (macOS: 1,024) without a word, so the line is put together here.
//!
//! [`Editor`] knows what the bytes mean, and one file for each system knows the terminal.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::mpsc;

#[cfg(unix)]
#[path = "typing/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "typing/windows.rs"]
mod system;

pub(crate) use system::restore;

/// What comes within this time of a line's end belongs to the same paste.
const PAUSE: Duration = Duration::from_millis(100);

/// Many times what any answer needs; more is not kept.
const LONGEST: usize = 64 * 1024;

/// So many pauses after a line's end, a paste whose end was never marked has ended.
const PATIENCE: u8 = 10;

/// A person types one text at a time.
const TEXTS: usize = 1;

/// Texts that are typed from now on, until it is dropped. Only for a terminal that is
/// [`crate::screen::terminal::readable`]: input in a pipe is meant for another program.
pub(crate) struct Typing {
    texts: Option<mpsc::Receiver<String>>,
    stop: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

impl Typing {
    /// # Errors
    /// The terminal cannot be set up.
    pub(crate) fn start() -> io::Result<Self> {
        system::quieten()?;
        let (sender, texts) = mpsc::channel(TEXTS);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let reader = thread::spawn(move || read(&sender, &stopped));
        Ok(Self { texts: Some(texts), stop, reader: Some(reader) })
    }

    /// The next text, perhaps on several lines if it was pasted so; `None`: there will be no more.
    pub(crate) async fn next(&mut self) -> Option<String> {
        match &mut self.texts {
            Some(texts) => texts.recv().await,
            None => None,
        }
    }
}

/// Whoever reads the terminal next finds it as it was, with nobody else reading.
impl Drop for Typing {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.texts = None;
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        restore();
    }
}

fn read(to: &mpsc::Sender<String>, stop: &AtomicBool) {
    let mut editor = Editor::default();
    let mut bytes = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        bytes.clear();
        let typed = match system::read(PAUSE, &mut bytes) {
            Ok(true) => bytes.iter().find_map(|byte| editor.take(*byte)),
            Ok(false) => editor.pause(),
            Err(_) => return,
        };
        let is_over = match typed {
            Some(Typed::Text(text)) => to.blocking_send(text).is_err(),
            Some(Typed::End) => true,
            None => false,
        };
        if is_over {
            return;
        }
    }
}

/// What the person has done.
#[derive(Debug, PartialEq, Eq)]
enum Typed {
    Text(String),
    /// Ctrl-D on an empty line.
    End,
}

/// Puts a text together from the bytes of a terminal that neither shows nor edits them. Not `Debug`: it holds a
/// secret.
#[derive(Default)]
struct Editor {
    text: Vec<u8>,
    /// An escape sequence that has begun (ECMA-48, section 5.4).
    escape: Option<Vec<u8>>,
    /// Between the marks that a terminal puts around a paste (xterm, "Bracketed Paste Mode").
    pasting: bool,
    /// Pauses since the last byte.
    pauses: u8,
}

impl Editor {
    fn take(&mut self, byte: u8) -> Option<Typed> {
        self.pauses = 0;
        if let Some(mut sequence) = self.escape.take() {
            sequence.push(byte);
            self.escape = self.escaped(sequence);
            return None;
        }
        match byte {
            0x1b => self.escape = Some(Vec::new()),
            b'\r' | b'\n' if self.is_blank() => self.text.clear(),
            b'\r' | b'\n' if self.text.ends_with(b"\n") => {}
            b'\r' | b'\n' => self.keep(b'\n'),
            b'\t' => self.keep(b' '),
            _ if self.pasting && byte.is_ascii_control() => {}
            // Backspace, whichever of the two the terminal sends.
            0x08 | 0x7f => self.erase(),
            // Ctrl-U, and Ctrl-W, since nobody sees where a word begins.
            0x15 | 0x17 => self.text.clear(),
            // Ctrl-D
            0x04 if self.is_blank() => return Some(Typed::End),
            0x04 => return self.done(),
            _ if byte.is_ascii_control() => {}
            _ => self.keep(byte),
        }
        None
    }

    /// Nothing came for a while. A line that has ended is whole, and Escape alone was a key.
    fn pause(&mut self) -> Option<Typed> {
        self.pauses = self.pauses.saturating_add(1);
        if self.escape.as_ref().is_some_and(Vec::is_empty) || self.pauses >= PATIENCE {
            self.escape = None;
        }
        let is_whole = self.text.ends_with(b"\n") && (!self.pasting || self.pauses >= PATIENCE);
        if is_whole { self.done() } else { None }
    }

    /// The sequence if it is not at its end yet.
    fn escaped(&mut self, sequence: Vec<u8>) -> Option<Vec<u8>> {
        match sequence.as_slice() {
            b"[200~" => self.pasting = true,
            b"[201~" => self.pasting = false,
            [b'[' | b'O'] => return Some(sequence),
            [b'[', .., 0x20..=0x3f] if sequence.len() < 16 => return Some(sequence),
            _ => {}
        }
        None
    }

    fn keep(&mut self, byte: u8) {
        if self.text.len() < LONGEST {
            self.text.push(byte);
        }
    }

    /// Removes one character.
    fn erase(&mut self) {
        let is_continued = |byte: u8| byte & 0xc0 == 0x80;
        while self.text.pop().is_some_and(is_continued) {}
    }

    fn is_blank(&self) -> bool {
        self.text.iter().all(u8::is_ascii_whitespace)
    }

    fn done(&mut self) -> Option<Typed> {
        self.pasting = false;
        let text = String::from_utf8_lossy(&std::mem::take(&mut self.text)).trim().to_owned();
        Some(Typed::Text(text))
    }
}

/// An answer to a question without the marks of a paste. There the terminal itself edits the line.
pub(crate) fn unmarked(line: &str) -> String {
    line.replace("\x1b[200~", "").replace("\x1b[201~", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of bytes that arrive in these portions, with a pause after each.
    fn typed(portions: &[&[u8]]) -> Vec<Typed> {
        let mut editor = Editor::default();
        let mut all = Vec::new();
        for portion in portions {
            all.extend(portion.iter().filter_map(|byte| editor.take(*byte)));
            all.extend(editor.pause());
        }
        all
    }

    fn text(portions: &[&[u8]]) -> String {
        match typed(portions).as_slice() {
            [Typed::Text(text)] => text.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_line_is_edited_with_the_usual_keys() {
        assert_eq!(text(&[b"secret\r"]), "secret");
        assert_eq!(text(&[b"secret", b"\n"]), "secret");
        assert_eq!(text(&[b"secrex\x7ft\n"]), "secret");
        assert_eq!(text(&[b"secrex\x08t\n"]), "secret");
        assert_eq!(text(&["secré\u{fc}\x7f\x7fet\n".as_bytes()]), "secret");
        assert_eq!(text(&[b"wrong\x15secret\n"]), "secret");
        assert_eq!(text(&[b"wrong\x17secret\n"]), "secret");
        assert_eq!(text(&[b"\x7f\x7fsecret\x04"]), "secret");
        assert_eq!(text(&[b"\n", b" \r\n", b"secret\n"]), "secret", "an empty line is none");
    }

    #[test]
    fn ctrl_d_on_an_empty_line_is_the_end() {
        assert_eq!(typed(&[b"\x04"]), [Typed::End]);
        assert_eq!(typed(&[b"a\x15", b"\x04"]), [Typed::End]);
    }

    #[test]
    fn a_paste_is_taken_without_its_marks() {
        assert_eq!(text(&[b"\x1b[200~secret\x1b[201~\r"]), "secret");
        assert_eq!(text(&[b"\x1b[200~secret\x1b[201~", b"\r"]), "secret");
        assert_eq!(text(&[b"\x1b[200~secret\n\x1b[201~"]), "secret", "its own line end is enough");
        assert_eq!(text(&[b"\x1b[20", b"0~secret\x1b[", b"201~\r"]), "secret", "a slow connection");
        assert_eq!(text(&[b"\x1b[200~sec\x1b[201~\x1b[200~ret\x1b[201~\r"]), "secret");
    }

    #[test]
    fn a_paste_that_was_broken_into_lines_is_one_text() {
        assert_eq!(text(&[b"\x1b[200~sec\r\nret\x1b[201~\r"]), "sec\nret");
        assert_eq!(text(&[b"\x1b[200~sec\n", b"ret\n\x1b[201~"]), "sec\nret", "a slow connection");
        assert_eq!(text(&[b"sec\nret\n"]), "sec\nret", "without marks, what comes at once");
        assert_eq!(text(&[b"sec\nret", b"\n"]), "sec\nret");
        assert_eq!(typed(&[b"one\n", b"two\n"]).len(), 2, "with a pause between, two texts");
    }

    #[test]
    fn a_paste_whose_end_is_never_marked_ends_after_a_while() {
        let waiting: Vec<&[u8]> = vec![b""; usize::from(PATIENCE)];
        assert_eq!(text(&[&[&b"\x1b[200~secret\n"[..]][..], &waiting].concat()), "secret");
    }

    #[test]
    fn keys_and_control_characters_are_no_part_of_it() {
        assert_eq!(text(&[b"\x1b[A\x1bOPse\x1b[1;5Dcr\x1b", b"et\x00\x0c\n"]), "secret");
        assert_eq!(text(&[b"\x1b[200~se\x15cr\x03et\x7f\x1b[201~\n"]), "secret", "a paste holds no keys");
        assert_eq!(text(&[b"\x1b[200~export\tX\x1b[201~\n"]), "export X");
    }

    #[test]
    fn a_long_line_is_whole_and_an_endless_one_is_bounded() {
        let long = "x".repeat(6000);
        assert_eq!(text(&[long.as_bytes(), b"\n"]), long);
        assert_eq!(text(&["x".repeat(LONGEST + 9).as_bytes(), b"\x04"]).len(), LONGEST);
    }

    #[test]
    fn an_answer_loses_the_marks_alone() {
        assert_eq!(unmarked("\x1b[200~yes\x1b[201~\n"), "yes\n");
    }
}
