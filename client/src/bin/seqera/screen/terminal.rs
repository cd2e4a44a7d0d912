//! What the terminal can do.

use std::io::{IsTerminal, stderr, stdin, stdout};

/// True where a line can be read from standard input: from a terminal, and in its foreground, since a read
/// from the background stops the whole process (SIGTTIN).
pub(crate) fn readable() -> bool {
    stdin().is_terminal() && in_foreground()
}

/// True where a question is seen: questions go to standard error.
pub(crate) fn shows_questions() -> bool {
    stderr().is_terminal()
}

#[cfg(unix)]
fn in_foreground() -> bool {
    rustix::termios::tcgetpgrp(stdin()).is_ok_and(|group| group == rustix::process::getpgrp())
}

#[cfg(not(unix))]
fn in_foreground() -> bool {
    true
}

/// The width of the terminal at standard error, if it is one and its width is known.
pub(crate) fn columns() -> Option<usize> {
    columns_of(stderr())
}

/// How wide the terminal at standard output is; `None` in a pipe.
pub(crate) fn output_columns() -> Option<usize> {
    columns_of(stdout())
}

#[cfg(unix)]
fn columns_of(stream: impl std::os::fd::AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    // A terminal without a size says 0.
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

#[cfg(not(unix))]
fn columns_of<T>(_: T) -> Option<usize> {
    None
}
