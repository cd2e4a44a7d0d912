//! Who is at the other end of a connection over loopback. Every user of the machine can connect there, so the
//! kernel is asked whose socket it is: once, at accept, because a socket that has been closed belongs to
//! nobody.

use std::net::SocketAddr;

#[cfg(target_os = "linux")]
mod linux;
mod neighbour;
#[cfg(all(unix, not(target_os = "linux")))]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
use self::linux as system;
#[cfg(all(unix, not(target_os = "linux")))]
use self::unix as system;
#[cfg(windows)]
use self::windows as system;
pub(crate) use neighbour::Neighbour;

/// True if the system is asked. Otherwise everybody is [`Neighbour::Unknown`].
pub(super) const KNOWN_HERE: bool = system::ASKED;

/// Asks who is at `peer`, the other end of the connection that arrived at `local`. Does not wait.
pub(super) fn look_up(peer: SocketAddr, local: SocketAddr) -> Neighbour {
    system::look_up(peer, local)
}
