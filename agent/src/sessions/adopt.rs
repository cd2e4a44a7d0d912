//! Takes a session over from another host, because the person says that the host is this one: it had another name, or
//! its disk has come here. The caller holds the right to be the agent of that host.
//!
//! First the secret is saved under this host's name. Then the record moves, and with it the right to spend the
//! secret: at no moment do two hosts have it. What the other host kept is removed last.

use secrecy::ExposeSecret;
use seqera_agent_proto::place::token_sha256;
use tracing::{info, warn};

use crate::clock::unix;
use crate::error::{AgentError, ErrorKind};
use crate::profile::ProfileName;
use crate::sessions::renewal::Generation;
use crate::sessions::shared::Shared;
use crate::storage::other_hosts::Elsewhere;
use crate::storage::record::Record;
use crate::storage::store::{Patience, StoreError, StoreKind, Stored};

/// Takes the session over and returns its record.
///
/// # Errors
/// Why it could not be done. The other host has it still then.
pub(crate) async fn adopt(
    name: &ProfileName,
    there: &Elsewhere,
    generation: &Generation,
    shared: &Shared,
) -> Result<Record, AgentError> {
    let kind = there.record.store.filter(|kind| *kind != StoreKind::Memory);
    let kind = kind.ok_or_else(|| refused(name, there, "it was kept in memory only"))?;
    let secret = secret(name, there, kind, shared).await?;
    let kept = shared.ladder.save(name, &secret, Some(kind), Patience::Login).await;
    let kept = kept.map_err(|error| refused(name, there, &error.to_string()))?;
    (shared.crash)("adoption-saved");
    let mut record = Record { left_in: None, climb_tried_at: None, ..there.record.clone() };
    record.store = Some(kept.kind);
    record.secret_sha256 = Some(token_sha256(secret.secret.open().expose_secret()));
    if let Some(fell) = kept.fell {
        record.fall(fell, unix(shared.now()));
    }
    let taken = shared.state.adopt(&there.host, name, record.clone(), shared.crash).await;
    let is_here = shared.state.record(name).as_deref() == Some(&record);
    match taken {
        Ok(()) => {}
        Err(error) if is_here => warn!(profile = %name, %error, "an adopted session could not be recorded"),
        Err(error) => {
            let _ = shared.ladder.remove(name, kept.kind).await;
            return Err(refused(name, there, &error.to_string()));
        }
    }
    info!(profile = %name, host = %there.host, "a session was taken over from another host");
    remove_there(name, &there.kept_under, kind, shared).await;
    if generation.is_past() {
        let _ = shared.ladder.remove(name, kept.kind).await;
        let _ = shared.state.update(name, |record| record.forget_session(None)).await;
        return Err(refused(name, there, "you have signed out meanwhile"));
    }
    Ok(record)
}

/// The secret as the other host has stored it. After a crash it may be here already.
async fn secret(
    name: &ProfileName,
    there: &Elsewhere,
    kind: StoreKind,
    shared: &Shared,
) -> Result<Stored, AgentError> {
    let store = shared.ladder.of_host(&there.kept_under, kind);
    let store = store.ok_or_else(|| refused(name, there, "its store cannot be reached from here"))?;
    let found = match store.load(name).await {
        Ok(None) | Err(StoreError::OtherHost(_)) => {
            let here = shared.ladder.load(name, kind).await.ok().flatten();
            here.filter(|here| {
                Some(token_sha256(here.secret.open().expose_secret())) == there.record.secret_sha256
            })
        }
        Ok(found) => found,
        Err(StoreError::Locked(why)) => {
            let what = format!("the session of {} cannot be read: {why}", there.in_words());
            return Err(AgentError::new(
                ErrorKind::KeychainLocked,
                what,
                "unlock the keychain, then try again",
            ));
        }
        Err(error) => return Err(refused(name, there, &error.to_string())),
    };
    let gone = || refused(name, there, &format!("its secret is not in the {}", kind.as_str()));
    let found = found.ok_or_else(gone)?;
    if !found.party().same_party(&there.record.profile) {
        return Err(refused(name, there, &format!("what is stored is of {}", found.authority)));
    }
    Ok(found)
}

/// SciToolkit's token lies in one place for all hosts, and some keychains have one item for all: what is there is
/// ours by now.
pub(crate) async fn remove_there(name: &ProfileName, kept_under: &str, kind: StoreKind, shared: &Shared) {
    let Some(store) = shared.ladder.of_host(kept_under, kind).filter(|_| kind != StoreKind::TokenFile) else {
        return;
    };
    if matches!(store.load(name).await, Ok(Some(_)))
        && let Err(error) = store.remove(name).await
    {
        warn!(profile = %name, %error, "what another host kept could not be removed");
    }
}

fn refused(name: &ProfileName, there: &Elsewhere, why: &str) -> AgentError {
    let message =
        format!("the session of profile '{name}' cannot be taken over from {}: {why}", there.in_words());
    AgentError::new(ErrorKind::OtherHost, message, format!("run 'seqera login --profile {name}'"))
}
