//! What every worker and its jobs share: the real I/O objects of the agent, or a test's.

use std::sync::Arc;

use seqera_agent_proto::place::Places;
use tokio::sync::Notify;

use crate::clock::{Clock, Moment};
use crate::leases::Leases;
use crate::providers::Issuers;
use crate::sessions::pending::Pending;
use crate::storage::ladder::Ladder;
use crate::storage::passwords::ProxyPasswords;
use crate::storage::state::State;

/// The parts that a worker does its work with.
pub(crate) struct Shared {
    /// Folders of this agent.
    pub places: Places,
    /// Gives the time.
    pub clock: Arc<dyn Clock>,
    /// Finds the provider of a profile.
    pub issuers: Arc<dyn Issuers>,
    /// Keeps long-lived secrets.
    pub ladder: Arc<Ladder>,
    /// Of proxies.
    pub passwords: Arc<ProxyPasswords>,
    /// Who chose the store: a variable, a file, or `default`.
    pub store_source: String,
    /// Keeps what is known of the sessions.
    pub state: State,
    /// Revocations that are still owed.
    pub pending: Pending,
    /// Tokens made for programs.
    pub leases: Arc<Leases>,
    /// Told when a worker's next due time may have changed.
    pub due_changed: Arc<Notify>,
    /// Dies at a named point; debug builds only.
    pub crash: fn(&'static str),
}

impl Shared {
    /// The time.
    pub(crate) fn now(&self) -> Moment {
        self.clock.now()
    }
}
