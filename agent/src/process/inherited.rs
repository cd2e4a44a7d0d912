//! What an earlier program of this process has left open for this one.

use std::fs::File;
#[cfg(unix)]
use std::os::fd::OwnedFd;

use crate::process::handed::Handed;
#[cfg(unix)]
use crate::process::system;

/// What was handed on, open and this program's own.
#[derive(Debug, Default)]
pub(super) struct Inherited {
    /// The listening socket, and whether a service manager made it.
    #[cfg(unix)]
    pub socket: Option<(OwnedFd, bool)>,
    /// The file that is locked.
    pub lock: Option<File>,
}

impl Inherited {
    /// Takes what was left open. To be called once. What is not there is as if it had not been left: a program that
    /// has begun must go on.
    #[cfg(unix)]
    pub(super) fn take(handed: Handed) -> Self {
        let own = |number| {
            let taken = system::inherited(number);
            taken
                .inspect_err(|error| tracing::warn!(number, %error, "what should be taken over is not there"))
                .ok()
        };
        let socket = handed.socket.and_then(own).map(|socket| (socket, handed.is_managed));
        Self { socket, lock: handed.lock.and_then(own).map(File::from) }
    }

    /// Nothing is left here.
    #[cfg(windows)]
    pub(super) fn take(_: Handed) -> Self {
        Self::default()
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_nothing_is_open_at_takes_nothing_over() {
        let inherited = Inherited::take(Handed { socket: Some(100_000), lock: Some(1), ..Handed::default() });
        assert!(inherited.socket.is_none() && inherited.lock.is_none());
    }
}
