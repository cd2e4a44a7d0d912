//! The meaning of the errors that the keychain libraries of all systems share.

use keyring_core::Error;

use crate::foreign::Words;
use crate::storage::store::StoreError;

/// The words of the program that keeps the keychain.
pub(super) fn said(error: &dyn std::fmt::Display) -> String {
    Words::from(error.to_string()).into()
}

/// Translates an error that means the same on every system. None of these texts contains a secret.
pub(super) fn common(error: Error) -> StoreError {
    match error {
        Error::NoStorageAccess(cause) => StoreError::Locked(said(&cause)),
        Error::TooLong(what, limit) => {
            StoreError::Failed(format!("the keychain takes no {what} longer than {limit}"))
        }
        other => StoreError::Failed(format!("the keychain failed: {}", said(&other))),
    }
}
