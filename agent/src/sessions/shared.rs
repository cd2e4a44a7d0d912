//! What all workers and their jobs share: the clock, the stores, the providers and the like, real ones or a
//! test's.

use std::sync::Arc;

use async_trait::async_trait;

use seqera_agent_proto::place::Places;
use tokio::sync::Notify;

use crate::clock::{Clock, Moment};
use crate::leases::Leases;
use crate::providers::Issuers;
use crate::sessions::askers::Askers;
use crate::sessions::pending::Pending;
use crate::site::Site;
use crate::storage::ladder::Ladder;
use crate::storage::passwords::ProxyPasswords;
use crate::storage::state::State;

/// Tells whether this agent may renew the stored sessions.
#[async_trait]
pub(crate) trait Ownership: Send + Sync {
    /// Checks now.
    ///
    /// # Errors
    /// Why no stored refresh token may be spent: another agent owns them, or the folder cannot be written.
    async fn may_spend(&self) -> Result<(), String>;
}

/// The right to be the agent of another host over the same home folder. While it is held, no agent of that host
/// spends anything; it is given back when it is dropped.
pub(crate) type Hold = Box<dyn Send>;

/// Keeps the agents of other hosts from their sessions while one is taken over.
#[async_trait]
pub(crate) trait OtherHosts: Send + Sync {
    /// Takes the right to be the agent of the host with this id.
    ///
    /// # Errors
    /// Its agent runs, or nobody can tell whether it does.
    async fn hold(&self, host: &str) -> Result<Hold, String>;
}

/// The parts of the agent that a worker uses.
pub(crate) struct Shared {
    /// The folders of this agent.
    pub places: Places,
    pub clock: Arc<dyn Clock>,
    /// Finds the provider of a profile.
    pub issuers: Arc<dyn Issuers>,
    /// The stores of long-lived secrets.
    pub ladder: Arc<Ladder>,
    pub passwords: Arc<ProxyPasswords>,
    /// Where the choice of store comes from: a variable, a file, or `default`.
    pub store_source: String,
    /// What an administrator has set for this installation.
    pub site: Arc<Site>,
    /// The records of the sessions.
    pub state: State,
    /// Revocations that are still owed.
    pub pending: Pending,
    /// Tokens made for programs.
    pub leases: Arc<Leases>,
    /// Notified when a worker's next due time may have changed, or a pending revocation has ended.
    pub due_changed: Arc<Notify>,
    /// The coding assistants that have asked for tokens.
    pub askers: Askers,
    pub ownership: Arc<dyn Ownership>,
    pub other_hosts: Arc<dyn OtherHosts>,
    /// Kills the process if tests have chosen the named point for a crash; debug builds only.
    pub crash: fn(&'static str),
}

impl Shared {
    pub(crate) fn now(&self) -> Moment {
        self.clock.now()
    }
}
