//! The Windows Credential Manager, which takes at most 2,560 bytes for each credential.

use std::collections::{BTreeSet, HashMap};
use std::io;

use keyring_core::api::CredentialStoreApi;
use keyring_core::{Entry, Error};
use windows_native_keyring_store::Store;
use windows_sys::Win32::Foundation::ERROR_NOT_FOUND;
use windows_sys::Win32::Security::Credentials::{CRED_TYPE_GENERIC, CredEnumerateW, CredFree};
use zeroize::Zeroize;

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
    let ending = format!(".{service}");
    let names = names().map_err(|error| StoreError::Failed(format!("the keychain failed: {error}")))?;
    Ok(names.iter().filter_map(|name| name.strip_suffix(&ending)).map(str::to_owned).collect())
}

/// The names of all generic credentials. Not by the library's own search, which takes for granted that each of them
/// lies at an address for such structures: Wine gives others, and a debug build ends there.
#[expect(unsafe_code, reason = "the system speaks C")]
fn names() -> io::Result<Vec<String>> {
    let (mut count, mut found) = (0, std::ptr::null_mut());
    // SAFETY: the filter may be null, and both results outlive the call.
    if unsafe { CredEnumerateW(std::ptr::null(), 0, &mut count, &mut found) } == 0 {
        let error = io::Error::last_os_error();
        let none = error.raw_os_error() == i32::try_from(ERROR_NOT_FOUND).ok();
        return if none { Ok(Vec::new()) } else { Err(error) };
    }
    let mut names = Vec::new();
    for index in 0..count as usize {
        // SAFETY: the array has `count` pointers to structures, which are copied out of it wherever they lie. The name
        // ends with a zero, and the secret has the length that stands beside it; both belong to this process until
        // they are freed below.
        unsafe {
            let credential = found.add(index).read_unaligned().read_unaligned();
            let secret = (credential.CredentialBlob, credential.CredentialBlobSize as usize);
            if !secret.0.is_null() {
                std::slice::from_raw_parts_mut(secret.0, secret.1).zeroize();
            }
            if credential.Type == CRED_TYPE_GENERIC {
                names.push(text(credential.TargetName));
            }
        }
    }
    // SAFETY: from the call above, and freed once.
    unsafe { CredFree(found.cast()) };
    Ok(names)
}

/// # Safety
/// `start` is null, or the text there ends with a zero.
#[expect(unsafe_code, reason = "the system speaks C")]
unsafe fn text(start: *const u16) -> String {
    if start.is_null() {
        return String::new();
    }
    // SAFETY: all before the zero is part of the text. It is copied unit by unit, because it may lie at any address.
    let units = (0..).map(|index| unsafe { start.add(index).read_unaligned() }).take_while(|unit| *unit != 0);
    String::from_utf16_lossy(&units.collect::<Vec<u16>>())
}

/// What [`entry`] makes lasts.
pub(super) fn check_lasting(_service: &str, _account: &str) -> Result<(), StoreError> {
    Ok(())
}

pub(super) fn failure(error: Error) -> StoreError {
    super::failure::common(error)
}
