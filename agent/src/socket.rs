//! The local socket: bound in the first place that works, accepted within limits, bound again when its
//! file disappears. tonic has none of these limits.

pub(crate) mod activity;
pub(crate) mod bind;
mod connection;
mod error;
pub(crate) mod peers;
#[cfg(unix)]
#[path = "socket/unix.rs"]
pub(crate) mod system;
#[cfg(windows)]
#[path = "socket/windows.rs"]
pub(crate) mod system;
