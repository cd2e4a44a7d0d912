//! What a worker does when a job of its own has ended, and with a secret that the store refused.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinError;
use tracing::{error, info};

use super::Worker;
use crate::backoff::jitter;
use crate::clock::Moment;
use crate::outcome::Outcome;
use crate::providers::Check;
use crate::sessions::jobs::{JobDone, spawn_save};
use crate::sessions::renewal::{Kept, Unsaved};
use crate::sessions::verdict::{JobOutcome, Standing};
use crate::storage::record::Record;

/// Between two attempts to have the store do what it refused.
const STORE_AGAIN: Duration = Duration::from_secs(30);

impl Worker {
    pub(super) fn on_done(&mut self, done: Result<JobDone, JoinError>) {
        let now = self.shared.now();
        self.signing_out = false;
        match done {
            Ok(JobDone::Token(outcome, kept)) => self.on_token_job(now, outcome, *kept),
            Ok(JobDone::Installed(installed, reply)) => self.on_installed(*installed, reply),
            Ok(JobDone::Saved(Ok(()))) => {
                self.set_unsaved(now, None);
                self.record = Arc::new(self.shared.state.record(&self.name).unwrap_or_default());
            }
            Ok(JobDone::Saved(Err(_))) => self.store_at = Some(now.plus(STORE_AGAIN)),
            Ok(JobDone::Overtaken) => {}
            Ok(JobDone::Chosen(written, reply)) => self.on_chosen(written, reply),
            Ok(JobDone::SignedOut(result, reply)) => {
                self.record = Arc::new(self.shared.state.record(&self.name).unwrap_or_default());
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

    fn on_token_job(&mut self, now: Moment, outcome: JobOutcome, kept: Kept) {
        if let Some(stale) = kept.stale {
            // Signed out meanwhile, and the sign-out did not wait for it.
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
            // Whoever waited gets the result, however long it lives: a second renewal would give no more.
            self.waiters.iter_mut().for_each(|waiter| waiter.ask.min_valid = Duration::ZERO);
        }
        self.refresh = kept.refresh.or(self.refresh.take());
        self.intent_unwritten = kept.intent_unwritten;
        self.session.on_outcome(now, outcome, jitter());
        if ended {
            self.record_end();
        }
        self.record = Arc::new(self.shared.state.record(&self.name).unwrap_or_default());
    }

    /// The end survives a restart; the secret stays where it is until a login or a logout.
    fn record_end(&self) {
        let Standing::Expired(why) = self.session.standing().clone() else { return };
        info!(profile = %self.name, why, "the session has ended at the provider");
        let (name, state) = (self.name.clone(), self.shared.state.clone());
        let generation = self.generation.take();
        let ended = move |record: &mut Record| record.ended = Some(why);
        tokio::spawn(async move { state.update(&name, generation.guarded(ended)).await });
    }

    /// The store refused to take a secret, or to give one up that has to go.
    pub(super) fn ask_store_again(&mut self, now: Moment) {
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

    pub(super) fn set_unsaved(&mut self, now: Moment, unsaved: Option<Unsaved>) {
        self.store_at = unsaved.as_ref().map(|_| now.plus(STORE_AGAIN));
        self.unsaved = unsaved;
    }
}
