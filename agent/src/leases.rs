//! The leases of this agent: makes their tokens, and keeps one task for each, which deletes its token in the
//! end. What is known of them lies in `sessions.json`, written before a token is made: whatever dies, the
//! next start finds what is to be deleted.

pub(crate) mod lease;
pub(crate) mod life;
pub(crate) mod making;
pub(crate) mod mint;
pub(crate) mod program;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::clock::Clock;
use crate::error::AgentError;
use crate::leases::lease::Lease;
use crate::leases::life::{Life, clear};
use crate::leases::making::{Leased, Order};
use crate::leases::mint::Mints;
use crate::leases::program::Programs;
use crate::profile::ProfileName;
use crate::sessions::view::Served;
use crate::storage::ladder::Ladder;
use crate::storage::lane::lock;
use crate::storage::passwords::ProxyPasswords;
use crate::storage::state::{State, StateError};
use crate::token::AccessToken;

/// What the leases work with.
pub(crate) struct Parts {
    /// Keeps what is known of them.
    pub state: State,
    /// Keeps their tokens.
    pub ladder: Arc<Ladder>,
    /// Gives the time.
    pub clock: Arc<dyn Clock>,
    /// Of the proxies on the way to them.
    pub passwords: Arc<ProxyPasswords>,
    /// The Platforms.
    pub mints: Arc<dyn Mints>,
    /// The processes of this host.
    pub programs: Arc<dyn Programs>,
    /// Id of this host.
    pub host: String,
    /// The user's name and the host's, for the names of tokens.
    pub owner: (String, String),
    /// Dies at a named point; debug builds only.
    pub crash: fn(&'static str),
}

/// Where the token of a session comes from: what makes a lease, and what deletes its token where the token
/// itself cannot.
#[async_trait]
pub(crate) trait TokenSource: Send + Sync {
    /// A token of the profile's session, as any caller would get it.
    async fn access(&self, profile: &ProfileName) -> Result<Served, AgentError>;
}

/// All leases of this host and configuration folder.
pub(crate) struct Leases {
    pub(crate) parts: Parts,
    lives: Mutex<BTreeMap<String, (Arc<Life>, AbortHandle)>>,
    /// Has a receiver for each token that is being made, so that a task that breaks does not count for ever.
    making: watch::Sender<()>,
}

impl Leases {
    /// Those that are recorded; [`Self::resume`] goes on with them.
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self { parts, lives: Mutex::default(), making: watch::Sender::new(()) })
    }

    /// Goes on with what an earlier agent of this host has left. Another host's is that host's to judge.
    pub(crate) fn resume(self: &Arc<Self>, access: &Arc<dyn TokenSource>) {
        let own = self.recorded().into_iter().filter(|(_, lease)| lease.host == self.parts.host);
        own.for_each(|(id, _)| self.begin(&id, access));
    }

    /// Makes a token, and a lease that deletes it. A caller that hangs up meanwhile has no lease.
    ///
    /// # Errors
    /// Where it cannot be written down, or the Platform makes none; `LOGIN_EXPIRED` where it refuses the
    /// session's token, which may be another one after a renewal.
    pub(crate) async fn create(
        self: &Arc<Self>,
        order: Order,
        access: Arc<dyn TokenSource>,
    ) -> Result<Leased, AgentError> {
        let (reply, answer) = oneshot::channel();
        let (leases, making) = (Arc::clone(self), self.making.subscribe());
        tokio::spawn(async move {
            let made = leases.make(&order, &access).await;
            if let Err(Ok(unwanted)) = reply.send(made) {
                leases.ask_for_end(&unwanted.id, None);
            }
            drop(making);
        });
        answer.await.unwrap_or_else(|_| Err(AgentError::internal("a lease could not be made")))
    }

    /// Every recorded lease, with its id.
    pub(crate) fn recorded(&self) -> BTreeMap<String, Lease> {
        self.parts.state.snapshot().leases.clone()
    }

    /// One lease as recorded.
    pub(crate) fn lease(&self, id: &str) -> Option<Lease> {
        self.parts.state.snapshot().leases.get(id).cloned()
    }

    /// How many tokens there are, or may be, that this host has to delete some day.
    pub(crate) fn count(&self) -> usize {
        let snapshot = self.parts.state.snapshot();
        snapshot.leases.values().filter(|lease| lease.host == self.parts.host).count()
    }

    /// Ids of the leases that programs use: of one profile, or of all.
    pub(crate) fn in_use(&self, profile: Option<&ProfileName>) -> Vec<String> {
        let of_profile = |lease: &Lease| profile.is_none_or(|name| *name == lease.profile);
        let used = |lease: &Lease| lease.host == self.parts.host && !lease.ending && of_profile(lease);
        self.recorded().into_iter().filter(|(_, lease)| used(lease)).map(|(id, _)| id).collect()
    }

    /// The task of a lease, while there is one.
    pub(crate) fn life(&self, id: &str) -> Option<Arc<Life>> {
        lock(&self.lives).get(id).map(|(life, _)| Arc::clone(life))
    }

    /// Ends a lease and waits, at most so long, for the outcome of the first attempt: true where the token
    /// is gone. `None`: there is no such lease here.
    pub(crate) async fn end(&self, id: &str, limit: Duration) -> Option<bool> {
        let (life, before) = self.ask_for_end(id, None)?;
        let _ = timeout(limit, life.tried(before)).await;
        Some(life.is_over())
    }

    /// Forgets a lease whose token cannot be deleted: its Platform is gone, say. Returns the token's name, for
    /// the person to look for.
    pub(crate) async fn give_up(&self, id: &str) -> Option<String> {
        let lease = self.lease(id).filter(|lease| lease.host == self.parts.host)?;
        let life = lock(&self.lives).remove(id);
        if let Some((_, task)) = life {
            task.abort();
        }
        tracing::warn!(%id, name = lease.name, "a token was given up and stays at the Platform");
        clear(self, id, &lease).await;
        self.forget(id).await;
        Some(lease.name)
    }

    /// Ends every lease of a profile, whose session ends with `by` as its last token.
    pub(crate) async fn end_all(&self, profile: &ProfileName, by: Option<&AccessToken>, limit: Duration) {
        let all = self.recorded().into_iter().filter(|(_, lease)| lease.profile == *profile);
        let lives: Vec<_> = all.filter_map(|(id, _)| self.ask_for_end(&id, by)).collect();
        let tried = lives.iter().map(|(life, before)| life.tried(*before));
        let _ = timeout(limit, futures_util::future::join_all(tried)).await;
    }

    /// Waits until no token is being made, and touches nothing any more: the next agent goes on.
    pub(crate) async fn drain(&self) {
        self.making.closed().await;
        lock(&self.lives).values().for_each(|(_, task)| task.abort());
    }

    pub(crate) fn ask_for_end(&self, id: &str, by: Option<&AccessToken>) -> Option<(Arc<Life>, u64)> {
        let life = self.life(id)?;
        let before = life.ask_for_end(by.cloned());
        Some((life, before))
    }

    /// Starts the task of a recorded lease.
    pub(crate) fn begin(self: &Arc<Self>, id: &str, access: &Arc<dyn TokenSource>) {
        let life = Arc::new(Life::default());
        let (leases, access, own_id) = (Arc::clone(self), Arc::clone(access), id.to_owned());
        let lives = Arc::clone(&life);
        // Locked until it is in the map: its end takes it out again.
        let mut all = lock(&self.lives);
        let task = tokio::spawn(async move {
            lives.run(&leases, &own_id, &*access).await;
            lock(&leases.lives).remove(&own_id);
        });
        all.insert(id.to_owned(), (life, task.abort_handle()));
    }

    pub(crate) async fn change(&self, id: &str, change: impl FnOnce(&mut Lease)) -> Result<(), StateError> {
        self.parts.state.change(|sessions| sessions.leases.get_mut(id).map(change).unwrap_or_default()).await
    }

    /// What a person should know of a profile's leases; `None`: nothing.
    pub(crate) fn note(&self, profile: &ProfileName) -> Option<String> {
        let holders = match self.in_use(Some(profile)).len() {
            0 => return None,
            1 => "a program holds an access token of its own".to_owned(),
            count => format!("{count} programs hold access tokens of their own"),
        };
        Some(format!("{holders}; see 'seqera agent leases'"))
    }

    pub(crate) async fn forget(&self, id: &str) {
        if let Err(error) = self.parts.state.change(|sessions| drop(sessions.leases.remove(id))).await {
            tracing::warn!(%id, %error, "the end of a lease could not be recorded");
        }
    }
}

#[cfg(test)]
mod tests;
