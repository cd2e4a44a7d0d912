//! The jobs that a worker runs as tasks, one at a time, and their results.

use std::sync::Arc;

use secrecy::ExposeSecret;
use seqera_agent_proto::place::token_sha256;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::warn;

use crate::clock::unix;
use crate::error::AgentError;
use crate::outcome::Outcome;
use crate::profile::ProfileName;
use crate::providers::Revocable;
use crate::sessions::install::Installed;
use crate::sessions::renewal::{Generation, Learned, RenewalJob};
use crate::sessions::secrets::load_fixed;
use crate::sessions::shared::Shared;
use crate::sessions::sign_out::{Brought, SignedOut};
use crate::sessions::verdict::{Job, JobOutcome};
use crate::storage::ladder::Kept;
use crate::storage::record::Record;
use crate::storage::state::StateError;
use crate::storage::store::{Patience, StoreKind, Stored};
use crate::token::AccessToken;

/// The result of a job, with the caller to answer.
pub(crate) enum JobDone {
    /// A renewal, a load or a check has ended.
    Token(JobOutcome, Box<Learned>),
    /// A login is installed.
    Installed(Box<Installed>, oneshot::Sender<Vec<String>>),
    /// A sign-out came before the login was installed; nothing is left of the login.
    Overtaken,
    /// A secret that the store had refused was offered to it again.
    Saved(Result<(), String>),
    /// A secret was offered to a better store.
    Climbed,
    /// A session was taken over from another host, or could not be.
    Adopted(Result<Box<Record>, AgentError>, oneshot::Sender<Result<(), AgentError>>),
    /// A sign-out has ended.
    SignedOut(SignedOut, oneshot::Sender<SignedOut>),
    /// A choice was written to the record, or could not be.
    Chosen(Result<(), StateError>, oneshot::Sender<Result<(), AgentError>>),
    /// The profile has another name, or could not get it.
    Renamed(ProfileName, Result<(), AgentError>, oneshot::Sender<Result<(), AgentError>>),
}

impl JobDone {
    /// The tokens to revoke if the session has ended while the job ran.
    fn into_revocable(self) -> Option<Revocable> {
        match self {
            Self::Token(JobOutcome::Renewed(Outcome::Granted(fresh)), kept) => {
                let access = fresh.access.ok().map(|access| access.token);
                Some(Revocable { refresh: kept.refresh, access })
            }
            Self::Token(_, kept) => kept.stale,
            Self::Installed(installed, _) => {
                let access = installed.beginning.held.map(|held| held.token);
                Some(Revocable { refresh: installed.refresh, access })
            }
            Self::Overtaken
            | Self::SignedOut(..)
            | Self::Saved(_)
            | Self::Climbed
            | Self::Adopted(..)
            | Self::Chosen(..)
            | Self::Renamed(..) => None,
        }
    }
}

/// Waits for a running job and returns the tokens that it obtained, for the sign-out that has overtaken it.
pub(crate) async fn brought(running: JoinHandle<JobDone>, shared: Arc<Shared>) -> Brought {
    let Ok(done) = running.await else { return Brought::default() };
    let issuer = match &done {
        JobDone::Installed(installed, _) => {
            Some(shared.issuers.issuer(&installed.record.profile, installed.record.kind))
        }
        _ => None,
    };
    Brought { tokens: done.into_revocable(), issuer }
}

/// Starts a job that obtains or checks a token. `held` is the fixed credential to check.
pub(crate) fn spawn(job: Job, renewal: RenewalJob, held: Option<AccessToken>) -> JoinHandle<JobDone> {
    tokio::spawn(async move {
        // Never fails: nobody closes the semaphore.
        let _turn = Arc::clone(&renewal.turn).acquire_owned().await;
        let (outcome, kept) = match (job, held) {
            (Job::Renew, _) => renewal.run().await,
            (Job::Check, Some(token)) => {
                (JobOutcome::Checked(Arc::clone(&renewal.issuer).check(&token).await), Learned::default())
            }
            (Job::Load | Job::Check, _) => (
                load_fixed(&renewal.name, &renewal.profile, renewal.place, &renewal.shared).await,
                Learned::default(),
            ),
        };
        JobDone::Token(outcome, Box::new(kept))
    })
}

/// Starts a job that offers the store again a secret that it had refused.
pub(crate) fn spawn_save(
    name: ProfileName,
    secret: Stored,
    from: Option<StoreKind>,
    generation: Generation,
    shared: Arc<Shared>,
) -> JoinHandle<JobDone> {
    tokio::spawn(async move {
        let saved = shared.ladder.save(&name, &secret, from, Patience::Background).await;
        let Kept { kind: kept, fell, .. } = match saved {
            Ok(kept) => kept,
            Err(error) => return JobDone::Saved(Err(error.to_string())),
        };
        if generation.is_past() {
            let _ = shared.ladder.remove(&name, kept).await;
            return JobDone::Saved(Err("the session has ended".to_owned()));
        }
        let now = unix(shared.now());
        let sha256 = token_sha256(secret.secret.open().expose_secret());
        let update = generation.guarded(move |record: &mut Record| {
            record.keep_in(kept, sha256);
            if let Some(fell) = fell {
                record.fall(fell, now);
            }
        });
        if let Err(error) = shared.state.update(&name, update).await {
            warn!(profile = %name, %error, "where a secret is kept could not be recorded");
        }
        JobDone::Saved(Ok(()))
    })
}
