//! The Secret Service on the session bus (freedesktop.org's Secret Service API, draft 0.2).
//!
//! The library unlocks whatever it meets, which raises a prompt and waits for it without a limit. So a call
//! in the background asks first whether anything is locked. Every call connects anew: a daemon that was
//! started again does not know the sessions of the one before it.

use std::collections::{BTreeSet, HashMap};

use keyring_core::api::CredentialStoreApi;
use keyring_core::{Entry, Error};
use secret_service::EncryptionType;
use secret_service::blocking::SecretService;
use zbus_secret_service_keyring_store::Store;

use super::super::{Patience, StoreError};
use super::SERVICE;

/// The keyring files lie in the home folder, which other hosts may share.
pub(super) const NAMES_HOST: bool = true;

/// The item of this account, and nothing that must be held during the call.
pub(super) fn entry(account: &str, patience: Patience) -> Result<(Entry, ()), StoreError> {
    if patience == Patience::Background {
        check_unlocked(account)?;
    }
    let store = Store::new().map_err(failure)?;
    Ok((store.build(SERVICE, account, None).map_err(failure)?, ()))
}

/// Refuses where a call about this account could raise a prompt.
fn check_unlocked(account: &str) -> Result<(), StoreError> {
    let service = connect()?;
    let items = service
        .search_items(HashMap::from([("service", SERVICE), ("username", account)]))
        .map_err(service_failure)?;
    let default = service.get_default_collection().map_err(service_failure)?;
    // An item in a locked collection is not always found, so the default one must be open in any case.
    if !items.locked.is_empty() || default.is_locked().map_err(service_failure)? {
        return Err(StoreError::Locked("unlock it, for example by signing in to the desktop".into()));
    }
    Ok(())
}

/// The accounts that we have items for, in locked collections too.
pub(super) fn accounts() -> Result<BTreeSet<String>, StoreError> {
    let service = connect()?;
    let items = service.search_items(HashMap::from([("service", SERVICE)])).map_err(service_failure)?;
    let mut accounts = BTreeSet::new();
    for item in items.unlocked.iter().chain(&items.locked) {
        let mut attributes = item.get_attributes().map_err(service_failure)?;
        accounts.extend(attributes.remove("username"));
    }
    Ok(accounts)
}

/// Nothing secret travels over this connection, so it needs no encryption.
fn connect() -> Result<SecretService<'static>, StoreError> {
    SecretService::connect(EncryptionType::Plain).map_err(service_failure)
}

pub(super) fn failure(error: Error) -> StoreError {
    match error {
        Error::PlatformFailure(cause) => match cause.downcast::<secret_service::Error>() {
            Ok(cause) => service_failure(*cause),
            Err(cause) => super::common_failure(Error::PlatformFailure(cause)),
        },
        other => super::common_failure(other),
    }
}

fn service_failure(error: secret_service::Error) -> StoreError {
    use secret_service::Error as Cause;
    match error {
        Cause::Locked | Cause::Prompt | Cause::PromptDisconnected => StoreError::Locked(error.to_string()),
        Cause::NoResult => StoreError::Unavailable("the keychain has no default collection".into()),
        Cause::Unavailable => {
            StoreError::Unavailable("there is no keychain: no Secret Service answers".into())
        }
        other => StoreError::Failed(format!("the keychain failed: {other}")),
    }
}
