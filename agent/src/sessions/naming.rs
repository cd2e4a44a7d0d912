//! Removes and renames profiles, at the wish of a person. What a person wrote in `config.json` is theirs and stays;
//! they are told.

use std::sync::Arc;

use crate::error::{AgentError, ErrorKind};
use crate::profile::ProfileName;
use crate::providers::known;
use crate::sessions::registry::Registry;
use crate::sessions::rename::unwritten;
use crate::sessions::sign_out::SignedOut;
use crate::sessions::verdict::Standing;
use crate::storage::record::Record;

/// Forgets a profile. With `force` one that is signed in is signed out first; returns how that ended, and notes for
/// the person. Runs to its end even if the caller hangs up.
///
/// # Errors
/// `UNKNOWN_PROFILE` or `OTHER_HOST`; `BAD_REQUEST` for a profile that is signed in or is in `config.json` alone;
/// `KEYCHAIN_LOCKED` or `STORE_FAILED` if its secret could not be removed, or the records not written.
pub(crate) async fn remove(
    registry: &Arc<Registry>,
    name: ProfileName,
    force: bool,
) -> Result<(Option<SignedOut>, Vec<String>), AgentError> {
    let registry = Arc::clone(registry);
    let work = tokio::spawn(async move { Removal { registry: &registry, name }.run(force).await });
    work.await.unwrap_or_else(|panic| Err(AgentError::internal(panic)))
}

/// Gives a profile another name; its session goes on. Returns notes for the person. Runs to its end even if the
/// caller hangs up.
///
/// # Errors
/// `UNKNOWN_PROFILE` or `OTHER_HOST`; `BAD_REQUEST` if the new name is taken or belongs to a provider, or a login of
/// one of the two runs; those of the store that has the secret, after which nothing has changed.
pub(crate) async fn rename(
    registry: &Arc<Registry>,
    from: ProfileName,
    to: ProfileName,
) -> Result<Vec<String>, AgentError> {
    let registry = Arc::clone(registry);
    let work = tokio::spawn(async move { change_name(&registry, &from, &to).await });
    work.await.unwrap_or_else(|panic| Err(AgentError::internal(panic)))
}

struct Removal<'a> {
    registry: &'a Registry,
    name: ProfileName,
}

impl Removal<'_> {
    async fn run(self, force: bool) -> Result<(Option<SignedOut>, Vec<String>), AgentError> {
        let Self { registry, name } = &self;
        let _turn = registry.naming.lock().await;
        own_record(registry, name, "remove")?;
        let _reserved = registry.reserve([name.clone()])?;
        let signed_out = self.sign_out(force).await?;
        let was_default = registry.shared.state.snapshot().default_profile.as_ref() == Some(name);
        let forget = |sessions: &mut crate::storage::record::Sessions| {
            sessions.profiles.remove(name);
            sessions.default_profile = sessions.default_profile.take().filter(|chosen| chosen != name);
            sessions.renames.retain(|_, rename| rename.to != *name);
            sessions.gone.insert(name.clone());
        };
        registry.shared.state.change(forget).await.map_err(|error| unwritten(&error))?;
        if let Some(worker) = registry.forget(name) {
            worker.retire().await;
        }
        let mut notes = Vec::new();
        if was_default {
            notes.push("it was the chosen profile; 'default' is meant where none is named now".to_owned());
        }
        notes.extend(in_configuration(registry, name, "it still counts; remove its section there"));
        Ok((signed_out, notes))
    }

    /// Signs out if it is wanted, and makes sure that nothing secret is left which nobody would know of.
    async fn sign_out(&self, force: bool) -> Result<Option<SignedOut>, AgentError> {
        let Self { registry, name } = self;
        let worker = registry.ensure(name);
        let signed_out = match worker.view().standing {
            Standing::SignedOut => None,
            Standing::SignedIn | Standing::Expired(_) if force => Some(worker.sign_out(false).await?),
            Standing::SignedIn | Standing::Expired(_) => {
                let hint = format!("run 'seqera logout --profile {name}' first, or use --force");
                let message = format!("profile '{name}' is signed in");
                return Err(AgentError::new(ErrorKind::BadRequest, message, hint));
            }
        };
        let left = registry.shared.state.record(name).and_then(|record| record.store);
        let Some(store) = left else { return Ok(signed_out) };
        let (kind, why) = match &signed_out {
            Some(SignedOut::NotRemoved(why)) => (ErrorKind::StoreFailed, why.clone()),
            _ => (ErrorKind::KeychainLocked, format!("the {} does not give it up yet", store.as_str())),
        };
        let message =
            format!("profile '{name}' is signed out, and what is stored could not be removed: {why}");
        Err(AgentError::new(kind, message, "the agent keeps trying; remove the profile after that"))
    }
}

async fn change_name(
    registry: &Registry,
    from: &ProfileName,
    to: &ProfileName,
) -> Result<Vec<String>, AgentError> {
    let _turn = registry.naming.lock().await;
    let record = own_record(registry, from, "rename")?;
    if from == to {
        return Err(AgentError::new(
            ErrorKind::BadRequest,
            format!("profile '{from}' has this name already"),
            "",
        ));
    }
    is_free(registry, to, &record)?;
    let _reserved = registry.reserve([from.clone(), to.clone()])?;
    // Both names lead to the worker until it has the new one, so that nobody starts a second worker for that.
    let worker = registry.ensure(from);
    if let Some(other) = registry.also(to, &worker) {
        other.retire().await;
    }
    let renamed = worker.rename(to.clone()).await;
    registry.forget(if renamed.is_ok() { from } else { to });
    renamed?;
    Ok(in_configuration(registry, from, "rename its section there too").into_iter().collect())
}

/// The record of a profile that may be changed.
fn own_record(registry: &Registry, name: &ProfileName, what: &str) -> Result<Arc<Record>, AgentError> {
    registry.worker(name)?;
    if known::built_in(name).is_some() {
        let message = format!("profile '{name}' has its name from its provider");
        return Err(AgentError::new(
            ErrorKind::BadRequest,
            message,
            format!("run 'seqera logout --profile {name}'"),
        ));
    }
    registry.shared.state.record(name).ok_or_else(|| match registry.configured(name) {
        Some(_) => {
            let file = registry.shared.places.config_json().display().to_string();
            let message = format!("profile '{name}' is in {file} alone, which is yours");
            AgentError::new(ErrorKind::BadRequest, message, format!("{what} its section there"))
        }
        None => registry.unknown(name),
    })
}

/// A name is free if no record has it, and if `config.json` does not mean another account by it.
fn is_free(registry: &Registry, name: &ProfileName, of: &Record) -> Result<(), AgentError> {
    if registry.shared.state.record(name).is_some() {
        let hint = format!("choose another name, or run 'seqera profile remove {name}' first");
        return Err(AgentError::new(
            ErrorKind::BadRequest,
            format!("there is a profile '{name}' already"),
            hint,
        ));
    }
    if known::built_in(name).is_some() {
        let message = format!("the name '{name}' belongs to another kind of provider");
        return Err(AgentError::new(ErrorKind::BadRequest, message, "choose another name"));
    }
    match registry.configured(name) {
        Some(configured) if !configured.serves(&of.profile.authority) => {
            let authority = configured.authority;
            let message = format!("config.json has a profile '{name}' at {authority}");
            Err(AgentError::new(
                ErrorKind::BadRequest,
                message,
                "choose another name, or change its section there",
            ))
        }
        Some(_) | None => Ok(()),
    }
}

/// The note that the person's own file names a profile.
fn in_configuration(registry: &Registry, name: &ProfileName, remedy: &str) -> Option<String> {
    registry.configured(name)?;
    let file = registry.shared.places.config_json().display().to_string();
    Some(format!("{file} has a section for '{name}': {remedy}"))
}

#[cfg(test)]
mod tests;
