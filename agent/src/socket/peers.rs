//! Who is at the other end of a connection, as the kernel named it at accept.

use std::path::PathBuf;
use std::sync::Arc;

use crate::socket::activity::Activity;

/// The process at the other end, as the kernel named it at accept. Pid and executable are for the log: a
/// pid can be used again, so nothing is decided by them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    /// User id; 0 on Windows, where the access list of the pipe lets in nobody but the user.
    pub uid: u32,
    /// Process id, where the system tells.
    pub pid: Option<u32>,
    /// Executable, where the system tells.
    pub exe: Option<PathBuf>,
}

/// What a connection puts into the extensions of its requests.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// Who calls.
    pub peer: Peer,
    /// The calls of this connection.
    pub activity: Arc<Activity>,
}
