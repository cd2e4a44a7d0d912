//! The terminal on Unix (termios(3)). However the process ends or stops, the terminal gets back what it had: a shell
//! that does not show what is typed seems dead.

use std::convert::Infallible;
use std::io::{self, IsTerminal, Write, stderr, stdin};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, Once, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use tokio::signal::unix::{SignalKind, signal};

use crate::screen::terminal;

/// Asks the terminal to mark what is pasted, and to stop that again. One that does not know this ignores it.
const MARKED: &str = "\x1b[?2004h";
const UNMARKED: &str = "\x1b[?2004l";

/// What the terminal had before, while somebody types.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

static WATCH: Once = Once::new();

/// Nothing is shown, and every byte is passed on as it comes. Signals of the keyboard stay signals.
pub(super) fn quieten() -> io::Result<()> {
    // Before anything is changed: a signal may come at any time.
    WATCH.call_once(|| {
        let (begun, begins) = channel();
        thread::spawn(move || watch(&begun));
        // A thread that has ended says so as well.
        let _ = begins.recv();
    });
    let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
    let before = match &*before {
        Some(before) => before,
        None => before.insert(tcgetattr(stdin())?),
    };
    let mut quiet = before.clone();
    quiet.local_modes -= LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::IEXTEN;
    // Ctrl-S in a paste would stop the terminal.
    quiet.input_modes -= InputModes::IXON;
    quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
    quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
    // What was typed ahead is kept.
    tcsetattr(stdin(), OptionalActions::Now, &quiet)?;
    mark(MARKED);
    Ok(())
}

/// Gives the terminal back for good. May be called at any time, and from any thread.
pub(crate) fn restore() {
    // A panic while the lock is held must not wait for itself.
    if let Ok(mut before) = BEFORE.try_lock() {
        before.take().iter().for_each(give_back);
    }
}

fn give_back(before: &Termios) {
    // From the background this would stop the process, and the terminal is somebody else's.
    if terminal::readable() {
        let _ = tcsetattr(stdin(), OptionalActions::Now, before);
        mark(UNMARKED);
    }
}

/// Ctrl-Z. This thread may run on for a moment, so that only the signal at its end says when that is.
fn stop() {
    BEFORE.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(give_back);
    let _ = kill_process(getpid(), Signal::STOP);
}

fn go_on() {
    let typing = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).is_some();
    if typing && terminal::readable() {
        let _ = quieten();
    }
}

fn mark(code: &str) {
    if stderr().is_terminal() {
        let _ = stderr().write_all(code.as_bytes());
    }
}

/// Adds what was typed; `false`: nothing within this time.
pub(super) fn read(wait: Duration, to: &mut Vec<u8>) -> io::Result<bool> {
    let stdin = stdin();
    let mut ready = [PollFd::new(&stdin, PollFlags::IN)];
    let limit = Timespec::try_from(wait).map_err(io::Error::other)?;
    match poll(&mut ready, Some(&limit)) {
        Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(false),
        // A read from the background would stop the process. What is typed then is for the shell.
        Ok(_) if !terminal::readable() && !ready[0].revents().contains(PollFlags::HUP) => {
            thread::park_timeout(wait);
            return Ok(false);
        }
        Ok(_) => {}
        Err(error) => return Err(error.into()),
    }
    let mut buffer = [0_u8; 4096];
    match rustix::io::read(&stdin, &mut buffer) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(read) => {
            to.extend_from_slice(&buffer[..read]);
            Ok(true)
        }
        Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Answers the signals that end or stop the process, for the rest of its life: once one has a handler, nothing else
/// does. Ctrl-C is answered by whoever waits for it.
fn watch(begun: &Sender<()>) {
    if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() {
        let _ = runtime.block_on(signals(begun));
    }
}

async fn signals(begun: &Sender<()>) -> io::Result<Infallible> {
    let on = |kind: Signal| signal(SignalKind::from_raw(kind.as_raw()));
    let (mut stopped, mut continued) = (on(Signal::TSTP)?, on(Signal::CONT)?);
    let (mut term, mut hang_up, mut quit) = (on(Signal::TERM)?, on(Signal::HUP)?, on(Signal::QUIT)?);
    let _ = begun.send(());
    loop {
        let end = tokio::select! {
            _ = stopped.recv() => {
                stop();
                continue;
            }
            _ = continued.recv() => {
                go_on();
                continue;
            }
            _ = term.recv() => Signal::TERM,
            _ = hang_up.recv() => Signal::HUP,
            _ = quit.recv() => Signal::QUIT,
        };
        restore();
        // As a shell counts a process that a signal has ended.
        std::process::exit(128 + end.as_raw());
    }
}
