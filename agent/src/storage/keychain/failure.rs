//! What the libraries of all systems mean by their errors.

use keyring_core::Error;

use crate::storage::store::StoreError;

/// What an error means that says the same on every system. None of these texts contains what is kept.
pub(super) fn common(error: Error) -> StoreError {
    match error {
        Error::NoStorageAccess(cause) => StoreError::Locked(cause.to_string()),
        Error::TooLong(what, limit) => {
            StoreError::Failed(format!("the keychain takes no {what} longer than {limit}"))
        }
        other => StoreError::Failed(format!("the keychain failed: {other}")),
    }
}
