//! The agent's leases. Each lease is a personal access token at the Platform, and a task that deletes the
//! token when the lease ends. Leases are recorded in `leases.jsonl` before their tokens are created, so that
//! after any crash the next start finds what to delete.

pub(crate) mod book;
pub(crate) mod life;
pub(crate) mod mint;
pub(crate) mod program;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::clock::{Moment, unix};
use crate::error::{AgentError, ErrorKind};
use crate::leases::book::{Book, Parts, TokenSource, id, token_name};
use crate::leases::life::{Life, clear};
use crate::leases::mint::{MintError, Minted};
use crate::lock::lock;
use crate::profile::ProfileName;
use crate::providers::platform::PlatformError;
use crate::sealed::Sealed;
use crate::storage::record::{Ends, Lease, Program, Record, Sessions};
use crate::storage::store::{Patience, Stored};
use crate::token::{AccessToken, Kind};

/// How many names are tried before giving up on a Platform that says each one is taken.
pub(crate) const NAMES: usize = 3;

/// How many leases of one profile, and of all, this host may have. A workflow run has one; more than this are
/// made by a program that does not end its own.
const MOST_OF_PROFILE: usize = 1000;
const MOST: usize = 4000;

/// A caller's request for a lease.
pub(crate) struct Order {
    /// The profile whose session creates the token.
    pub profile: ProfileName,
    /// The record of that session.
    pub record: Arc<Record>,
    /// The access token of that session.
    pub by: AccessToken,
    /// What ends the lease.
    pub ends: Ends,
    /// The name that the person gave the program.
    pub program: String,
}

/// A new lease.
#[derive(Debug)]
pub(crate) struct Leased {
    /// Eight hexadecimal digits.
    pub id: String,
    /// The lease as recorded.
    pub lease: Lease,
    pub token: AccessToken,
}

/// All leases of this host and configuration folder.
pub(crate) struct Leases {
    pub(crate) book: Book,
    lives: Mutex<BTreeMap<String, (Arc<Life>, AbortHandle)>>,
    /// Has one receiver for each token that is being created. A task that panics drops its receiver, so it
    /// does not count for ever.
    making: watch::Sender<()>,
}

impl Leases {
    /// Knows the recorded leases. [`Self::resume`] starts their tasks.
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self { book: Book { parts }, lives: Mutex::default(), making: watch::Sender::new(()) })
    }

    /// Resumes the leases that an earlier agent on this host has left. Leases of other hosts are theirs to
    /// end.
    pub(crate) fn resume(self: &Arc<Self>, access: &Arc<dyn TokenSource>) {
        let own = self.book.recorded().into_iter().filter(|(_, lease)| lease.host == self.book.parts.host);
        own.for_each(|(id, _)| self.begin(&id, access));
    }

    /// Creates a token, and a lease that deletes it. If the caller hangs up meanwhile, the lease is ended at
    /// once.
    ///
    /// # Errors
    /// If the lease cannot be recorded, the Platform creates no token, or the profile is signed out
    /// meanwhile. `LOGIN_EXPIRED` if the Platform refuses the session's token; after a renewal it may accept
    /// the new one.
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

    /// Identifies a caller's process, so that a later process with the same pid is not mistaken for it.
    ///
    /// # Errors
    /// If there is no such process, or the system does not tell when it started.
    pub(crate) fn identify(&self, pid: u32) -> std::io::Result<Program> {
        self.book.parts.programs.identify(pid)
    }

    /// The task of a lease, while it runs.
    pub(crate) fn life(&self, id: &str) -> Option<Arc<Life>> {
        lock(&self.lives).get(id).map(|(life, _)| Arc::clone(life))
    }

    /// Ends a lease, and waits up to `limit` for the first attempt to delete its token. Returns true if the
    /// token is gone, or `None` if there is no such lease on this host.
    pub(crate) async fn end(&self, id: &str, limit: Duration) -> Option<bool> {
        let (life, before) = self.ask_for_end(id, None)?;
        let _ = timeout(limit, life.tried(before)).await;
        Some(life.is_over())
    }

    /// Forgets a lease whose token cannot be deleted, perhaps because its Platform is gone. Returns the
    /// token's name, so that the person can look for it.
    pub(crate) async fn give_up(&self, id: &str) -> Option<String> {
        let lease = self.book.lease(id).filter(|lease| lease.host == self.book.parts.host)?;
        let life = lock(&self.lives).remove(id);
        if let Some((_, task)) = life {
            task.abort();
        }
        tracing::warn!(%id, name = lease.name, "a token was given up and stays at the Platform");
        clear(&self.book, id, &lease).await;
        self.book.forget(id).await;
        Some(lease.name)
    }

    /// Ends every lease of a profile whose session ends. `by` is the last access token of that session.
    pub(crate) async fn end_all(&self, profile: &ProfileName, by: Option<&AccessToken>, limit: Duration) {
        let all = self.book.recorded().into_iter().filter(|(_, lease)| lease.profile == *profile);
        let lives: Vec<_> = all.filter_map(|(id, _)| self.ask_for_end(&id, by)).collect();
        let tried = lives.iter().map(|(life, before)| life.tried(*before));
        let _ = timeout(limit, futures_util::future::join_all(tried)).await;
    }

    /// Waits until no token is being created, then stops all tasks. The next agent resumes the leases.
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
        // The lock is held until the task is in the map, because the task removes itself when it ends.
        let mut all = lock(&self.lives);
        let task = tokio::spawn(async move {
            lives.run(&leases.book, &own_id, &*access).await;
            lock(&leases.lives).remove(&own_id);
        });
        all.insert(id.to_owned(), (life, task.abort_handle()));
    }
}

impl Leases {
    async fn make(
        self: &Arc<Self>,
        order: &Order,
        access: &Arc<dyn TokenSource>,
    ) -> Result<Leased, AgentError> {
        let mint = self.book.parts.mints.mint(&order.record.profile);
        for _ in 0..NAMES {
            let (id, lease) = self.draft(order)?;
            self.write_down(&id, &lease).await?;
            (self.book.parts.crash)("lease-recorded");
            match mint.create(&order.by, &lease.name).await {
                Ok(minted) => {
                    let leased = self.keep(id, lease, minted, access).await?;
                    return self.unless_signed_out(order, leased);
                }
                Err(MintError::NameTaken) => self.book.forget(&id).await,
                Err(MintError::Refused(why)) => {
                    self.book.forget(&id).await;
                    return Err(refused(order, &why));
                }
                Err(MintError::Unknown(why)) => {
                    // The task looks for a token of this name and deletes it.
                    let _ = self.book.change(&id, |lease| lease.ending = true).await;
                    self.begin(&id, access);
                    return Err(unanswered(order, &why));
                }
            }
        }
        Err(refused(
            order,
            &PlatformError::Misconfigured("it already has tokens under every name that was tried".into()),
        ))
    }

    fn draft(&self, order: &Order) -> Result<(String, Lease), AgentError> {
        let id = id(getrandom::u32().map_err(AgentError::internal)?);
        let now = self.book.parts.clock.now();
        let (user, host) = &self.book.parts.owner;
        let account = order.record.account.as_ref();
        let lease = Lease {
            name: token_name(user, host, &minute(now), &id),
            profile: order.profile.clone(),
            settings: order.record.profile.clone(),
            subject: account.map(|account| account.subject.clone()).unwrap_or_default(),
            host: self.book.parts.host.clone(),
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

    /// Records the lease. This happens before the token is created, since afterwards may be too late.
    async fn write_down(&self, id: &str, lease: &Lease) -> Result<(), AgentError> {
        let (key, mut value, host) = (id.to_owned(), lease.clone(), &self.book.parts.host);
        let mut refusal = None;
        let record = |sessions: &mut Sessions| {
            // The profile may have got another name since it was looked up.
            if let Some(rename) = sessions.renames.get(&value.profile)
                && !sessions.profiles.contains_key(&value.profile)
            {
                value.profile = rename.to.clone();
            }
            refusal = refusal_of_more(&sessions.leases, host, &value.profile);
            if refusal.is_none() {
                sessions.leases.insert(key, value);
            }
        };
        let written = self.book.parts.state.change(record).await;
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        if let Err(error) = written {
            self.book.forget(id).await;
            let what = format!("no token was made, since it could not be written down: {error}");
            return Err(AgentError::new(ErrorKind::StoreFailed, what, "is the disk full?"));
        }
        Ok(())
    }

    /// Ends a lease whose session was signed out while the token was being created. That sign-out has not
    /// seen this lease, but it marked the record before it looked for leases.
    fn unless_signed_out(&self, order: &Order, leased: Leased) -> Result<Leased, AgentError> {
        let is_same = |now: Arc<Record>| !now.signed_out && now.logged_in_at == order.record.logged_in_at;
        if self.book.parts.state.record(&leased.lease.profile).is_some_and(is_same) {
            return Ok(leased);
        }
        self.ask_for_end(&leased.id, None);
        Err(AgentError::signed_out(&order.profile))
    }

    /// Stores and records the new token. A token that cannot be recorded is deleted at once.
    async fn keep(
        self: &Arc<Self>,
        id: String,
        lease: Lease,
        minted: Minted,
        access: &Arc<dyn TokenSource>,
    ) -> Result<Leased, AgentError> {
        (self.book.parts.crash)("lease-made");
        let now = self.book.parts.clock.now().wall;
        let stored = Stored::new(&lease.settings, Kind::Fixed, Sealed::new(minted.token.expose()), now)
            .with_proxy_password(self.book.parts.passwords.known(&lease.settings.network));
        // If the token is not stored, the session deletes it instead.
        let item = ProfileName::of_lease(&id);
        let kept = self.book.parts.ladder.save(&item, &stored, None, Patience::Background).await;
        let store = kept.ok().map(|kept| kept.kind);
        (self.book.parts.crash)("lease-stored");
        let known =
            self.book.change(&id, |lease| (lease.token_id, lease.store) = (Some(minted.id), store)).await;
        self.begin(&id, access);
        match (known, self.book.lease(&id)) {
            (Ok(()), Some(lease)) => Ok(Leased { id, lease, token: minted.token }),
            (known, _) => {
                self.ask_for_end(&id, None);
                let why = known.err().map(|error| error.to_string()).unwrap_or_default();
                let what = format!("the token could not be written down and is deleted again: {why}");
                Err(AgentError::new(ErrorKind::StoreFailed, what, "is the disk full?"))
            }
        }
    }
}

/// The refusal of one more lease, if there are as many as there may be.
fn refusal_of_more(all: &BTreeMap<String, Lease>, host: &str, profile: &ProfileName) -> Option<AgentError> {
    let own = all.values().filter(|lease| lease.host == host);
    let (mut count, mut of_profile) = (0, 0);
    for lease in own {
        count += 1;
        of_profile += usize::from(lease.profile == *profile);
    }
    let what = match (of_profile >= MOST_OF_PROFILE, count >= MOST) {
        (true, _) => format!("profile '{profile}' has {of_profile} tokens of programs"),
        (_, true) => format!("there are {count} tokens of programs"),
        _ => return None,
    };
    let hint = "'seqera agent leases' shows them; end those that no program needs";
    Some(AgentError::new(ErrorKind::TooMany, format!("{what}, which is the most that the agent keeps"), hint))
}

/// The time in the form `20260102T0304Z`.
fn minute(now: Moment) -> String {
    let zoned = jiff::Timestamp::try_from(now.wall).unwrap_or_default();
    zoned.strftime("%Y%m%dT%H%MZ").to_string()
}

fn refused(order: &Order, why: &PlatformError) -> AgentError {
    let api = order.record.profile.api();
    match why {
        PlatformError::Unauthorized => {
            AgentError::login_expired(&order.profile, &format!("{api} refuses its access token"))
        }
        PlatformError::Forbidden => {
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
mod tests;
