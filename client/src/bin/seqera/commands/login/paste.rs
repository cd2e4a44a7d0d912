//! Lines that a person pastes while a login waits.

use std::io::{BufRead, stdin};
use std::thread;

use tokio::sync::mpsc;

/// A terminal gives at most 4096 bytes a line, and a person one line at a time.
const LINES: usize = 1;

/// What is typed from now on, without empty lines. A read from a terminal cannot be ended, so a thread does
/// it, which the end of the process takes along. Only for a terminal that is
/// [`crate::screen::terminal::readable`]: input in a pipe is meant for another program.
pub(super) fn lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(LINES);
    thread::spawn(move || {
        let typed = stdin().lock().lines().map_while(Result::ok);
        for line in typed.filter(|line| !line.trim().is_empty()) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
