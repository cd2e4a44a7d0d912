//! The process at the other end of a connection.

use std::path::PathBuf;
use std::sync::Arc;

use crate::socket::activity::Activity;

/// The process at the other end, as reported by the kernel at accept. Pid and executable are only for the
/// log: a pid can be reused, so no decision depends on them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    /// The user id. It is 0 on Windows, where the access list of the pipe admits only the user.
    pub uid: u32,
    /// The process id, if the system reports it.
    pub pid: Option<u32>,
    /// The path of the executable, if the system reports it.
    pub exe: Option<PathBuf>,
}

/// The identity of a caller, which every request carries in its extensions.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub peer: Peer,
    /// The calls of this connection.
    pub activity: Arc<Activity>,
}
