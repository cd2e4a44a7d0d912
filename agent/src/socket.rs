//! The local socket: binds the first usable path, accepts connections within limits, serves them, and binds
//! again when the socket file disappears. tonic has no such limits.

pub(crate) mod activity;
pub(crate) mod bind;
mod connection;
mod error;
mod frames;
pub(crate) mod limits;
pub(crate) mod peers;
pub(crate) mod serve;
pub(crate) mod shares;
#[cfg(unix)]
#[path = "socket/unix.rs"]
pub(crate) mod system;
#[cfg(windows)]
#[path = "socket/windows.rs"]
pub(crate) mod system;
mod untaken;
