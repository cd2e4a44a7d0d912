//! The task that owns the session of one profile. Callers send commands and wait; at most one job that
//! writes (renewal, login, sign-out) runs at a time, and no lock is held across an await.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::clock::Moment;
use crate::error::AgentError;
use crate::profile::ProfileName;
use crate::providers::Issuer;
use crate::sessions::handle::Command;
use crate::sessions::jobs::{JobDone, spawn};
use crate::sessions::renewal::{Generation, RenewalJob, Unsaved};
use crate::sessions::session::Session;
use crate::sessions::shared::Shared;
use crate::sessions::verdict::{Ask, Decision, Job, Standing};
use crate::sessions::view::{Served, View, refused, restore};
use crate::storage::record::Record;
use crate::token::RefreshToken;

mod change;
mod done;

/// A caller that waits for a token.
struct Waiter {
    ask: Ask,
    until: Moment,
    reply: oneshot::Sender<Result<Served, AgentError>>,
}

/// The state of one worker.
pub(crate) struct Worker {
    name: ProfileName,
    shared: Arc<Shared>,
    session: Session,
    generation: Generation,
    record: Arc<Record>,
    turn: Arc<Semaphore>,
    refresh: Option<RefreshToken>,
    unsaved: Option<Unsaved>,
    /// When the store is asked again to take what it refused, or to give up what has to go.
    store_at: Option<Moment>,
    intent_unwritten: bool,
    waiters: Vec<Waiter>,
    running: Option<JoinHandle<JobDone>>,
    /// The job that runs is a sign-out.
    signing_out: bool,
    queued: VecDeque<Command>,
    /// Nothing is started any more.
    draining: bool,
    drained: Vec<oneshot::Sender<()>>,
    view: watch::Sender<Arc<View>>,
    /// The view has to be published anew.
    changed: bool,
}

impl Worker {
    /// A worker for what is recorded of the profile.
    pub(crate) fn new(
        name: ProfileName,
        shared: Arc<Shared>,
        turn: Arc<Semaphore>,
        view: watch::Sender<Arc<View>>,
    ) -> Self {
        let generation = Generation::default();
        let record = shared.state.record(&name);
        let session = restore(record.as_ref(), generation.advance(), shared.now());
        let mut worker = Self {
            name,
            session,
            generation,
            record: Arc::new(record.unwrap_or_default()),
            shared,
            turn,
            refresh: None,
            unsaved: None,
            store_at: None,
            intent_unwritten: false,
            waiters: Vec::new(),
            running: None,
            signing_out: false,
            queued: VecDeque::new(),
            draining: false,
            drained: Vec::new(),
            view,
            changed: true,
        };
        // Before anybody has a handle: nobody shall see a session that is not there yet.
        worker.publish();
        worker
    }

    /// Runs until every handle has gone.
    pub(crate) async fn run(mut self, commands: &mut mpsc::Receiver<Command>) {
        self.finish_sign_out();
        self.publish();
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.on_command(command),
                    None => return,
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
            later @ (Command::Install(..) | Command::SignOut(..) | Command::Choose(..)) => {
                self.queued.push_back(later);
            }
        }
    }

    /// Starts nothing any more, and offers the store once more what would be forgotten.
    fn drain(&mut self, reply: oneshot::Sender<()>) {
        self.draining = true;
        self.drained.push(reply);
        self.wake_waiters();
        let now = self.shared.now();
        self.store_at = self.unsaved.as_ref().map(|_| now);
        self.ask_store_again(now);
    }

    /// Starts what waited for the running job.
    fn proceed(&mut self) {
        if self.running.is_some() {
            return;
        }
        match self.queued.pop_front() {
            Some(Command::Install(login, reply)) => self.install(*login, reply),
            Some(Command::Choose(choice, generation, reply)) => self.choose(choice, generation, reply),
            Some(other) => self.on_command(other),
            None => self.drained.drain(..).for_each(|reply| {
                let _ = reply.send(());
            }),
        }
    }

    fn on_request(&mut self, mut waiter: Waiter) {
        if waiter.reply.is_closed() {
            return;
        }
        let now = self.shared.now();
        waiter.ask.patience = now.until(waiter.until);
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
        let due = self.session.on_tick(now, !self.waiters.is_empty());
        self.changed |= *self.session.standing() != before;
        self.start(due);
        self.ask_store_again(now);
    }

    /// The only place that starts a renewal.
    fn start(&mut self, job: Option<Job>) {
        let Some(job) = job.filter(|_| self.running.is_none() && !self.draining) else { return };
        self.session.started(job);
        self.changed = true;
        let renewal = RenewalJob {
            name: self.name.clone(),
            profile: self.record.profile.clone(),
            subject: self.record.account.as_ref().map(|account| account.subject.clone()).unwrap_or_default(),
            issuer: self.issuer(),
            shared: Arc::clone(&self.shared),
            refresh: self.refresh.clone(),
            place: self.record.store,
            unsaved: self.unsaved.is_some(),
            intent: self.record.intent.clone().filter(|_| self.refresh.is_none()),
            generation: self.generation.take(),
            turn: Arc::clone(&self.turn),
        };
        let held = self.session.held().map(|held| held.token.clone());
        self.running = Some(spawn(job, renewal, held));
    }

    /// Asks about every waiting caller again.
    fn wake_waiters(&mut self) {
        for waiter in std::mem::take(&mut self.waiters) {
            self.on_request(waiter);
        }
    }

    fn issuer(&self) -> Arc<dyn Issuer> {
        self.shared.issuers.issuer(&self.record.profile, self.record.kind)
    }

    /// Not after each request: an answer from memory changes nothing.
    fn publish(&mut self) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        let waits = !self.waiters.is_empty();
        let mut view = View::of(&self.session, &self.record, waits);
        view.unsaved = self.unsaved.as_ref().map(|unsaved| unsaved.why.clone());
        view.intent_unwritten = self.intent_unwritten;
        if self.running.is_none() {
            view.due = [view.due, self.store_at].into_iter().flatten().min_by_key(|due| due.mono);
        }
        self.view.send_replace(Arc::new(view));
        self.shared.due_changed.notify_one();
    }
}

/// Waits for the running job; for ever where none runs.
async fn ended(running: &mut Option<JoinHandle<JobDone>>) -> Result<JobDone, tokio::task::JoinError> {
    match running {
        Some(job) => job.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
