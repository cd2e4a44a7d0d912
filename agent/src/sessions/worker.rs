//! The task that owns the session of one profile.
//!
//! The worker alone owns the session's state, the refresh token in memory, the callers that wait and the job
//! that runs. Callers send commands through a [`Handle`](super::handle::Handle) and wait for the answer. At most
//! one job that writes (a renewal, login or sign-out) runs at a time, as a task that returns its result to the
//! worker: so the worker never waits on the network or a store, and no lock is held across an await.
//!
//! The file is longer than others because every command and every job's result meet here: one place alone changes
//! the state of a session.

mod names;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::{JoinError, JoinHandle};
use tracing::{debug, error, info};

use crate::backoff::jitter;
use crate::clock::Moment;
use crate::error::AgentError;
use crate::lock::lock;
use crate::outcome::Outcome;
use crate::profile::ProfileName;
use crate::providers::{Check, Issuer};
use crate::sessions::adopt::adopt;
use crate::sessions::choice::Choice;
use crate::sessions::climb::Climb;
use crate::sessions::handle::{Command, Inbox, overtaken};
use crate::sessions::install::{Former, Installed, Login, give_back, install};
use crate::sessions::jobs::{JobDone, brought, spawn, spawn_save};
use crate::sessions::renewal::{Generation, Learned, RenewalJob, Unsaved};
use crate::sessions::session::Session;
use crate::sessions::shared::Shared;
use crate::sessions::sign_out::{SignOut, SignedOut};
use crate::sessions::verdict::{Ask, Decision, Job, JobOutcome, Standing, Waiting};
use crate::sessions::view::{Served, View, refused, restore};
use crate::storage::other_hosts::Elsewhere;
use crate::storage::record::Record;
use crate::storage::state::StateError;
use crate::token::RefreshToken;

/// The pause before a store that has refused to save or remove a secret is asked again.
const STORE_AGAIN: Duration = Duration::from_secs(30);

/// A caller that waits for a token.
struct Waiter {
    ask: Ask,
    until: Moment,
    reply: oneshot::Sender<Result<Served, AgentError>>,
}

pub(crate) struct Worker {
    name: ProfileName,
    /// The same, for the worker that follows this one after a panic.
    called: Arc<Mutex<ProfileName>>,
    shared: Arc<Shared>,
    session: Session,
    generation: Generation,
    record: Arc<Record>,
    /// Held by a job that may spend the token. Outlives the worker: after a panic the new worker's renewal waits
    /// for that of the old one.
    turn: Arc<Semaphore>,
    /// The refresh token, once a login or renewal has brought it into memory.
    refresh: Option<RefreshToken>,
    /// It came from the provider to this process, and was not just read from its store.
    refresh_is_own: bool,
    /// The secret that the store has refused to save.
    unsaved: Option<Unsaved>,
    /// When the store is asked again to save `unsaved`, or to remove what a sign-out has left.
    store_at: Option<Moment>,
    /// The last intent could not be written.
    intent_unwritten: bool,
    /// The store has just been used for a secret that could be kept in a better one.
    may_climb: bool,
    waiters: Vec<Waiter>,
    running: Option<JoinHandle<JobDone>>,
    /// The running job is a sign-out.
    signing_out: bool,
    /// Commands that wait until no job runs.
    queued: VecDeque<Command>,
    /// The agent is stopping: no job is started any more.
    draining: bool,
    /// The profile was called otherwise when this worker began.
    renamed: bool,
    /// Those to tell when no job runs.
    drained: Vec<oneshot::Sender<()>>,
    view: watch::Sender<Arc<View>>,
    /// The view is out of date.
    changed: bool,
    /// What the view says of it.
    at_work: bool,
}

impl Worker {
    /// Restores the session from its record. Boxed, since the task would hold it three times: as it was begun, as it is
    /// about to run, and as it runs.
    pub(crate) fn new(
        called: Arc<Mutex<ProfileName>>,
        shared: Arc<Shared>,
        turn: Arc<Semaphore>,
        view: watch::Sender<Arc<View>>,
    ) -> Box<Self> {
        let name = lock(&called).clone();
        let generation = Generation::default();
        let record = shared.state.record(&name);
        let session = restore(record.as_deref(), generation.advance(), shared.now());
        let mut worker = Box::new(Self {
            name,
            called,
            session,
            generation,
            record: record.unwrap_or_default(),
            shared,
            turn,
            refresh: None,
            refresh_is_own: false,
            unsaved: None,
            store_at: None,
            intent_unwritten: false,
            may_climb: false,
            waiters: Vec::new(),
            running: None,
            signing_out: false,
            queued: VecDeque::new(),
            draining: false,
            renamed: false,
            drained: Vec::new(),
            view,
            changed: true,
            at_work: false,
        });
        // Before anybody has a handle: otherwise a caller could see "signed out" although a session is there.
        worker.publish();
        worker
    }

    /// Runs until every handle is dropped and no job runs.
    pub(crate) async fn run(mut self: Box<Self>, commands: &mut Inbox) {
        self.finish_sign_out();
        self.publish();
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.on_command(*command),
                    None if self.running.is_none() => return,
                    None => {
                        let done = ended(&mut self.running).await;
                        self.running = None;
                        self.on_done(done);
                    }
                },
                done = ended(&mut self.running) => {
                    self.running = None;
                    self.changed = true;
                    self.on_done(done);
                }
            }
            self.proceed();
            self.publish();
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Token(ask, until, reply) => self.on_request(Waiter { ask, until, reply }),
            Command::Tick => self.on_tick(),
            Command::SignOut(revoke_fixed, reply) if !self.signing_out => self.sign_out(revoke_fixed, reply),
            Command::Drain(reply) => self.drain(reply),
            #[cfg(test)]
            Command::Panic => panic!("asked to"),
            Command::Retire(reply) => self.retire(reply),
            later @ (Command::Install(..)
            | Command::Adopt(..)
            | Command::SignOut(..)
            | Command::Choose(..)
            | Command::Rename(..)) => {
                self.queued.push_back(later);
            }
        }
    }

    /// If no job runs, starts the next queued command, or reports that the worker is drained.
    fn proceed(&mut self) {
        if self.running.is_some() {
            return;
        }
        match self.queued.pop_front() {
            Some(Command::Install(login, reply)) => self.install(*login, reply),
            Some(Command::Adopt(there, reply)) => self.adopt(*there, reply),
            Some(Command::Choose(choice, generation, reply)) => self.choose(choice, generation, reply),
            Some(Command::Rename(to, reply)) => self.rename(to, reply),
            Some(other) => self.on_command(other),
            None if self.climb() => {}
            None => self.drained.drain(..).for_each(|reply| {
                let _ = reply.send(());
            }),
        }
    }

    /// Starts to move the secret up the ladder again, if it is time.
    fn climb(&mut self) -> bool {
        let asked = std::mem::take(&mut self.may_climb) && !self.draining && self.unsaved.is_none();
        let climb = asked.then(|| Climb::of(&self.name, &self.record, self.generation.take(), &self.shared));
        self.running = climb.flatten().map(|climb| {
            tokio::spawn(async move {
                climb.run().await;
                JobDone::Climbed
            })
        });
        self.running.is_some()
    }

    /// Starts no more jobs, except one that offers the store a secret that the stop would lose.
    fn drain(&mut self, reply: oneshot::Sender<()>) {
        self.draining = true;
        self.drained.push(reply);
        self.wake_waiters();
        let now = self.shared.now();
        self.store_at = self.unsaved.as_ref().map(|_| now);
        self.ask_store_again(now);
    }

    fn on_request(&mut self, mut waiter: Waiter) {
        if waiter.reply.is_closed() {
            return;
        }
        let now = self.shared.now();
        waiter.ask.patience = now.until(waiter.until);
        // A report may withhold the token, which the status shows, even where the caller is refused at once.
        self.changed |= waiter.ask.rejected.is_some();
        match self.session.on_request(now, &waiter.ask) {
            Decision::Answer(start) => {
                let _ = waiter.reply.send(self.answer(now));
                self.start(start);
            }
            Decision::Wait(_) if self.draining && self.running.is_none() => {
                let _ = waiter.reply.send(Err(AgentError::stopping()));
            }
            Decision::Wait(start) => {
                self.changed = true;
                self.waiters.push(waiter);
                self.start(start);
            }
            Decision::Refuse(refusal) => {
                let _ = waiter.reply.send(Err(refused(refusal, &self.name, &self.record.profile.authority)));
            }
        }
    }

    fn answer(&self, now: Moment) -> Result<Served, AgentError> {
        match self.session.servable(now) {
            Some(held) => Ok(Served {
                held: Arc::clone(held),
                record: Arc::clone(&self.record),
                failing: self.session.failure().is_some() || *self.session.standing() != Standing::SignedIn,
                remaining: held.remaining(now),
            }),
            None => Err(AgentError::internal("a token was decided on that may not be served")),
        }
    }

    fn on_tick(&mut self) {
        let now = self.shared.now();
        self.waiters.retain(|waiter| !waiter.reply.is_closed());
        let before = self.session.standing().clone();
        let due = self.session.on_tick(now, self.waiting());
        self.changed |= *self.session.standing() != before;
        self.start(due);
        self.ask_store_again(now);
    }

    fn waiting(&self) -> Waiting {
        if self.waiters.is_empty() {
            return Waiting::Nobody;
        }
        let all_tried = self.waiters.iter().all(|waiter| waiter.ask.tried);
        if all_tried { Waiting::Tried } else { Waiting::New }
    }

    /// Asks the session again about every waiting caller.
    fn wake_waiters(&mut self) {
        for waiter in std::mem::take(&mut self.waiters) {
            self.on_request(waiter);
        }
    }

    /// The only place that starts a renewal.
    fn start(&mut self, job: Option<Job>) {
        let Some(job) = job.filter(|_| self.running.is_none() && !self.draining) else { return };
        self.session.started(job);
        self.changed = true;
        self.waiters.iter_mut().for_each(|waiter| waiter.ask.tried = true);
        let renewal = RenewalJob {
            name: self.name.clone(),
            profile: self.record.profile.clone(),
            subject: self.record.account.as_ref().map(|account| account.subject.clone()).unwrap_or_default(),
            issuer: self.issuer(),
            shared: Arc::clone(&self.shared),
            refresh: self.refresh.clone(),
            is_own: self.refresh_is_own && self.refresh.is_some(),
            place: self.record.store,
            unsaved: self.unsaved.is_some(),
            intent: self.record.intent.clone().filter(|_| self.refresh.is_none()),
            generation: self.generation.take(),
            turn: Arc::clone(&self.turn),
        };
        let held = self.session.held().map(|held| held.token.clone());
        self.running = Some(spawn(job, renewal, held));
    }

    /// Asks the store again, if it is time, to save the secret that it refused or to remove one that has to go.
    fn ask_store_again(&mut self, now: Moment) {
        if self.running.is_some() || !self.store_at.is_some_and(|at| now.reached(at)) {
            return;
        }
        self.changed = true;
        self.store_at = None;
        let Some(unsaved) = &self.unsaved else { return self.finish_sign_out() };
        let (name, secret, generation) = (self.name.clone(), unsaved.secret.clone(), self.generation.take());
        let shared = Arc::clone(&self.shared);
        self.running = Some(spawn_save(name, secret, self.record.store, generation, shared));
    }

    fn set_unsaved(&mut self, now: Moment, unsaved: Option<Unsaved>) {
        self.store_at = unsaved.as_ref().map(|_| now.plus(STORE_AGAIN));
        self.unsaved = unsaved;
    }

    fn on_done(&mut self, done: Result<JobDone, JoinError>) {
        let now = self.shared.now();
        self.signing_out = false;
        match done {
            Ok(JobDone::Token(outcome, kept)) => self.on_token_job(now, outcome, *kept),
            Ok(JobDone::Installed(installed, reply)) => self.on_installed(*installed, reply),
            Ok(JobDone::Saved(Ok(()))) => {
                self.set_unsaved(now, None);
                self.read_record();
            }
            Ok(JobDone::Saved(Err(_))) => self.store_at = Some(now.plus(STORE_AGAIN)),
            Ok(JobDone::Overtaken) => {}
            Ok(JobDone::Climbed) => {
                self.read_record();
            }
            Ok(JobDone::Adopted(adopted, reply)) => {
                let _ = reply.send(adopted.map(|record| self.on_adopted(*record)));
            }
            Ok(JobDone::Chosen(written, reply)) => self.on_chosen(written, reply),
            Ok(JobDone::Renamed(to, result, reply)) => self.on_renamed(to, result, reply),
            Ok(JobDone::SignedOut(result, reply)) => {
                self.read_record();
                self.store_at = self.record.store.map(|_| now.plus(STORE_AGAIN));
                let _ = reply.send(result);
            }
            Err(panic) => {
                error!(profile = %self.name, %panic, "a job failed");
                let outcome = JobOutcome::Broken("the agent failed; see its log".into());
                self.session.on_outcome(now, outcome, jitter());
            }
        }
        self.wake_waiters();
    }

    fn on_token_job(&mut self, now: Moment, outcome: JobOutcome, kept: Learned) {
        if let Some(stale) = kept.stale {
            // The session was signed out in the meantime, and the sign-out did not wait for this renewal.
            self.shared.pending.revoke(&self.name, self.issuer(), stale);
            return;
        }
        let ended = matches!(
            outcome,
            JobOutcome::Renewed(Outcome::Rejected(_)) | JobOutcome::Checked(Check::Refused)
        );
        if let JobOutcome::Renewed(Outcome::Granted(_)) = outcome {
            info!(profile = %self.name, "renewed");
            self.set_unsaved(now, kept.unsaved);
            // Every waiting caller gets this token, however long it lives: another renewal would not give more.
            self.waiters.iter_mut().for_each(|waiter| waiter.ask.min_valid = Duration::ZERO);
        }
        // The renewal that has met a failure is not the one that looks whether it is over.
        let is_down = self.record.fallback.is_some() || self.record.left_in.is_some();
        let succeeded = matches!(outcome, JobOutcome::Renewed(Outcome::Granted(_)) | JobOutcome::Loaded(_));
        self.may_climb = is_down && succeeded;
        if kept.refresh.is_some() {
            (self.refresh, self.refresh_is_own) = (kept.refresh, kept.is_own);
        }
        self.intent_unwritten = kept.intent_unwritten;
        self.session.on_outcome(now, outcome, jitter());
        if ended {
            self.record_end();
        }
        self.read_record();
    }

    /// Takes over what a job has recorded.
    fn read_record(&mut self) {
        self.record = self.shared.state.record(&self.name).unwrap_or_default();
    }

    /// Records that the session has ended, so that a restart knows it. The secret stays in its store until a
    /// login or a sign-out.
    fn record_end(&self) {
        let Standing::Expired(why) = self.session.standing().clone() else { return };
        info!(profile = %self.name, why, "the session has ended at the provider");
        let (name, state) = (self.name.clone(), self.shared.state.clone());
        let generation = self.generation.take();
        tokio::spawn(async move {
            let ended = generation.guarded(move |record: &mut Record| record.ended = Some(why));
            // Not `update`, which would bring a name back that a change of name has just freed.
            state
                .change(|sessions| sessions.profiles.get_mut(&name).map(Arc::make_mut).map_or((), ended))
                .await
        });
    }

    fn install(&mut self, login: Login, reply: oneshot::Sender<Vec<String>>) {
        if login.generation != self.session.generation() {
            return give_back(&self.name, &login, &self.shared);
        }
        let former = Former {
            record: self.shared.state.record(&self.name),
            refresh: self.refresh.clone(),
            issuer: Some(self.issuer()),
        };
        let (name, shared) = (self.name.clone(), Arc::clone(&self.shared));
        let generation = self.generation.take();
        self.running = Some(tokio::spawn(async move {
            match install(&name, login, former, generation, &shared).await {
                Some(installed) => JobDone::Installed(Box::new(installed), reply),
                None => JobDone::Overtaken,
            }
        }));
    }

    fn on_installed(&mut self, installed: Installed, reply: oneshot::Sender<Vec<String>>) {
        info!(profile = %self.name, "signed in");
        self.session = Session::begin(self.generation.advance(), installed.beginning);
        self.record = Arc::new(installed.record);
        (self.refresh, self.refresh_is_own) = (installed.refresh, true);
        self.set_unsaved(self.shared.now(), installed.unsaved);
        // Before the reply: a caller that knows of the login must find it in the view.
        self.publish();
        let _ = reply.send(installed.notes);
    }

    fn adopt(&mut self, there: Elsewhere, reply: oneshot::Sender<Result<(), AgentError>>) {
        if *self.session.standing() == Standing::SignedIn {
            let _ = reply.send(Err(AgentError::signed_in_here(&self.name)));
            return;
        }
        let (name, shared) = (self.name.clone(), Arc::clone(&self.shared));
        let generation = self.generation.take();
        self.running = Some(tokio::spawn(async move {
            JobDone::Adopted(adopt(&name, &there, &generation, &shared).await.map(Box::new), reply)
        }));
    }

    fn on_adopted(&mut self, record: Record) {
        self.session = restore(Some(&record), self.generation.advance(), self.shared.now());
        (self.record, self.refresh) = (Arc::new(record), None);
        self.set_unsaved(self.shared.now(), None);
        // Before the reply, as after a login.
        self.publish();
    }

    /// Stops serving at once and starts a job for the rest.
    fn sign_out(&mut self, revoke_fixed: bool, reply: oneshot::Sender<SignedOut>) {
        // This comes first: from here on no earlier job can change the record.
        let generation = self.generation.advance();
        let job = self.removal(revoke_fixed);
        self.session = Session::signed_out(generation);
        self.changed = true;
        self.set_unsaved(self.shared.now(), None);
        for command in std::mem::take(&mut self.queued) {
            if let Command::Install(login, _) = command {
                give_back(&self.name, &login, &self.shared);
            }
        }
        self.wake_waiters();
        self.run_removal(job, reply);
    }

    /// Continues a sign-out that has left a secret behind because the agent was interrupted or the keychain was
    /// locked. Does not touch a login that has begun since.
    fn finish_sign_out(&mut self) {
        if self.record.signed_out && self.record.store.is_some() {
            debug!(profile = %self.name, "going on with a sign-out");
            let job = self.removal(false);
            self.run_removal(job, oneshot::channel().0);
        }
    }

    fn removal(&mut self, revoke_fixed: bool) -> SignOut {
        let running = self.running.take();
        SignOut {
            name: self.name.clone(),
            record: self.shared.state.record(&self.name),
            issuer: self.issuer(),
            shared: Arc::clone(&self.shared),
            refresh: self.refresh.take(),
            access: self.session.held().map(|held| held.token.clone()),
            revoke_fixed,
            running: running.map(|job| tokio::spawn(brought(job, Arc::clone(&self.shared)))),
            _way: self.shared.passwords.hold(),
        }
    }

    fn run_removal(&mut self, job: SignOut, reply: oneshot::Sender<SignedOut>) {
        self.signing_out = true;
        self.running = Some(tokio::spawn(async move { JobDone::SignedOut(job.run().await, reply) }));
    }

    /// Starts writing a choice for the session of `generation`. Runs as a job like everything that changes the
    /// record, so that it cannot undo what a renewal writes.
    fn choose(&mut self, choice: Choice, generation: u64, reply: oneshot::Sender<Result<(), AgentError>>) {
        let refusal = match self.session.standing() {
            Standing::SignedOut => Some(AgentError::signed_out(&self.name)),
            _ if generation != self.session.generation() => Some(overtaken()),
            Standing::SignedIn | Standing::Expired(_) => None,
        };
        if let Some(refusal) = refusal {
            let _ = reply.send(Err(refusal));
            return;
        }
        let (name, state) = (self.name.clone(), self.shared.state.clone());
        let generation = self.generation.take();
        self.running = Some(tokio::spawn(async move {
            let change = generation.guarded(|record: &mut Record| choice.apply(record));
            JobDone::Chosen(state.update(&name, change).await, reply)
        }));
    }

    fn on_chosen(&mut self, written: Result<(), StateError>, reply: oneshot::Sender<Result<(), AgentError>>) {
        self.read_record();
        // Before the reply: a caller that knows of the choice must find it in the view.
        self.publish();
        let _ = reply.send(written.map_err(|error| AgentError::not_durable(&error)));
    }

    fn issuer(&self) -> Arc<dyn Issuer> {
        self.shared.issuers.issuer(&self.record.profile, self.record.kind)
    }

    /// Publishes the view if it has changed. An answer from memory changes nothing, so most requests skip this.
    fn publish(&mut self) {
        let at_work = self.running.is_some();
        let is_new = self.at_work != at_work;
        if !std::mem::take(&mut self.changed) && !is_new {
            return;
        }
        self.at_work = at_work;
        let mut view = View::of(&self.session, &self.record, self.waiting());
        view.unsaved = self.unsaved.as_ref().map(|unsaved| unsaved.why.clone());
        view.intent_unwritten = self.intent_unwritten;
        view.renamed = self.renamed.then(|| self.name.clone());
        view.at_work = at_work;
        if self.running.is_none() {
            view.due = [view.due, self.store_at].into_iter().flatten().min_by_key(|due| due.mono);
        }
        self.view.send_replace(Arc::new(view));
        self.shared.due_changed.notify_one();
    }
}

/// Waits for the running job, and for ever if none runs.
async fn ended(running: &mut Option<JoinHandle<JobDone>>) -> Result<JobDone, JoinError> {
    match running {
        Some(job) => job.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
