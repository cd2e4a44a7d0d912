//! Waits for a descriptor in the runtime, without a thread.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The descriptor, to be waited for until it is readable.
///
/// # Errors
/// Where the runtime cannot wait for a descriptor of this kind.
pub(super) fn readable(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    #[expect(unsafe_code, reason = "the runtime cannot know that a descriptor stays open")]
    // SAFETY: an `OwnedFd` stays open and the same until it is dropped, which the result does with it.
    let registered = unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) };
    registered.map_err(io::Error::from)
}
