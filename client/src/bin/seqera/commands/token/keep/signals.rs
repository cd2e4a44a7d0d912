//! The signals that would end this command. They are caught before there is a file, which goes with the command.

use crate::screen::failure::Failure;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ctrl-C, and those that end the command without a word.
#[cfg(unix)]
pub(super) struct Signals {
    interrupt: Signal,
    others: Vec<Signal>,
}

#[cfg(unix)]
impl Signals {
    /// From now on they are waited for. To be called in a runtime.
    pub(super) fn catch() -> Result<Self, Failure> {
        // Batch systems announce the end of a job by one that is the user's own.
        let others = [
            SignalKind::terminate(),
            SignalKind::hangup(),
            SignalKind::quit(),
            SignalKind::alarm(),
            SignalKind::user_defined1(),
            SignalKind::user_defined2(),
        ];
        let caught = |kind| signal(kind).map_err(|error| Failure::system("cannot wait for signals", &error));
        Ok(Self {
            interrupt: caught(SignalKind::interrupt())?,
            others: others.into_iter().map(caught).collect::<Result<_, _>>()?,
        })
    }

    pub(super) async fn came(&mut self) -> Result<(), Failure> {
        let Self { interrupt, others } = self;
        let any =
            std::future::poll_fn(|task| match others.iter_mut().any(|one| one.poll_recv(task).is_ready()) {
                true => std::task::Poll::Ready(()),
                false => std::task::Poll::Pending,
            });
        tokio::select! {
            _ = interrupt.recv() => Err(interrupted()),
            () = any => Ok(()),
        }
    }
}

#[cfg(windows)]
pub(super) struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    /// From now on they are waited for. To be called in a runtime.
    pub(super) fn catch() -> Result<Self, Failure> {
        let caught = tokio::signal::windows::ctrl_c();
        caught.map(Self).map_err(|error| Failure::system("cannot wait for Ctrl-C", &error))
    }

    pub(super) async fn came(&mut self) -> Result<(), Failure> {
        let _ = self.0.recv().await;
        Err(interrupted())
    }
}

fn interrupted() -> Failure {
    Failure::interrupted("the file is no longer kept fresh, and was removed")
}
