//! Finds the profile that a caller means and its worker. Also the one ticker that wakes the workers when
//! something is due.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use seqera_agent_proto::near::near;
use tokio::sync::{Notify, Semaphore, watch};
use tracing::error;

use crate::error::{AgentError, ErrorKind};
use crate::leases::book::{SessionToken, TokenSource};
use crate::lock::lock;
use crate::profile::{Profile, ProfileName};
use crate::providers::known;
use crate::sessions::handle::Handle;
use crate::sessions::shared::Shared;
use crate::sessions::verdict::{Ask, Standing};
use crate::sessions::view::View;
use crate::sessions::worker::Worker;
use crate::sign_in::logins::Logins;
use crate::storage::record::Sessions;

/// The pause before the ticker looks again at a worker that it has woken and whose view has not changed yet.
const SHORTEST_SLEEP: Duration = Duration::from_millis(50);

/// How long the deletion of a lease's token waits for an access token of the session.
const ACCESS: Duration = Duration::from_secs(30);

/// The profiles in the configuration file.
pub(crate) type Configured = BTreeMap<ProfileName, Profile>;

/// All profiles of this agent.
pub(crate) struct Registry {
    pub shared: Arc<Shared>,
    pub logins: Logins,
    /// Locked while a sign-in of another program is being imported.
    pub taking: tokio::sync::Mutex<()>,
    /// Locked while a profile is removed or renamed.
    pub naming: tokio::sync::Mutex<()>,
    /// The names that are removed or renamed now: nobody may begin to sign in under one.
    reserved: Mutex<BTreeSet<ProfileName>>,
    handles: ArcSwap<BTreeMap<ProfileName, Handle>>,
    adding: Mutex<()>,
    configured: ArcSwap<Configured>,
    /// Told each time that the ticker has looked.
    ticked: Notify,
    stopping: watch::Sender<bool>,
}

impl Registry {
    /// Starts a worker for every profile that the state knows. That renews nothing.
    pub(crate) fn start(shared: Arc<Shared>, logins: Logins, configured: Configured) -> Arc<Self> {
        let sessions = shared.state.snapshot();
        // All at once: `ensure` looks through all the others.
        let worker = |name: &ProfileName| (name.clone(), supervise(name.clone(), Arc::clone(&shared)));
        let handles: BTreeMap<_, _> = sessions.profiles.keys().map(worker).collect();
        let kept =
            sessions.profiles.values().filter_map(|record| Some((record.logged_in_at?, record.store?)));
        if let Some((_, kind)) = kept.max_by_key(|(at, _)| *at) {
            shared.ladder.expect(kind);
        }
        Arc::new(Self {
            shared,
            logins,
            taking: tokio::sync::Mutex::default(),
            naming: tokio::sync::Mutex::default(),
            reserved: Mutex::default(),
            handles: ArcSwap::from_pointee(handles),
            adding: Mutex::new(()),
            configured: ArcSwap::from_pointee(configured),
            ticked: Notify::new(),
            stopping: watch::Sender::new(false),
        })
    }

    /// The profile that a caller means: the one with this name, else the one of this authority, else the chosen
    /// default, else `default`.
    ///
    /// # Errors
    /// `BAD_REQUEST` if `name` is not a profile name, `AUTHORITY_MISMATCH` if the profile belongs to another
    /// authority, `SIGNED_OUT` if only an authority is given and no profile belongs to it.
    pub(crate) fn resolve(&self, name: &str, authority: &str) -> Result<ProfileName, AgentError> {
        let sessions = self.shared.state.snapshot();
        if name.is_empty() && !authority.is_empty() {
            return self.of_authority(authority).ok_or_else(|| {
                let hint = format!("run 'seqera login --authority {authority}'");
                AgentError::new(ErrorKind::SignedOut, format!("not signed in to {authority}"), hint)
            });
        }
        if name.is_empty() {
            return Ok(sessions.default_profile.clone().unwrap_or_else(|| self.unnamed(&sessions)));
        }
        let name: ProfileName = name.parse()?;
        let recorded = sessions.profiles.get(&name).map(|record| record.profile.clone());
        let belongs_to = recorded.or_else(|| self.configured(&name));
        match belongs_to.filter(|profile| !authority.is_empty() && !profile.serves(authority)) {
            None => Ok(name),
            Some(profile) => {
                let fits = self.of_authority(authority);
                Err(AgentError::authority_mismatch(&name, &profile.authority, authority, fits.as_ref()))
            }
        }
    }

    /// `default`, unless nothing at all is known here but the session of another host: to say "not signed in" of a
    /// profile that nobody uses would hide it.
    fn unnamed(&self, sessions: &Sessions) -> ProfileName {
        let fallback = ProfileName::fallback();
        let state = &self.shared.state;
        let is_empty = sessions.profiles.is_empty() && self.configured.load().is_empty();
        let there = state.elsewhere().first().filter(|_| is_empty && state.other_host(&fallback).is_none());
        there.map_or(fallback, |there| there.profile.clone())
    }

    /// The profile of an authority. If there are several, one that is not signed out comes first, then the chosen
    /// default, then `default`, then the first by name: a login to another profile must not change which account
    /// commands use.
    pub(crate) fn of_authority(&self, authority: &str) -> Option<ProfileName> {
        let sessions = self.shared.state.snapshot();
        let fitting = sessions.profiles.iter().filter(|(_, record)| record.profile.serves(authority));
        let (chosen, fallback) = (sessions.default_profile.as_ref(), ProfileName::fallback());
        let order = |name: &ProfileName| (chosen != Some(name), *name != fallback);
        if let Some((name, _)) = fitting.min_by_key(|(name, record)| (record.signed_out, order(name), *name))
        {
            return Some(name.clone());
        }
        let configured = self.configured.load();
        configured.iter().find(|(_, profile)| profile.serves(authority)).map(|(name, _)| name.clone())
    }

    /// The worker of a known profile. Takes no lock if the worker runs already.
    ///
    /// # Errors
    /// `UNKNOWN_PROFILE` with similar names, `OTHER_HOST` if only another host has a session of this profile,
    /// `STORE_FAILED` if `sessions.json` cannot be read, so that nothing is known of any profile.
    pub(crate) fn worker(&self, name: &ProfileName) -> Result<Handle, AgentError> {
        let is_known = self.is_known(name);
        // That a login runs, or has failed just now, does not make the profile known.
        let has_session = |handle: &&Handle| is_known || handle.view().standing != Standing::SignedOut;
        if let Some(handle) = self.handles.load().get(name).filter(has_session) {
            return Ok(handle.clone());
        }
        if let Some(problem) = self.shared.state.unreadable() {
            return Err(AgentError::state_unreadable(&problem));
        }
        match self.shared.state.other_host(name) {
            _ if is_known => Ok(self.ensure(name)),
            Some(there) => Err(AgentError::other_host(name, &there.in_words())),
            None if *name == ProfileName::fallback() || known::built_in(name).is_some() => {
                Ok(self.ensure(name))
            }
            None => Err(self.unknown(name)),
        }
    }

    fn is_known(&self, name: &ProfileName) -> bool {
        self.shared.state.snapshot().profiles.contains_key(name) || self.configured.load().contains_key(name)
    }

    /// The error for an unknown profile, which offers its present name or similar ones.
    pub(crate) fn unknown(&self, name: &ProfileName) -> AgentError {
        if let Some(rename) = self.shared.state.snapshot().renames.get(name) {
            return AgentError::renamed_profile(name, &rename.to);
        }
        let names = self.names();
        AgentError::unknown_profile(name, &near(name.as_str(), names.iter().map(ProfileName::as_str)))
    }

    /// Every name that configuration or state knows. The sessions of other hosts are not among them.
    pub(crate) fn names(&self) -> BTreeSet<ProfileName> {
        let (configured, sessions) = (self.configured.load(), self.shared.state.snapshot());
        // Not the names of the workers: the one that answers "signed out" for `default` is not a profile.
        configured.keys().chain(sessions.profiles.keys()).cloned().collect()
    }

    /// The profile's settings in the configuration file, else those that are built in.
    pub(crate) fn configured(&self, name: &ProfileName) -> Option<Profile> {
        self.configured.load().get(name).cloned().or_else(|| known::built_in(name))
    }

    /// What is known of a profile. One that never had a session gets no worker for that: a configuration may have
    /// thousands of them.
    pub(crate) fn view(&self, name: &ProfileName) -> Arc<View> {
        match self.handles.load().get(name) {
            Some(handle) => handle.view(),
            None if self.shared.state.record(name).is_some() => self.ensure(name).view(),
            None => Arc::default(),
        }
    }

    /// The worker of a profile, started if need be.
    pub(crate) fn ensure(&self, name: &ProfileName) -> Handle {
        let _one_at_a_time = lock(&self.adding);
        let handles = self.handles.load_full();
        if let Some(handle) = handles.get(name) {
            return handle.clone();
        }
        let handle = supervise(name.clone(), Arc::clone(&self.shared));
        let mut others = self.needed(&handles);
        others.insert(name.clone(), handle.clone());
        self.handles.store(Arc::new(others));
        handle
    }

    /// Ends the workers that nobody needs: a login that failed has left one for its name.
    fn retire(&self) {
        let _one_at_a_time = lock(&self.adding);
        let handles = self.handles.load_full();
        let needed = self.needed(&handles);
        if needed.len() < handles.len() {
            self.handles.store(Arc::new(needed));
        }
    }

    /// The workers that have a session or may get one: those of known profiles, and those that somebody talks to.
    /// A worker ends with its last handle.
    fn needed(&self, handles: &BTreeMap<ProfileName, Handle>) -> BTreeMap<ProfileName, Handle> {
        let known = self.names();
        let is_needed = |name: &ProfileName, handle: &Handle| {
            known.contains(name) || handle.is_shared() || handle.view().standing != Standing::SignedOut
        };
        let needed = handles.iter().filter(|(name, handle)| is_needed(name, handle));
        needed.map(|(name, handle)| (name.clone(), handle.clone())).collect()
    }

    /// Lets a second name lead to a worker. Returns the worker that it led to before, if that is another one.
    pub(crate) fn also(&self, name: &ProfileName, handle: &Handle) -> Option<Handle> {
        let _one_at_a_time = lock(&self.adding);
        let mut handles = BTreeMap::clone(&self.handles.load_full());
        let before = handles.insert(name.clone(), handle.clone());
        self.handles.store(Arc::new(handles));
        before
    }

    /// Forgets the worker of a name, and returns it.
    pub(crate) fn forget(&self, name: &ProfileName) -> Option<Handle> {
        let _one_at_a_time = lock(&self.adding);
        let mut handles = BTreeMap::clone(&self.handles.load_full());
        let before = handles.remove(name);
        self.handles.store(Arc::new(handles));
        before
    }

    /// Keeps everybody from signing in under these names, until the returned value is dropped.
    ///
    /// # Errors
    /// `BAD_REQUEST` if a login of one of them runs.
    pub(crate) fn reserve<const N: usize>(
        &self,
        names: [ProfileName; N],
    ) -> Result<Reserved<'_>, AgentError> {
        lock(&self.reserved).extend(names.clone());
        let reserved = Reserved(self);
        let running = self.logins.names();
        match names.iter().find(|name| running.contains(name)) {
            Some(name) => {
                let message = format!("a sign-in to profile '{name}' is in progress");
                Err(AgentError::new(ErrorKind::BadRequest, message, "finish it first, or cancel it"))
            }
            None => Ok(reserved),
        }
    }

    /// Fails while a name is being removed or renamed.
    ///
    /// # Errors
    /// `BAD_REQUEST`.
    pub(crate) fn check_not_reserved(&self, name: &ProfileName) -> Result<(), AgentError> {
        if !lock(&self.reserved).contains(name) {
            return Ok(());
        }
        let message = format!("profile '{name}' is being removed or renamed");
        Err(AgentError::new(ErrorKind::BadRequest, message, "try again in a moment"))
    }

    /// The present name of a profile, for programs that run and still know an earlier one.
    pub(crate) fn present(&self, name: ProfileName) -> ProfileName {
        let sessions = self.shared.state.snapshot();
        let renamed = sessions.renames.get(&name).filter(|_| !self.is_known(&name));
        renamed.map_or(name, |rename| rename.to.clone())
    }

    /// Every worker with its name.
    pub(crate) fn workers(&self) -> Vec<(ProfileName, Handle)> {
        self.handles.load().iter().map(|(name, handle)| (name.clone(), handle.clone())).collect()
    }

    /// Wakes the workers that are due, for ever. Sleeps without a limit while nothing is ever due.
    pub(crate) async fn tick(self: Arc<Self>) {
        let alarm = self.shared.clock.alarm();
        loop {
            let changed = self.shared.due_changed.notified();
            self.forget_passwords();
            let now = self.shared.now();
            let mut next = None;
            for (_, handle) in self.workers() {
                let Some(due) = handle.view().due else { continue };
                if now.reached(due) {
                    handle.tick();
                }
                let wait = now.until(due).max(SHORTEST_SLEEP);
                next = Some(next.map_or(wait, |sooner: Duration| sooner.min(wait)));
            }
            self.ticked.notify_waiters();
            let due = async {
                match next {
                    None => changed.await,
                    Some(wait) => tokio::select! {
                        () = changed => {}
                        () = alarm.rest(wait) => {}
                    },
                }
            };
            tokio::select! {
                () = due => {}
                () = self.logins.ended() => self.retire(),
            }
        }
    }

    /// Completes when the ticker has looked the next time.
    pub(crate) async fn ticked(&self) {
        self.ticked.notified().await;
    }

    /// Forgets the passwords of proxies that no session needs any more, once nothing is left to be revoked.
    fn forget_passwords(&self) {
        if !self.shared.pending.profiles().is_empty() {
            return;
        }
        let sessions = self.shared.state.snapshot();
        let needed: BTreeSet<_> = {
            // A sign-out that could not read its secret still has to revoke it.
            let recorded =
                sessions.profiles.values().filter(|record| !record.signed_out || record.store.is_some());
            let leased = sessions.leases.values().map(|lease| &lease.settings);
            let networks =
                recorded.map(|record| &record.profile).chain(leased).map(|profile| &profile.network);
            networks.map(|network| network.proxy.as_str()).collect()
        };
        let views: Vec<_> = self.workers().iter().map(|(_, handle)| handle.view()).collect();
        let is_served = |proxy: &str| {
            let mut live = views.iter().filter(|view| view.standing != Standing::SignedOut);
            live.any(|view| view.record.profile.network.proxy == proxy)
        };
        self.shared.passwords.retain(|proxy| needed.contains(proxy) || is_served(proxy));
    }

    /// The profiles whose session, or whose pending revocation, a stop of the agent would forget.
    pub(crate) fn only_in_memory(&self) -> Vec<ProfileName> {
        let mut names: BTreeSet<_> = self.shared.pending.profiles().into_iter().collect();
        for (name, handle) in self.workers() {
            let view = handle.view();
            let kept =
                view.record.store.is_some_and(|store| store != crate::storage::store::StoreKind::Memory);
            if view.standing == Standing::SignedIn && (view.unsaved.is_some() || !kept) {
                names.insert(name);
            }
        }
        names.into_iter().collect()
    }

    /// The profiles whose token is good now, and might not be had again: the last renewal failed.
    pub(crate) fn hard_to_replace(&self) -> Vec<ProfileName> {
        let now = self.shared.now();
        let failing = self.workers().into_iter().filter(|(_, handle)| {
            let view = handle.view();
            view.standing == Standing::SignedIn && view.failure.is_some() && view.served(now).is_some()
        });
        failing.map(|(name, _)| name).collect()
    }

    /// True while a job of a session runs, or a change of names.
    pub(crate) fn at_work(&self) -> bool {
        !lock(&self.reserved).is_empty() || self.workers().iter().any(|(_, handle)| handle.view().at_work)
    }

    /// True if nobody would notice an exit of the agent.
    pub(crate) fn idle(&self) -> bool {
        let signed_in = |handle: &Handle| handle.view().standing == Standing::SignedIn;
        !self.workers().iter().any(|(_, handle)| signed_in(handle))
            && self.shared.pending.profiles().is_empty()
            && self.logins.names().is_empty()
            && self.shared.leases.book.count() == 0
    }

    /// The number of profiles that are signed in.
    pub(crate) fn sessions(&self) -> usize {
        self.workers().iter().filter(|(_, handle)| handle.view().standing == Standing::SignedIn).count()
    }

    /// Replaces the configured profiles after the configuration file was read again.
    pub(crate) fn reload(&self, configured: Configured) {
        self.configured.store(Arc::new(configured));
    }

    /// Turns true when the agent stops, which ends the watchers.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// Lets nothing new begin, waits at most for `limit` until running jobs and logins have ended, and ends the
    /// watchers.
    pub(crate) async fn drain(&self, limit: Duration) {
        self.stopping.send_replace(true);
        let workers = self.workers();
        // All at once: the last worker must not begin a renewal while the first one finishes its own.
        let drained = || futures_util::future::join_all(workers.iter().map(|(_, handle)| handle.drain()));
        let all = async {
            let (_, (), _none_begins) = tokio::join!(drained(), self.logins.finished(), self.taking.lock());
            self.shared.leases.drain().await;
            // Again, for what those logins have queued in the meantime.
            drained().await;
        };
        if tokio::time::timeout(limit, all).await.is_err() {
            error!("a renewal did not end in time; its intent is recorded");
        }
        if let Err(error) = self.shared.state.flush().await {
            error!(%error, "the state could not be written");
        }
    }
}

#[async_trait]
impl TokenSource for Registry {
    async fn access(&self, profile: &ProfileName) -> Result<SessionToken, AgentError> {
        let until = self.shared.now().plus(ACCESS);
        let served = self.worker(profile)?.token(Ask::default(), until).await?;
        let subject = served.record.account.as_ref().map(|account| account.subject.clone());
        Ok(SessionToken {
            token: served.held.token.clone(),
            profile: served.record.profile.clone(),
            subject: subject.unwrap_or_default(),
        })
    }
}

/// See [`Registry::reserve`]. One removal or change of name runs at a time.
pub(crate) struct Reserved<'a>(&'a Registry);

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        lock(&self.0.reserved).clear();
    }
}

/// Runs the worker of a profile. If it panics, starts a new one from what is stored.
fn supervise(name: ProfileName, shared: Arc<Shared>) -> Handle {
    let (handle, mut inbox, view) = Handle::new();
    let turn = Arc::new(Semaphore::new(1));
    let called = Arc::new(Mutex::new(name));
    let first = Worker::new(Arc::clone(&called), Arc::clone(&shared), Arc::clone(&turn), view.clone());
    tokio::spawn(async move {
        let mut worker = first;
        loop {
            let run = AssertUnwindSafe(worker.run(&mut inbox));
            match futures_util::FutureExt::catch_unwind(run).await {
                Ok(()) => return,
                Err(_) => {
                    error!(profile = %*lock(&called), "the task of a profile panicked; it is started again")
                }
            }
            worker = Worker::new(Arc::clone(&called), Arc::clone(&shared), Arc::clone(&turn), view.clone());
        }
    });
    handle
}

#[cfg(test)]
mod tests;
