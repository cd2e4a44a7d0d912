//! Lets the runtime wait for a descriptor, without a thread.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Registers the descriptor with the runtime, which then waits until it is readable.
///
/// # Errors
/// If the runtime cannot wait for this kind of descriptor.
pub(crate) fn readable(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    #[expect(unsafe_code, reason = "the runtime cannot know that a descriptor stays open")]
    // SAFETY: an `OwnedFd` stays open and the same until it is dropped, and the result owns it.
    let registered = unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) };
    registered.map_err(io::Error::from)
}
