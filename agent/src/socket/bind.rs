//! Binds the socket, accepts connections within limits, and binds again when the file disappears.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use seqera_agent_proto::place::Places;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use crate::error::{AgentError, ErrorKind};
use crate::socket::activity::Activity;
use crate::socket::connection::Connection;
use crate::socket::error::BindError;
use crate::socket::limits::{Limits, Silence};
use crate::socket::peers::Peer;
use crate::socket::shares::{Admission, Seat, Shares};
use crate::socket::system::{self, Listener, Stream};

/// The pause after a failed accept. Without it, "no descriptors left" would fail again at once.
const PAUSE: Duration = Duration::from_millis(50);
/// Refused users and failures of accept are logged at most this often.
const QUIET: Duration = Duration::from_secs(60);

/// Accepted connections, without the errors of accept.
pub(crate) type Incoming = mpsc::Receiver<Connection>;

/// The socket that the agent serves. Dropping it stops accepting and removes the file.
#[derive(Debug)]
pub(crate) struct Socket {
    candidates: Vec<PathBuf>,
    passed_over: Vec<String>,
    listener: Arc<Listener>,
    acceptor: Acceptor,
    accepting: AbortHandle,
}

impl Socket {
    /// Serves `handed_over`, or else the first usable path.
    ///
    /// # Errors
    /// `MISCONFIGURED` with the first unsafe folder of this user, or with every path and the reason why it cannot
    /// be used.
    pub(crate) async fn bind(
        places: &Places,
        handed_over: Option<Listener>,
        limits: Limits,
    ) -> Result<(Self, Incoming), AgentError> {
        let Bound { listener, passed_over } = match handed_over {
            Some(listener) => Bound { listener, passed_over: Vec::new() },
            None => first_that_works(&places.sockets).await?,
        };
        let (queue, accepted) = mpsc::channel(16);
        let acceptor = Acceptor { queue, shares: Shares::new(limits), silence: limits.silence };
        let listener = Arc::new(listener);
        let accepting = acceptor.start(&listener);
        let socket = Self { candidates: places.sockets.clone(), passed_over, listener, acceptor, accepting };
        Ok((socket, accepted))
    }

    /// The path at which clients find the socket.
    pub(crate) fn path(&self) -> &Path {
        self.listener.path()
    }

    /// Who holds how much of what this socket serves.
    pub(crate) fn shares(&self) -> Arc<Shares> {
        Arc::clone(&self.acceptor.shares)
    }

    /// Accepts no more, and waits until what was accepted is served: whoever connects from now on waits in the
    /// system's queue for the program that takes the socket over.
    pub(crate) async fn settle(&self) {
        self.accepting.abort();
        let queue = &self.acceptor.queue;
        while !queue.is_closed() && queue.capacity() < queue.max_capacity() {
            tokio::task::yield_now().await;
        }
    }

    /// A second descriptor of the socket, and whether a service manager made it; `None` if clients do not find it any
    /// more.
    #[cfg(unix)]
    pub(crate) fn to_hand_on(&self) -> Option<(std::os::fd::OwnedFd, bool)> {
        self.in_place().then(|| self.listener.duplicate()).flatten()
    }

    /// The better places that other users have taken, for the user to read.
    pub(crate) fn passed_over(&self) -> &[String] {
        &self.passed_over
    }

    /// False if clients do not find it any more.
    pub(crate) fn in_place(&self) -> bool {
        self.listener.in_place()
    }

    /// Binds again if the file has disappeared, for example because a cleaner of temporary folders deleted
    /// it. Returns true if the socket is a new one, perhaps at another path.
    ///
    /// # Errors
    /// As for [`Socket::bind`]. Open connections are still served.
    pub(crate) async fn ensure(&mut self) -> Result<bool, AgentError> {
        if self.in_place() {
            return Ok(false);
        }
        let Bound { listener, passed_over } = first_that_works(&self.candidates).await?;
        let listener = Arc::new(listener);
        for problem in &passed_over {
            tracing::warn!(problem, "a place for the socket was passed over");
        }
        tracing::warn!(old = %self.path().display(), new = %listener.path().display(), "socket bound again");
        self.accepting.abort();
        self.accepting = self.acceptor.start(&listener);
        (self.listener, self.passed_over) = (listener, passed_over);
        Ok(true)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.accepting.abort();
        self.listener.remove();
    }
}

/// The first socket that could be bound, and the places before it that other users have taken.
struct Bound {
    listener: Listener,
    passed_over: Vec<String>,
}

async fn first_that_works(candidates: &[PathBuf]) -> Result<Bound, AgentError> {
    let (mut reasons, mut passed_over) = (Vec::new(), Vec::new());
    let mut hint = OURS_ALONE;
    for path in candidates {
        match system::bind(path).await {
            Ok(listener) => return Ok(Bound { listener, passed_over }),
            Err(error) if error.try_elsewhere() => {
                passed_over.extend(error.is_by_others().then(|| squatted(&error)));
                if error.is_served() {
                    hint = ANOTHER_AGENT;
                }
                reasons.push(error.to_string());
            }
            Err(error) => return Err(unusable(&error.to_string(), OURS_ALONE)),
        }
    }
    Err(unusable(&reasons.join("; "), hint))
}

fn squatted(error: &BindError) -> String {
    format!("a place for the socket is passed over: {error}; ask them or an administrator to remove it")
}

#[cfg(windows)]
const OURS_ALONE: &str = "end the program that holds the pipe, or set SEQERA_AGENT_SOCK to another name for agent and \
                          commands";
#[cfg(unix)]
const OURS_ALONE: &str = "the folder must be yours alone (mode 0700); set XDG_RUNTIME_DIR to one that is";
#[cfg(windows)]
const ANOTHER_AGENT: &str = "if that is the agent of another profile folder, end it with 'seqera agent stop' there, or \
                             set SEQERA_CLI_CONFIG_DIR, which has a pipe of its own";
#[cfg(unix)]
const ANOTHER_AGENT: &str = "if that is the agent of another home or configuration folder, check HOME and \
                             SEQERA_CLI_CONFIG_DIR, or set XDG_RUNTIME_DIR to another folder";

fn unusable(reasons: &str, hint: &str) -> AgentError {
    AgentError::new(ErrorKind::Misconfigured, format!("no place for the socket: {reasons}"), hint)
}

/// Accepts connections from a listener.
#[derive(Debug, Clone)]
struct Acceptor {
    queue: mpsc::Sender<Connection>,
    shares: Arc<Shares>,
    silence: Silence,
}

impl Acceptor {
    fn start(&self, listener: &Arc<Listener>) -> AbortHandle {
        tokio::spawn(self.clone().run(Arc::clone(listener))).abort_handle()
    }

    /// Runs until the receiver of the connections is dropped.
    async fn run(self, listener: Arc<Listener>) {
        let (mut strangers, mut failures) = (RateLimit::default(), RateLimit::default());
        let mut refusals = RateLimit::default();
        loop {
            match listener.accept().await {
                Ok(Ok((stream, peer))) => {
                    if self.take(stream, peer, &mut refusals).await.is_err() {
                        return;
                    }
                }
                Ok(Err(uid)) => {
                    if let Some(times) = strangers.note() {
                        tracing::warn!(uid, times, "another user was refused");
                    }
                }
                Err(error) => {
                    // Mostly no descriptor is left.
                    self.shares.make_room();
                    if let Some(times) = failures.note() {
                        tracing::warn!(%error, times, "accept failed");
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Passes a connection on once it has a seat. Until then later ones wait in the kernel's backlog.
    async fn take(&self, stream: Stream, peer: Peer, refusals: &mut RateLimit) -> Result<(), ()> {
        let activity = Activity::new();
        let seat = self.seat(&peer, &activity).await;
        if seat.as_ref().is_none_or(|seat| seat.is_refused())
            && let Some(times) = refusals.note()
        {
            tracing::warn!(pid = peer.pid, exe = ?peer.exe, times, "a process holds too many connections");
        }
        let Some(seat) = seat else { return Ok(()) };
        let connection = Connection::new(stream, peer, self.silence, activity, seat);
        self.queue.send(connection).await.map_err(drop)
    }

    async fn seat(&self, peer: &Peer, activity: &Arc<Activity>) -> Option<Arc<Seat>> {
        loop {
            match self.shares.admit(peer.holder(), activity) {
                Admission::Seat(seat) => return Some(seat),
                Admission::Refused(seat) => return seat,
                Admission::Full => self.shares.freed().await,
            }
        }
    }
}

/// Keeps an event that others can cause from filling the log.
#[derive(Debug, Default)]
struct RateLimit {
    logged: Option<Instant>,
    times: u32,
}

impl RateLimit {
    /// Counts the event. If it is time to log it again, returns how often it has happened since the last
    /// time.
    fn note(&mut self) -> Option<u32> {
        self.times = self.times.saturating_add(1);
        if self.logged.is_some_and(|logged| logged.elapsed() < QUIET) {
            return None;
        }
        self.logged = Some(Instant::now());
        Some(std::mem::take(&mut self.times))
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests;
