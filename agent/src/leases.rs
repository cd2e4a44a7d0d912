//! The leases of this agent: makes their tokens, and keeps one task for each, which deletes its token in the
//! end. What is known of them lies in `sessions.json`, written before a token is made: whatever dies, the
//! next start finds what is to be deleted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use crate::clock::{Clock, Moment};
use crate::error::{AgentError, Kind as ErrorKind};
use crate::lease::{Ends, Lease, id, token_name};
use crate::lease_life::Life;
use crate::mint::{MintError, Minted, Mints};
use crate::passwords::ProxyPasswords;
use crate::platform::PlatformError;
use crate::profile::ProfileName;
use crate::program::Programs;
use crate::shared::unix;
use crate::state::{Record, State, StateError};
use crate::store::lane::lock;
use crate::store::{Ladder, Patience, Stored};
use crate::token::{AccessToken, Kind};
use crate::view::Served;

/// Names that are tried before a Platform that has them all is believed.
const NAMES: usize = 3;

/// What the leases work with.
pub struct Parts {
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
pub trait TokenSource: Send + Sync {
    /// A token of the profile's session, as any caller would get it.
    async fn access(&self, profile: &ProfileName) -> Result<Served, AgentError>;
}

/// What a caller wants.
pub struct Order {
    /// Whose session makes the token.
    pub profile: ProfileName,
    /// That session.
    pub record: Arc<Record>,
    /// Its token.
    pub by: AccessToken,
    /// What ends the lease.
    pub ends: Ends,
    /// What the person calls the program.
    pub program: String,
}

/// A lease that was made.
#[derive(Debug)]
pub struct Leased {
    /// Eight hexadecimal digits.
    pub id: String,
    /// As recorded.
    pub lease: Lease,
    /// The token.
    pub token: AccessToken,
}

/// All leases of this host and configuration folder.
pub struct Leases {
    pub(crate) parts: Parts,
    lives: Mutex<BTreeMap<String, Arc<Life>>>,
    /// Tokens that are being made.
    making: watch::Sender<usize>,
}

impl Leases {
    /// Those that are recorded; [`Self::resume`] goes on with them.
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self { parts, lives: Mutex::default(), making: watch::Sender::new(0) })
    }

    /// Goes on with what an earlier agent of this host has left. Another host's is that host's to judge.
    pub fn resume(self: &Arc<Self>, access: &Arc<dyn TokenSource>) {
        let own = self.recorded().into_iter().filter(|(_, lease)| lease.host == self.parts.host);
        own.for_each(|(id, _)| self.begin(&id, access));
    }

    /// Makes a token, and a lease that deletes it. A caller that hangs up meanwhile has no lease.
    ///
    /// # Errors
    /// Where it cannot be written down, or the Platform makes none.
    pub async fn create(
        self: &Arc<Self>,
        order: Order,
        access: Arc<dyn TokenSource>,
    ) -> Result<Leased, AgentError> {
        let (reply, answer) = oneshot::channel();
        let leases = Arc::clone(self);
        leases.making.send_modify(|making| *making += 1);
        tokio::spawn(async move {
            let made = leases.make(&order, &access).await;
            if let Err(Ok(unwanted)) = reply.send(made) {
                leases.ask_for_end(&unwanted.id, None);
            }
            leases.making.send_modify(|making| *making -= 1);
        });
        answer.await.unwrap_or_else(|_| Err(AgentError::internal("a lease could not be made")))
    }

    async fn make(
        self: &Arc<Self>,
        order: &Order,
        access: &Arc<dyn TokenSource>,
    ) -> Result<Leased, AgentError> {
        let mint = self.parts.mints.mint(&order.record.profile);
        for _ in 0..NAMES {
            let (id, lease) = self.draft(order)?;
            self.write_down(&id, &lease).await?;
            (self.parts.crash)("lease-recorded");
            match mint.create(&order.by, &lease.name).await {
                Ok(minted) => return self.keep(id, minted, access).await,
                Err(MintError::NameTaken) => self.forget(&id).await,
                Err(MintError::Refused(why)) => {
                    self.forget(&id).await;
                    return Err(refused(order, &why));
                }
                Err(MintError::Unknown(why)) => {
                    // Its task looks for the name, and deletes what it finds.
                    let _ = self.change(&id, |lease| lease.ending = true).await;
                    self.begin(&id, access);
                    return Err(unanswered(order, &why));
                }
            }
        }
        Err(refused(
            order,
            &PlatformError::Misconfigured("it has tokens of every name that was tried".into()),
        ))
    }

    fn draft(&self, order: &Order) -> Result<(String, Lease), AgentError> {
        let id = id(getrandom::u32().map_err(AgentError::internal)?);
        let now = self.parts.clock.now();
        let (user, host) = &self.parts.owner;
        let account = order.record.account.as_ref();
        let lease = Lease {
            name: token_name(user, host, &minute(now), &id),
            profile: order.profile.clone(),
            settings: order.record.profile.clone(),
            subject: account.map(|account| account.subject.clone()).unwrap_or_default(),
            host: self.parts.host.clone(),
            program: order.program.clone(),
            ends: order.ends.clone(),
            created_at: unix(now),
            token_id: None,
            store: None,
            ending: false,
            other: serde_json::Map::new(),
        };
        Ok((id, lease))
    }

    /// Before the token is made, because afterwards may be too late.
    async fn write_down(&self, id: &str, lease: &Lease) -> Result<(), AgentError> {
        let (key, value) = (id.to_owned(), lease.clone());
        let written = self.parts.state.change(|sessions| drop(sessions.leases.insert(key, value))).await;
        if let Err(error) = written {
            self.forget(id).await;
            let what = format!("no token was made, since it could not be written down: {error}");
            return Err(AgentError::new(ErrorKind::StoreFailed, what, "is the disk full?"));
        }
        Ok(())
    }

    /// A token that cannot be recorded is deleted at once.
    async fn keep(
        self: &Arc<Self>,
        id: String,
        minted: Minted,
        access: &Arc<dyn TokenSource>,
    ) -> Result<Leased, AgentError> {
        (self.parts.crash)("lease-made");
        let Some(lease) = self.lease(&id) else { return Err(AgentError::internal("a lease has gone")) };
        let stored = Stored {
            provider: lease.settings.provider,
            authority: lease.settings.authority.clone(),
            client_id: lease.settings.client_id.clone(),
            kind: Kind::Fixed,
            secret: SecretString::from(minted.token.expose()),
            saved_at: self.parts.clock.now().wall,
            proxy_password: self.parts.passwords.known(&lease.settings.network),
        };
        // Without it the session deletes the token.
        let item = ProfileName::of_lease(&id);
        let kept = self.parts.ladder.save(&item, &stored, None, Patience::Background).await;
        let store = kept.ok().map(|kept| kept.kind);
        (self.parts.crash)("lease-stored");
        let known = self.change(&id, |lease| (lease.token_id, lease.store) = (Some(minted.id), store)).await;
        self.begin(&id, access);
        match (known, self.lease(&id)) {
            (Ok(()), Some(lease)) => Ok(Leased { id, lease, token: minted.token }),
            (known, _) => {
                self.ask_for_end(&id, None);
                let why = known.err().map(|error| error.to_string()).unwrap_or_default();
                let what = format!("the token could not be written down and is deleted again: {why}");
                Err(AgentError::new(ErrorKind::StoreFailed, what, "is the disk full?"))
            }
        }
    }

    /// Every recorded lease, with its id.
    pub fn recorded(&self) -> BTreeMap<String, Lease> {
        self.parts.state.snapshot().leases.clone()
    }

    /// One lease as recorded.
    pub fn lease(&self, id: &str) -> Option<Lease> {
        self.parts.state.snapshot().leases.get(id).cloned()
    }

    /// How many tokens there are, or may be, that this host has to delete some day.
    pub fn count(&self) -> usize {
        let snapshot = self.parts.state.snapshot();
        snapshot.leases.values().filter(|lease| lease.host == self.parts.host).count()
    }

    /// Ids of the leases that programs use: of one profile, or of all.
    pub fn in_use(&self, profile: Option<&ProfileName>) -> Vec<String> {
        let of_profile = |lease: &Lease| profile.is_none_or(|name| *name == lease.profile);
        let used = |lease: &Lease| lease.host == self.parts.host && !lease.ending && of_profile(lease);
        self.recorded().into_iter().filter(|(_, lease)| used(lease)).map(|(id, _)| id).collect()
    }

    /// The task of a lease, while there is one.
    pub fn life(&self, id: &str) -> Option<Arc<Life>> {
        lock(&self.lives).get(id).cloned()
    }

    /// Ends a lease and waits, at most so long, for the outcome of the first attempt: true where the token
    /// is gone. `None`: there is no such lease here.
    pub async fn end(&self, id: &str, limit: Duration) -> Option<bool> {
        let (life, before) = self.ask_for_end(id, None)?;
        let _ = timeout(limit, life.tried(before)).await;
        Some(life.is_over())
    }

    /// Ends every lease of a profile, whose session ends with `by` as its last token.
    pub async fn end_all(&self, profile: &ProfileName, by: Option<&AccessToken>, limit: Duration) {
        let all = self.recorded().into_iter().filter(|(_, lease)| lease.profile == *profile);
        let lives: Vec<_> = all.filter_map(|(id, _)| self.ask_for_end(&id, by)).collect();
        let tried = lives.iter().map(|(life, before)| life.tried(*before));
        let _ = timeout(limit, futures_util::future::join_all(tried)).await;
    }

    /// Waits until no token is being made.
    pub async fn made(&self) {
        let _ = self.making.subscribe().wait_for(|making| *making == 0).await;
    }

    fn ask_for_end(&self, id: &str, by: Option<&AccessToken>) -> Option<(Arc<Life>, u64)> {
        let life = self.life(id)?;
        let before = life.ask_for_end(by.cloned());
        Some((life, before))
    }

    /// Starts the task of a recorded lease.
    fn begin(self: &Arc<Self>, id: &str, access: &Arc<dyn TokenSource>) {
        let life = Arc::new(Life::default());
        lock(&self.lives).insert(id.to_owned(), Arc::clone(&life));
        let (leases, access, id) = (Arc::clone(self), Arc::clone(access), id.to_owned());
        tokio::spawn(async move {
            life.run(&leases, &id, &*access).await;
            lock(&leases.lives).remove(&id);
        });
    }

    pub(crate) async fn change(&self, id: &str, change: impl FnOnce(&mut Lease)) -> Result<(), StateError> {
        self.parts.state.change(|sessions| sessions.leases.get_mut(id).map(change).unwrap_or_default()).await
    }

    pub(crate) async fn forget(&self, id: &str) {
        if let Err(error) = self.parts.state.change(|sessions| drop(sessions.leases.remove(id))).await {
            tracing::warn!(%id, %error, "the end of a lease could not be recorded");
        }
    }
}

/// `20260102T0304Z`.
fn minute(now: Moment) -> String {
    let zoned = jiff::Timestamp::try_from(now.wall).unwrap_or_default();
    zoned.strftime("%Y%m%dT%H%MZ").to_string()
}

fn refused(order: &Order, why: &PlatformError) -> AgentError {
    let api = order.record.profile.api();
    match why {
        PlatformError::Unauthorized | PlatformError::Forbidden => {
            let what = format!("{api} does not let this account make an access token: {why}");
            let hint = "ask its administrator, or run the program with 'seqera exec' alone";
            AgentError::new(ErrorKind::Forbidden, what, hint)
        }
        PlatformError::Unreachable(why) => {
            let what = format!("{api} could not be asked for an access token: {why}");
            AgentError::new(ErrorKind::Unreachable, what, "nothing was made; try again later")
        }
        PlatformError::NotAPlatform(_) | PlatformError::Misconfigured(_) => {
            let what = format!("{api} gives no access token for the program: {why}");
            let hint = "a token of its own needs a Seqera Platform; 'seqera exec' works without one";
            AgentError::new(ErrorKind::Misconfigured, what, hint)
        }
    }
}

fn unanswered(order: &Order, why: &str) -> AgentError {
    let what =
        format!("{} did not answer whether it made an access token: {why}", order.record.profile.api());
    let hint = "try again later; if one was made, the agent deletes it ('seqera agent leases')";
    AgentError::new(ErrorKind::Unreachable, what, hint)
}

#[cfg(test)]
#[path = "leases_tests.rs"]
mod tests;
