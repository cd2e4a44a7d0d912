//! The meaning of the errors that the keychain libraries of all systems share.

use keyring_core::Error;

use crate::storage::store::StoreError;

/// Translates an error that means the same on every system. None of these texts contains a secret.
pub(super) fn common(error: Error) -> StoreError {
    match error {
        Error::NoStorageAccess(cause) => StoreError::Locked(cause.to_string()),
        Error::TooLong(what, limit) => {
            StoreError::Failed(format!("the keychain takes no {what} longer than {limit}"))
        }
        other => StoreError::Failed(format!("the keychain failed: {other}")),
    }
}
