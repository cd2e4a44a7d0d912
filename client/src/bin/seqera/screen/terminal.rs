//! What the terminal can do.

use std::io::{IsTerminal, stderr, stdin, stdout};

/// True if a line can be read from standard input: from a terminal, and in its foreground, since a read from
/// the background stops the whole process (SIGTTIN).
pub(crate) fn readable() -> bool {
    stdin().is_terminal() && in_foreground()
}

/// True if questions are seen: they go to standard error.
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

/// False if standard output is a pipe or a socket whose reader has gone, as in `… | head -1`: a command that has
/// nothing to write would never notice.
#[cfg(unix)]
pub(crate) fn output_is_read() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let out = stdout();
    // macOS reports the end of a pipe only to those who ask whether they could write.
    let mut streams = [PollFd::new(&out, PollFlags::OUT)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let polled = poll(&mut streams, Some(&at_once)).is_ok();
    !(polled && streams[0].revents().intersects(PollFlags::ERR | PollFlags::HUP))
}

/// On Windows only a write finds out.
#[cfg(not(unix))]
pub(crate) fn output_is_read() -> bool {
    true
}

/// The width of the terminal on standard error, if it is a terminal and its width is known.
pub(crate) fn columns() -> Option<usize> {
    columns_of(stderr())
}

/// Columns and lines of the terminal on standard error, if both are known.
pub(crate) fn size() -> Option<(usize, usize)> {
    size_of(stderr()).filter(|(columns, rows)| *columns > 0 && *rows > 0)
}

/// The width of the terminal on standard output; `None` in a pipe.
pub(crate) fn output_columns() -> Option<usize> {
    columns_of(stdout())
}

#[cfg(unix)]
fn columns_of(stream: impl std::os::fd::AsFd) -> Option<usize> {
    // A terminal of unknown size reports 0.
    Some(size_of(stream)?.0).filter(|columns| *columns > 0)
}

#[cfg(unix)]
fn size_of(stream: impl std::os::fd::AsFd) -> Option<(usize, usize)> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    Some((usize::from(size.ws_col), usize::from(size.ws_row)))
}

#[cfg(not(unix))]
fn columns_of<T>(_: T) -> Option<usize> {
    None
}

#[cfg(not(unix))]
fn size_of<T>(_: T) -> Option<(usize, usize)> {
    None
}
