//! What a worker does when a job of its own has ended, and with a secret that the store refused.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinError;
use tracing::{error, info};

use super::Worker;
use crate::clock::Moment;
use crate::install::Installed;
use crate::issuer::Check;
use crate::jobs::{JobDone, spawn_save};
use crate::renewal::{Kept, Unsaved};
use crate::session::Session;
use crate::verdict::{Outcome, Standing, Trouble};

/// Between two attempts to store what the store refused.
const SAVE_AGAIN: Duration = Duration::from_secs(30);

impl Worker {
    pub(super) fn on_done(&mut self, done: Result<JobDone, JoinError>) {
        let now = self.shared.now();
        match done {
            Ok(JobDone::Token(outcome, kept)) => self.on_token_job(now, outcome, *kept),
            Ok(JobDone::Installed(installed, reply)) => self.on_installed(*installed, reply),
            Ok(JobDone::Saved(Ok(()))) => {
                self.set_unsaved(now, None);
                self.record = Arc::new(self.shared.state.record(&self.name).unwrap_or_default());
            }
            Ok(JobDone::Saved(Err(_))) => self.save_at = Some(now.plus(SAVE_AGAIN)),
            Ok(JobDone::SignedOut(result, reply)) => {
                self.record = Arc::new(self.shared.state.record(&self.name).unwrap_or_default());
                let _ = reply.send(result);
            }
            Err(panic) => {
                error!(profile = %self.name, %panic, "a job failed");
                let outcome =
                    Outcome::Failed(Trouble::Transient(None), "the agent failed; see its log".into());
                self.session.on_outcome(now, outcome, self.shared.jitter());
            }
        }
        self.wake_waiters();
    }

    fn on_token_job(&mut self, now: Moment, outcome: Outcome, kept: Kept) {
        if let Some(stale) = kept.stale {
            // Signed out meanwhile, and the sign-out did not wait for it.
            self.shared.pending.revoke(&self.name, self.issuer(), stale);
            return;
        }
        let ended = matches!(outcome, Outcome::Rejected(_) | Outcome::Checked(Check::Refused));
        if let Outcome::Renewed(..) = outcome {
            info!(profile = %self.name, "renewed");
            self.set_unsaved(now, kept.unsaved);
        }
        self.refresh = kept.refresh.or(self.refresh.take());
        self.intent_unwritten = kept.intent_unwritten;
        self.session.on_outcome(now, outcome, self.shared.jitter());
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
        tokio::spawn(async move { state.update(&name, move |record| record.ended = Some(why)).await });
    }

    fn on_installed(&mut self, installed: Installed, reply: oneshot::Sender<Vec<String>>) {
        info!(profile = %self.name, "signed in");
        self.session = Session::begin(self.generation.advance(), installed.beginning);
        self.record = Arc::new(installed.record);
        self.refresh = installed.refresh;
        self.set_unsaved(self.shared.now(), installed.unsaved);
        // Whoever is told of the login finds it in place.
        self.publish();
        let _ = reply.send(installed.notes);
    }

    pub(super) fn save_again(&mut self, now: Moment) {
        let due = self.save_at.is_some_and(|at| now.reached(at)) && self.running.is_none();
        let Some(unsaved) = self.unsaved.as_ref().filter(|_| due) else { return };
        self.changed = true;
        let (name, secret) = (self.name.clone(), unsaved.secret.clone());
        self.running = Some(spawn_save(name, secret, self.record.store, Arc::clone(&self.shared)));
    }

    pub(super) fn set_unsaved(&mut self, now: Moment, unsaved: Option<Unsaved>) {
        self.save_at = unsaved.as_ref().map(|_| now.plus(SAVE_AGAIN));
        self.unsaved = unsaved;
    }
}
