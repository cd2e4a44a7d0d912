//! The process at the other end of a connection.

use std::path::PathBuf;
use std::sync::Arc;

use crate::socket::activity::Activity;
use crate::socket::shares::{Holder, Seat};

/// The process at the other end, as reported by the kernel at accept. A pid can be reused, so it says who a
/// connection is counted for and what the log names, and never what a caller may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    /// The user id. It is 0 on Windows, where the access list of the pipe admits only the user.
    pub uid: u32,
    /// The process id, if the system reports it. It has none for a process of another namespace of pids.
    pub pid: Option<u32>,
    /// The path of the executable, if the system reports it.
    pub exe: Option<PathBuf>,
}

impl Peer {
    /// For whom its connections and calls are counted.
    pub(crate) fn holder(&self) -> Holder {
        self.pid.filter(|pid| *pid != 0).map_or(Holder::User(self.uid), Holder::Process)
    }
}

/// The identity of a caller, which every request carries in its extensions.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub peer: Peer,
    /// The calls of this connection.
    pub activity: Arc<Activity>,
    /// The place of this connection.
    pub seat: Arc<Seat>,
}
