//! The Windows Credential Manager. It takes 2,560 bytes a credential.

use std::collections::{BTreeSet, HashMap};

use keyring_core::api::CredentialStoreApi;
use keyring_core::{Entry, Error};
use windows_native_keyring_store::Store;

use super::super::{Patience, StoreError};
use super::SERVICE;

/// Credentials are kept on one machine, see [`entry`].
pub(super) const NAMES_HOST: bool = false;

/// The item of this account. "Local": the library's default roams to other machines of a domain, and two of
/// them would spend one refresh token. Nothing here raises a prompt.
pub(super) fn entry(account: &str, _: Patience) -> Result<(Entry, ()), StoreError> {
    let store = Store::new().map_err(failure)?;
    let local = HashMap::from([("persistence", "Local")]);
    Ok((store.build(SERVICE, account, Some(&local)).map_err(failure)?, ()))
}

/// The accounts that we have items for. The library calls an item `<account>.<service>`.
pub(super) fn accounts() -> Result<BTreeSet<String>, StoreError> {
    let store = Store::new().map_err(failure)?;
    let pattern = format!(r"\.{SERVICE}$");
    let items = store.search(&HashMap::from([("pattern", pattern.as_str())])).map_err(failure)?;
    Ok(items.iter().filter_map(Entry::get_specifiers).map(|(_, account)| account).collect())
}

pub(super) fn failure(error: Error) -> StoreError {
    super::common_failure(error)
}
