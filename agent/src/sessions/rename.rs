//! Gives a profile another name without ending its session. The secret is copied to the new name, then one change
//! of the records moves everything, then the copy of the old name goes. A note on the disk says what is under way:
//! whenever the agent dies, the next start knows which of two equal secrets the records are about, and removes the
//! other one ([Names](crate::manual::sessions#names)).

use std::sync::Arc;

use tracing::{info, warn};

use crate::error::{AgentError, ErrorKind};
use crate::profile::ProfileName;
use crate::sessions::shared::Shared;
use crate::storage::record::{Rename, Sessions};
use crate::storage::state::StateError;
use crate::storage::store::{StoreError, StoreKind};

/// A change of name that the worker of the profile runs as a job, so that no renewal moves the secret meanwhile.
pub(crate) struct RenameJob {
    pub from: ProfileName,
    pub to: ProfileName,
    /// The store that has the secret, if there is one.
    pub place: Option<StoreKind>,
    pub shared: Arc<Shared>,
}

impl RenameJob {
    /// Runs to its end.
    ///
    /// # Errors
    /// The profile still has its old name, and only that.
    pub(crate) async fn run(self) -> Result<(), AgentError> {
        let Self { from, to, place, shared } = &self;
        let nothing = "nothing was changed; look at the configuration folder, then try again";
        shared
            .ownership
            .may_spend()
            .await
            .map_err(|why| AgentError::new(ErrorKind::StoreFailed, why, nothing))?;
        self.note(Some(Rename { to: to.clone(), unfinished: true }))
            .await
            .map_err(|error| unwritten(&error))?;
        (shared.crash)("rename-noted");
        if let Some(kind) = *place
            && let Err(error) = shared.ladder.copy(from, to, kind).await
        {
            self.undo().await;
            return Err(not_copied(&error));
        }
        (shared.crash)("rename-copied");
        if let Err(error) = shared.state.change(|sessions| move_records(sessions, from, to)).await {
            // Which of the two states is on the disk is not known, so that only a written way back tells which
            // secret may go.
            if shared.state.change(|sessions| move_records(sessions, to, from)).await.is_ok() {
                self.undo().await;
            }
            return Err(unwritten(&error));
        }
        (shared.crash)("rename-recorded");
        info!(profile = %to, was = %from, "renamed");
        finish_one(from, to, shared).await;
        Ok(())
    }

    /// Removes the copy and the note.
    async fn undo(&self) {
        let removed = match self.place {
            Some(kind) => self.shared.ladder.remove(&self.to, kind).await.map(drop),
            None => Ok(()),
        };
        // Otherwise the next start does it.
        if removed.is_ok() {
            let _ = self.note(None).await;
        }
    }

    async fn note(&self, rename: Option<Rename>) -> Result<(), StateError> {
        note(&self.from, rename, &self.shared).await
    }
}

async fn note(from: &ProfileName, rename: Option<Rename>, shared: &Shared) -> Result<(), StateError> {
    let name = from.clone();
    let change = |sessions: &mut Sessions| match rename {
        Some(rename) => drop(sessions.renames.insert(name, rename)),
        None => drop(sessions.renames.remove(&name)),
    };
    shared.state.change(change).await
}

/// Moves everything that the records have under one name to another one.
fn move_records(sessions: &mut Sessions, from: &ProfileName, to: &ProfileName) {
    if let Some(record) = sessions.profiles.remove(from) {
        sessions.profiles.insert(to.clone(), record);
    }
    if sessions.default_profile.as_ref() == Some(from) {
        sessions.default_profile = Some(to.clone());
    }
    let leases = sessions.leases.values_mut().filter(|lease| lease.profile == *from);
    leases.for_each(|lease| lease.profile = to.clone());
    // Whoever still knows an earlier name is led to the present one.
    let earlier = sessions.renames.iter_mut().filter(|(name, rename)| *name != from && rename.to == *from);
    earlier.for_each(|(_, rename)| rename.to = to.clone());
    sessions.renames.remove(to);
    sessions.gone.remove(to);
    sessions.gone.insert(from.clone());
}

/// Ends every change of name that an earlier agent has left unfinished. Before anybody is served: a secret that is
/// about to go must not be used.
pub(crate) async fn finish(shared: &Shared) {
    let sessions = shared.state.snapshot();
    let unfinished: Vec<_> = sessions.renames.iter().filter(|(_, rename)| rename.unfinished).collect();
    if unfinished.is_empty() {
        return;
    }
    if let Err(why) = shared.ownership.may_spend().await {
        return warn!(why, "changes of names are left as they are");
    }
    for (from, Rename { to, .. }) in unfinished {
        finish_one(from, to, shared).await;
    }
}

/// Removes the secret that no record is about. If it cannot be removed now, the next start tries again.
async fn finish_one(from: &ProfileName, to: &ProfileName, shared: &Shared) {
    let sessions = shared.state.snapshot();
    let (old, new) = (sessions.profiles.get(from), sessions.profiles.get(to));
    let (spare, record) = match (old, new) {
        (None, Some(record)) => (from, record),
        (Some(record), None) => (to, record),
        // Somebody has signed in under the other name since, and replaced what was there.
        _ => return drop(note(from, None, shared).await),
    };
    let is_done = spare == from;
    if let Some(kind) = record.store
        && let Err(error) = shared.ladder.remove(spare, kind).await
    {
        return warn!(profile = %spare, %error, "a secret that has another name now could not be removed");
    }
    let settled = is_done.then(|| Rename { to: to.clone(), unfinished: false });
    let left = is_done.then(|| from.clone());
    let forgotten = shared.state.change(|sessions| sessions.gone.extend(left)).await;
    if let Err(error) = forgotten.and(note(from, settled, shared).await) {
        warn!(profile = %from, %error, "the end of a change of name could not be recorded");
    }
}

fn not_copied(error: &StoreError) -> AgentError {
    let (kind, hint) = match error {
        StoreError::Locked(_) => (ErrorKind::KeychainLocked, "unlock the keychain, then try again"),
        StoreError::OtherHost(_) => (ErrorKind::OtherHost, "rename it on that host"),
        _ => (ErrorKind::StoreFailed, "nothing was changed; 'seqera agent doctor' looks at the stores"),
    };
    AgentError::new(kind, format!("the secret could not be given the new name: {error}"), hint)
}

/// The records could not be written.
pub(crate) fn unwritten(error: &StateError) -> AgentError {
    let hint = "nothing was changed; 'seqera agent status' says what is wrong with the configuration folder";
    AgentError::new(ErrorKind::StoreFailed, format!("the records could not be written: {error}"), hint)
}

#[cfg(test)]
mod tests;
