//! The items of version 1 of the CLI in the keychain: one for each profile, containing the bare refresh token.

use keyring_core::Error;
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::{delete_all, system};
use crate::storage::store::{Patience, StoreError};

/// v1's service name in the keychain ([The earlier CLI](crate::manual::providers#the-earlier-cli)).
const SERVICE: &str = "seqera-ai-cli";

/// v1's items. The agent reads and removes them, and never writes any.
pub(crate) struct Earlier;

impl Earlier {
    /// The profiles of v1 that have an item. Raises no prompt.
    pub(crate) fn profiles() -> Result<Vec<String>, StoreError> {
        Ok(system::accounts(SERVICE)?.into_iter().collect())
    }

    /// Reads the refresh token of a profile; `None` if there is no item.
    pub(crate) fn read(profile: &str, patience: Patience) -> Result<Option<SecretString>, StoreError> {
        let (entry, _quiet) = system::entry(SERVICE, profile, patience)?;
        let bytes = match entry.get_secret() {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(Error::NoEntry) => return Ok(None),
            Err(error) => return Err(system::failure(error)),
        };
        let token = std::str::from_utf8(&bytes).map(str::trim).unwrap_or_default();
        if token.is_empty() {
            return Err(StoreError::Corrupt(format!("keychain item '{profile}' of {SERVICE} is no token")));
        }
        Ok(Some(SecretString::from(token)))
    }

    /// Removes the item of a profile, if there is one. Raises no prompt.
    pub(crate) fn remove(profile: &str) -> Result<(), StoreError> {
        let (entry, _quiet) = system::entry(SERVICE, profile, Patience::Background)?;
        match entry.delete_credential() {
            Ok(()) | Err(Error::NoEntry) => Ok(()),
            Err(Error::Ambiguous(entries)) => delete_all(&entries),
            Err(error) => Err(system::failure(error)),
        }
    }
}
