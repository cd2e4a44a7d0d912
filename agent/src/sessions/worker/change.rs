//! Logins and sign-outs of a worker: each ends one session and begins the next. And what is chosen in between.

use std::sync::Arc;

use tokio::sync::oneshot;
use tracing::{debug, info};

use super::Worker;
use crate::error::AgentError;
use crate::sessions::choice::Choice;
use crate::sessions::handle::{Command, overtaken};
use crate::sessions::install::{Former, Installed, Login, give_back, install};
use crate::sessions::jobs::{JobDone, brought};
use crate::sessions::session::Session;
use crate::sessions::sign_out::{SignOut, SignedOut};
use crate::sessions::verdict::Standing;
use crate::storage::record::Record;
use crate::storage::state::StateError;

impl Worker {
    pub(super) fn install(&mut self, login: Login, reply: oneshot::Sender<Vec<String>>) {
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

    pub(super) fn on_installed(&mut self, installed: Installed, reply: oneshot::Sender<Vec<String>>) {
        info!(profile = %self.name, "signed in");
        self.session = Session::begin(self.generation.advance(), installed.beginning);
        self.record = Arc::new(installed.record);
        self.refresh = installed.refresh;
        self.set_unsaved(self.shared.now(), installed.unsaved);
        // Whoever is told of the login finds it in place.
        self.publish();
        let _ = reply.send(installed.notes);
    }

    /// A choice for the session of `generation`. Waits its turn like everything that changes the record as a
    /// whole; what a renewal writes is read with it.
    pub(super) fn choose(
        &mut self,
        choice: Choice,
        generation: u64,
        reply: oneshot::Sender<Result<(), AgentError>>,
    ) {
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

    pub(super) fn on_chosen(
        &mut self,
        written: Result<(), StateError>,
        reply: oneshot::Sender<Result<(), AgentError>>,
    ) {
        self.record = Arc::new(self.shared.state.record(&self.name).unwrap_or_default());
        // Whoever is told of the choice finds it in place.
        self.publish();
        let _ = reply.send(written.map_err(|error| AgentError::not_durable(&error)));
    }

    /// Serving stops here and now; the rest is a job.
    pub(super) fn sign_out(&mut self, revoke_fixed: bool, reply: oneshot::Sender<SignedOut>) {
        // First of all: from here on no job of the past changes the record.
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

    /// Goes on with a sign-out that has left a secret behind: the agent was interrupted, or the keychain was
    /// locked. A login that has begun since is not touched.
    pub(super) fn finish_sign_out(&mut self) {
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
        }
    }

    fn run_removal(&mut self, job: SignOut, reply: oneshot::Sender<SignedOut>) {
        self.signing_out = true;
        self.running = Some(tokio::spawn(async move { JobDone::SignedOut(job.run().await, reply) }));
    }
}
