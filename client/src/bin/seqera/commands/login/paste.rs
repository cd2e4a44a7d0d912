//! Lines that a person pastes while a login waits.

use std::io::{BufRead, stdin};
use std::thread;

use tokio::sync::mpsc;

/// A person pastes one line at a time, and a terminal gives at most 4096 bytes a line.
const LINES: usize = 1;

/// The lines that are typed from now on, without empty ones. A read from a terminal cannot be cancelled, so a
/// thread does it and ends with the process. Only for a terminal that is
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
