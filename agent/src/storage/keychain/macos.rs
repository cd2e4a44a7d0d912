//! The user's login keychain on macOS.

use std::collections::{BTreeSet, HashMap};

use apple_native_keyring_store::keychain::Store;
use keyring_core::api::CredentialStoreApi;
use keyring_core::{Entry, Error};
use security_framework::base::Error as SecurityError;
use security_framework::os::macos::keychain::{KeychainUserInteractionLock, SecKeychain};

use super::failure::said;
use crate::storage::store::{Patience, StoreError};

/// A keychain belongs to one machine.
pub(super) const NAMES_HOST: bool = false;

/// `errSecInteractionNotAllowed` of SecBase.h: a prompt would be needed, and we have forbidden it.
const INTERACTION_NOT_ALLOWED: i32 = -25308;
/// `errSecAuthFailed` of SecBase.h: the person did not unlock the keychain.
const AUTH_FAILED: i32 = -25293;

/// The item of a service and account. No call raises a prompt while the returned lock is held.
pub(super) fn entry(
    service: &str,
    account: &str,
    patience: Patience,
) -> Result<(Entry, Option<KeychainUserInteractionLock>), StoreError> {
    let quiet = match patience {
        Patience::Background => Some(quiet()?),
        Patience::Login => None,
    };
    let store = Store::new().map_err(failure)?;
    Ok((store.build(service, account, None).map_err(failure)?, quiet))
}

/// The accounts that have an item of this service.
pub(super) fn accounts(service: &str) -> Result<BTreeSet<String>, StoreError> {
    let _quiet = quiet()?;
    let store = Store::new().map_err(failure)?;
    let items = store.search(&HashMap::from([("service", service)])).map_err(failure)?;
    Ok(items.iter().filter_map(Entry::get_specifiers).map(|(_, account)| account).collect())
}

fn quiet() -> Result<KeychainUserInteractionLock, StoreError> {
    SecKeychain::disable_user_interaction().map_err(|error| {
        StoreError::Unavailable(format!("the keychain cannot be kept from prompting: {}", said(&error)))
    })
}

/// The login keychain lasts.
pub(super) fn check_lasting(_service: &str, _account: &str) -> Result<(), StoreError> {
    Ok(())
}

pub(super) fn failure(error: Error) -> StoreError {
    let code = match &error {
        Error::PlatformFailure(cause) => cause.downcast_ref::<SecurityError>().map(|cause| cause.code()),
        _ => None,
    };
    match code {
        Some(INTERACTION_NOT_ALLOWED | AUTH_FAILED) => StoreError::Locked(said(&error)),
        _ => super::failure::common(error),
    }
}
