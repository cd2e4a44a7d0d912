//! The worker of a profile that gets another name, or has gone.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::Worker;
use crate::error::{AgentError, ErrorKind};
use crate::lock::lock;
use crate::profile::ProfileName;
use crate::sessions::handle::Command;
use crate::sessions::install::give_back;
use crate::sessions::jobs::JobDone;
use crate::sessions::rename::RenameJob;
use crate::sessions::session::Session;

impl Worker {
    /// Starts giving the profile another name. What is in memory stays as it is, and is served meanwhile.
    pub(super) fn rename(&mut self, to: ProfileName, reply: oneshot::Sender<Result<(), AgentError>>) {
        if let Some(refusal) = self.not_renamed_now() {
            let _ = reply.send(Err(refusal));
            return;
        }
        let (from, place) = (self.name.clone(), self.record.store);
        let job = RenameJob { from, to: to.clone(), place, shared: Arc::clone(&self.shared) };
        self.running = Some(tokio::spawn(async move { JobDone::Renamed(to, job.run().await, reply) }));
    }

    fn not_renamed_now(&self) -> Option<AgentError> {
        let refused = |kind, what: &str| {
            let message = format!("profile '{}' cannot be renamed now: {what}", self.name);
            Some(AgentError::new(kind, message, "'seqera status' says more; try again later"))
        };
        match () {
            () if self.draining => Some(AgentError::stopping()),
            () if self.unsaved.is_some() => {
                refused(ErrorKind::StoreFailed, "its secret is only in memory, until it can be stored")
            }
            () if self.record.signed_out && self.record.store.is_some() => {
                refused(ErrorKind::KeychainLocked, "what its sign-out has left could not be removed yet")
            }
            () => None,
        }
    }

    pub(super) fn on_renamed(
        &mut self,
        to: ProfileName,
        result: Result<(), AgentError>,
        reply: oneshot::Sender<Result<(), AgentError>>,
    ) {
        if result.is_ok() {
            lock(&self.called).clone_from(&to);
            self.name = to;
            self.renamed = true;
        }
        self.read_record();
        // Before the reply: a caller that knows of the name must find it in the view.
        self.changed = true;
        self.publish();
        let _ = reply.send(result);
    }

    /// The profile has gone, or another worker has it: a login that began before must not bring it back.
    pub(super) fn retire(&mut self, reply: oneshot::Sender<()>) {
        self.session = Session::signed_out(self.generation.advance());
        self.record = Arc::default();
        self.changed = true;
        for command in std::mem::take(&mut self.queued) {
            if let Command::Install(login, _) = command {
                give_back(&self.name, &login, &self.shared);
            }
        }
        self.wake_waiters();
        let _ = reply.send(());
    }
}
