//! `Sessions.Logout`: signs out one profile or all, and reports each outcome as soon as it is known.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use seqera_agent_proto::v1::logout_outcome::Result as Outcome;
use seqera_agent_proto::v1::logout_request::Target;
use seqera_agent_proto::v1::{LogoutOutcome, LogoutRequest};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::error::{AgentError, ErrorKind};
use crate::profile::ProfileName;
use crate::sessions::handle::Handle;
use crate::sessions::registry::Registry;
use crate::sessions::sign_out::{Neighbour, SignedOut, sign_out_elsewhere};
use crate::sessions::verdict::Standing;
use crate::storage::record::Record;
use crate::storage::store::StoreError;

/// The outcomes, one for each profile.
pub(crate) type Outcomes = Pin<Box<dyn Stream<Item = Result<LogoutOutcome, Status>> + Send>>;

/// Signs out. The sign-out goes on if the client hangs up.
///
/// # Errors
/// If the profile is unknown, or `IN_USE` if programs still use its leases and `force` is not set.
pub(crate) async fn logout(registry: &Arc<Registry>, asked: LogoutRequest) -> Result<Outcomes, AgentError> {
    let all = matches!(asked.target, Some(Target::All(true)));
    let (names, unsearched) = match asked.target {
        Some(Target::All(true)) => everything(registry).await,
        Some(Target::Profile(name)) => (one(registry, &name)?, Vec::new()),
        Some(Target::All(false)) | None => (one(registry, "")?, Vec::new()),
    };
    if !asked.force {
        refuse_in_use(registry, &names)?;
    }
    let (outcomes, stream) = mpsc::channel((names.len() + unsearched.len()).max(1));
    for why in unsearched {
        let result = Outcome::NotSearched.into();
        let _ = outcomes.try_send(Ok(LogoutOutcome { result, detail: why, ..LogoutOutcome::default() }));
    }
    for name in names {
        let (registry, outcomes) = (Arc::clone(registry), outcomes.clone());
        tokio::spawn(async move {
            registry.logins.cancel(&name);
            let result = registry.ensure(&name).sign_out(asked.revoke).await;
            let _ = outcomes.send(result.map(|result| outcome(&name, result)).map_err(Status::from)).await;
        });
    }
    if all {
        tokio::spawn(other_hosts(Arc::clone(registry), outcomes));
    }
    Ok(Box::pin(ReceiverStream::new(stream)))
}

/// Refuses to sign out while leases are in use: the programs would lose their tokens without warning.
fn refuse_in_use(registry: &Registry, names: &BTreeSet<ProfileName>) -> Result<(), AgentError> {
    let count: usize = names.iter().map(|name| registry.shared.leases.book.in_use(Some(name)).len()).sum();
    if count == 0 {
        return Ok(());
    }
    let what = match count {
        1 => "a program holds a token that ends with this session".to_owned(),
        _ => format!("{count} programs hold tokens that end with this session"),
    };
    let hint = "'seqera agent leases' shows them; '--force' signs out all the same";
    Err(AgentError::new(ErrorKind::InUse, what, hint))
}

/// Signs out the sessions that other hosts keep in files in the same home folder.
async fn other_hosts(registry: Arc<Registry>, outcomes: mpsc::Sender<Result<LogoutOutcome, Status>>) {
    let shared = &registry.shared;
    for neighbour in
        sign_out_elsewhere(&shared.places, &shared.state, &*shared.issuers, &shared.pending).await
    {
        let Neighbour { profile, host, result } = neighbour;
        let left = LogoutOutcome { result: Outcome::OtherHost.into(), ..LogoutOutcome::default() };
        let found = result.map_or(left, |result| outcome(&profile, result));
        let _ = outcomes.send(Ok(LogoutOutcome { profile: profile.to_string(), host, ..found })).await;
    }
}

fn one(registry: &Registry, name: &str) -> Result<BTreeSet<ProfileName>, AgentError> {
    let name = registry.resolve(name, "")?;
    // The first sign-in of a profile makes it known only once it has succeeded, and can be ended before.
    if !registry.logins.names().contains(&name) {
        registry.worker(&name)?;
    }
    Ok(BTreeSet::from([name]))
}

/// Every profile that the agent, the state files, the keychain and the files know, and those that are being
/// signed in, but not those of which nothing is left to end. Also returns why a store could not be searched; a store that does not exist is no error.
async fn everything(registry: &Registry) -> (BTreeSet<ProfileName>, Vec<String>) {
    let sessions = registry.shared.state.snapshot();
    let ended = |record: &Record| record.signed_out && record.store.is_none();
    let open = sessions.profiles.iter().filter(|(_, record)| !ended(record));
    let mut names: BTreeSet<_> = open.map(|(name, _)| name.clone()).collect();
    names.extend(registry.logins.names());
    let signed_in = |handle: &Handle| handle.view().standing != Standing::SignedOut;
    names
        .extend(registry.workers().into_iter().filter(|(_, handle)| signed_in(handle)).map(|(name, _)| name));
    let stored = registry.shared.ladder.list_all().await;
    names.extend(stored.profiles.into_keys());
    let silent = stored.errors.into_iter().filter(|(_, error)| !matches!(error, StoreError::Unavailable(_)));
    (names, silent.map(|(_, error)| error.to_string()).collect())
}

/// An outcome as the contract has it.
pub(super) fn outcome(name: &ProfileName, result: SignedOut) -> LogoutOutcome {
    let (result, detail) = match result {
        SignedOut::Revoked => (Outcome::Revoked, String::new()),
        SignedOut::Pending => (Outcome::Pending, String::new()),
        SignedOut::NotOffered => (Outcome::NotOffered, String::new()),
        SignedOut::Refused(word) => (Outcome::Refused, word),
        SignedOut::TokenKept => (Outcome::TokenKept, String::new()),
        SignedOut::KeychainLocked(why) => (Outcome::KeychainLocked, why),
        SignedOut::NotRemoved(why) => (Outcome::NotRemoved, why),
        SignedOut::NothingStored => (Outcome::NothingStored, String::new()),
    };
    LogoutOutcome { profile: name.to_string(), result: result.into(), detail, host: String::new() }
}
