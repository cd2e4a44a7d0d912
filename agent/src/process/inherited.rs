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

/// Leaves out what is not open, and what is named twice: a descriptor with two owners is closed by one under the other.
/// To be called before this program opens anything, which could get a number that was handed on.
pub(super) fn open_only(handed: Handed) -> Handed {
    #[cfg(unix)]
    let is_open = |number: &i32| system::is_open_beside_streams(*number);
    #[cfg(windows)]
    let is_open = |_: &i32| false;
    let socket = handed.socket.filter(is_open);
    let lock = handed.lock.filter(is_open).filter(|lock| Some(*lock) != socket);
    Handed { socket, lock, ..handed }
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
    fn what_is_not_open_at_the_start_or_named_twice_is_not_taken_for_something_else() {
        let file = tempfile::tempfile().unwrap();
        let open = Some(std::os::fd::AsRawFd::as_raw_fd(&file));
        for (socket, lock, left) in [
            (Some(100_000), open, (None, open)),
            (open, open, (open, None)),
            (Some(0), Some(-1), (None, None)),
            (None, Some(2), (None, None)),
        ] {
            let found = open_only(Handed { socket, lock, ..Handed::default() });
            assert_eq!((found.socket, found.lock), left);
        }
    }

    #[test]
    fn a_number_that_nothing_is_open_at_takes_nothing_over() {
        let inherited = Inherited::take(Handed { socket: Some(100_000), lock: Some(1), ..Handed::default() });
        assert!(inherited.socket.is_none() && inherited.lock.is_none());
    }
}
