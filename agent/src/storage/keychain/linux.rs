//! The Secret Service on the session bus (freedesktop.org's Secret Service API, draft 0.2).
//!
//! The library unlocks every item that it touches, which raises a prompt and waits for it without a limit. So a
//! call in the background first asks whether anything is locked. Every call opens a new connection, because a
//! restarted daemon does not know the sessions of the previous one.

use std::collections::{BTreeSet, HashMap};

use keyring_core::api::CredentialStoreApi;
use keyring_core::{Entry, Error};
use secret_service::EncryptionType;
use secret_service::blocking::SecretService;
use zbus_secret_service_keyring_store::Store;

use super::failure::said;
use crate::error::chain;
use crate::session_bus::{NotOurs, OwnBus};
use crate::storage::store::{Patience, StoreError};

/// The keyring files lie in the home folder, which other hosts may share.
pub(super) const NAMES_HOST: bool = true;

/// The item of a service and account. The unit stands for the guard that macOS needs during the call.
pub(super) fn entry(service: &str, account: &str, patience: Patience) -> Result<(Entry, ()), StoreError> {
    if patience == Patience::Background {
        check_unlocked(service, account)?;
    }
    let store = on_own_bus(|| Store::new().map_err(|error| absent(&error)))?;
    Ok((store.build(service, account, None).map_err(failure)?, ()))
}

/// Refuses a call about this account if it could raise a prompt.
fn check_unlocked(service: &str, account: &str) -> Result<(), StoreError> {
    let bus = connect()?;
    let items = bus
        .search_items(HashMap::from([("service", service), ("username", account)]))
        .map_err(service_failure)?;
    // The search does not always find an item in a locked collection, so the default one must be unlocked too.
    if !items.locked.is_empty() || is_locked(&bus)? { Err(locked()) } else { Ok(()) }
}

fn is_locked(service: &SecretService<'_>) -> Result<bool, StoreError> {
    let default = service.get_default_collection().map_err(service_failure)?;
    default.is_locked().map_err(service_failure)
}

/// Refuses to save where the keychain would forget the secret: the collection `session` lives as long as the
/// session of the desktop. An item of ours that lies in it gives way to one in the default collection.
pub(super) fn check_lasting(service: &str, account: &str) -> Result<(), StoreError> {
    let bus = connect()?;
    let default = bus.get_default_collection().map_err(service_failure)?;
    let Ok(fleeting) = bus.get_collection_by_alias("session") else { return Ok(()) };
    if default.collection_path == fleeting.collection_path {
        let why = "the keychain's default collection is lost at the end of the desktop session";
        return Err(StoreError::Unavailable(why.into()));
    }
    let ours = fleeting.search_items(HashMap::from([("service", service), ("username", account)]));
    for item in ours.map_err(service_failure)? {
        item.delete().map_err(service_failure)?;
    }
    Ok(())
}

fn locked() -> StoreError {
    StoreError::Locked("unlock it, for example by signing in to the desktop".into())
}

/// The accounts that have an item of this service, in locked collections too. A daemon lists nothing of a
/// collection that it has never unlocked, so an empty list from a locked keychain is an error.
pub(super) fn accounts(service: &str) -> Result<BTreeSet<String>, StoreError> {
    let bus = connect()?;
    let items = bus.search_items(HashMap::from([("service", service)])).map_err(service_failure)?;
    let mut accounts = BTreeSet::new();
    for item in items.unlocked.iter().chain(&items.locked) {
        let mut attributes = item.get_attributes().map_err(service_failure)?;
        accounts.extend(attributes.remove("username"));
    }
    if accounts.is_empty() && is_locked(&bus)? {
        return Err(locked());
    }
    Ok(accounts)
}

/// No secret travels over this connection, so it needs no encryption.
fn connect() -> Result<SecretService<'static>, StoreError> {
    on_own_bus(|| SecretService::connect(EncryptionType::Plain).map_err(|error| absent(&error)))
}

/// Connects to the session bus, if it is this user's: the libraries do not look.
fn on_own_bus<T>(connect: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let bus = OwnBus::of_session().map_err(not_ours)?;
    let connected = connect()?;
    // A bus that has ended meanwhile may have been another one by the time of the connection.
    bus.lives().map_err(not_ours)?;
    Ok(connected)
}

fn not_ours(why: NotOurs) -> StoreError {
    match why {
        NotOurs::Absent(_) => absent(&why),
        NotOurs::Foreign { .. } | NotOurs::Elsewhere(_) => StoreError::Unavailable(why.to_string()),
    }
}

/// There is no bus, or no Secret Service on it. That is common on servers, so people get a plain text and only
/// the log gets the cause.
fn absent(cause: &dyn std::error::Error) -> StoreError {
    tracing::debug!(cause = chain(cause), "no Secret Service");
    StoreError::Unavailable("there is no keychain: no Secret Service answers on the session bus".into())
}

pub(super) fn failure(error: Error) -> StoreError {
    match error {
        Error::PlatformFailure(cause) | Error::NoStorageAccess(cause) => {
            match cause.downcast::<secret_service::Error>() {
                Ok(cause) => service_failure(*cause),
                Err(cause) => StoreError::Failed(format!("the keychain failed: {}", said(&cause))),
            }
        }
        other => super::failure::common(other),
    }
}

fn service_failure(error: secret_service::Error) -> StoreError {
    use secret_service::Error as Cause;
    match error {
        Cause::Locked => locked(),
        Cause::Prompt | Cause::PromptDisconnected => {
            StoreError::Locked("its prompt was dismissed, or there is no display to show it on".into())
        }
        Cause::NoResult => StoreError::Unavailable("the keychain has no default collection".into()),
        Cause::Unavailable => absent(&error),
        other => StoreError::Failed(format!("the keychain failed: {}", said(&other))),
    }
}
