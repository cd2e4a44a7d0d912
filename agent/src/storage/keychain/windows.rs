//! The Windows Credential Manager, which takes at most 2,560 bytes for each credential.

use std::collections::{BTreeSet, HashMap};

use keyring_core::api::CredentialStoreApi;
use keyring_core::{Entry, Error};
use windows_native_keyring_store::Store;

use crate::storage::store::{Patience, StoreError};

/// Credentials stay on one machine, see [`entry`].
pub(super) const NAMES_HOST: bool = false;

/// The item of a service and account. Its persistence is "Local" because the library's default roams to other
/// machines of the domain, where two of them would spend one refresh token. Nothing here raises a prompt.
pub(super) fn entry(service: &str, account: &str, _: Patience) -> Result<(Entry, ()), StoreError> {
    let store = Store::new().map_err(failure)?;
    let local = HashMap::from([("persistence", "Local")]);
    Ok((store.build(service, account, Some(&local)).map_err(failure)?, ()))
}

/// The accounts that have an item of this service. Finds only items that the library has named itself
/// (`<account>.<service>`), not those that Python's library names differently.
pub(super) fn accounts(service: &str) -> Result<BTreeSet<String>, StoreError> {
    let store = Store::new().map_err(failure)?;
    let pattern = format!(r"\.{service}$");
    let items = store.search(&HashMap::from([("pattern", pattern.as_str())])).map_err(failure)?;
    Ok(items.iter().filter_map(Entry::get_specifiers).map(|(_, account)| account).collect())
}

/// What [`entry`] makes lasts.
pub(super) fn check_lasting(_service: &str, _account: &str) -> Result<(), StoreError> {
    Ok(())
}

pub(super) fn failure(error: Error) -> StoreError {
    super::failure::common(error)
}
