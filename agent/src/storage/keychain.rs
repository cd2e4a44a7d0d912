//! Secrets in the operating system's keychain: Secret Service, macOS Keychain, Windows Credential Manager.
//!
//! An item is found by service and account. The account names the profile; on Linux also the host, because
//! several hosts may share a home folder with its keyring files; and the configuration folder unless it is the
//! default one, so that two folders never share a session.

use std::collections::BTreeSet;

use keyring_core::{Entry, Error};
use seqera_agent_proto::place::Places;
use zeroize::Zeroizing;

use super::item;
use super::timed::Place;
use crate::profile::ProfileName;
use crate::storage::store::{Patience, StoreError, StoreKind, Stored};

#[cfg(all(unix, not(target_os = "macos")))]
#[path = "keychain/linux.rs"]
mod system;
#[cfg(target_os = "macos")]
#[path = "keychain/macos.rs"]
mod system;
#[cfg(windows)]
#[path = "keychain/windows.rs"]
mod system;

pub(crate) mod earlier;
mod failure;

const SERVICE: &str = "seqera-agent";

/// The items of one host and configuration folder.
pub(crate) struct Keychain {
    host: String,
    /// Follows the profile in the account.
    suffix: String,
}

impl Keychain {
    /// Does not open the keychain; each call does.
    pub(crate) fn new(places: &Places) -> Self {
        let mut suffix = String::new();
        if system::NAMES_HOST {
            suffix = format!("@{}", places.host_id);
        }
        if !places.config_is_default {
            suffix = format!("{suffix}#{}", places.tag);
        }
        Self { host: places.host_id.clone(), suffix }
    }

    fn account(&self, profile: &ProfileName) -> String {
        format!("{profile}{}", self.suffix)
    }

    fn profile(&self, account: &str) -> Option<ProfileName> {
        account.strip_suffix(&self.suffix)?.parse().ok()
    }
}

impl Place for Keychain {
    const KIND: StoreKind = StoreKind::Keychain;
    const NAME: &'static str = "the keychain";

    fn save(&self, profile: &ProfileName, secret: &Stored, patience: Patience) -> Result<(), StoreError> {
        let json = item::write(secret, &self.host);
        let (entry, _quiet) = system::entry(SERVICE, &self.account(profile), patience)?;
        system::check_lasting(SERVICE, &self.account(profile))?;
        match entry.set_secret(&json) {
            // Two collections have an item of ours. One is enough.
            Err(Error::Ambiguous(entries)) => {
                delete_all(&entries)?;
                entry.set_secret(&json).map_err(system::failure)
            }
            saved => saved.map_err(system::failure),
        }
    }

    fn load(&self, profile: &ProfileName) -> Result<Option<Stored>, StoreError> {
        let account = self.account(profile);
        let (entry, _quiet) = system::entry(SERVICE, &account, Patience::Background)?;
        let json = match entry.get_secret() {
            Ok(json) => Zeroizing::new(json),
            Err(Error::NoEntry) => return Ok(None),
            Err(error) => return Err(system::failure(error)),
        };
        match item::read(&json) {
            Ok((stored, host)) if host == self.host => Ok(Some(stored)),
            // The keychain was copied to a new machine.
            Ok((_, host)) => Err(StoreError::OtherHost(host)),
            Err(malformed) => Err(StoreError::Corrupt(format!("keychain item '{account}', {malformed}"))),
        }
    }

    fn remove(&self, profile: &ProfileName) -> Result<bool, StoreError> {
        let (entry, _quiet) = system::entry(SERVICE, &self.account(profile), Patience::Background)?;
        match entry.delete_credential() {
            Ok(()) => Ok(true),
            Err(Error::NoEntry) => Ok(false),
            Err(Error::Ambiguous(entries)) => delete_all(&entries).map(|()| true),
            Err(error) => Err(system::failure(error)),
        }
    }

    fn list(&self) -> Result<Vec<ProfileName>, StoreError> {
        let found: BTreeSet<ProfileName> =
            system::accounts(SERVICE)?.iter().filter_map(|account| self.profile(account)).collect();
        Ok(found.into_iter().collect())
    }
}

fn delete_all(entries: &[Entry]) -> Result<(), StoreError> {
    for entry in entries {
        match entry.delete_credential() {
            Ok(()) | Err(Error::NoEntry) => {}
            Err(error) => return Err(system::failure(error)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test_places::TestPlaces;

    fn keychain(config_is_default: bool) -> Keychain {
        let (tag, host_id) = ("0123456789ab".into(), "host-a".into());
        let found = TestPlaces::new().places().clone();
        Keychain::new(&Places { config_is_default, tag, host_id, ..found })
    }

    #[test]
    fn the_account_tells_hosts_and_folders_apart() {
        let (plain, other) = (keychain(true), keychain(false));
        let work: ProfileName = "work".parse().unwrap();
        let host = if system::NAMES_HOST { "@host-a" } else { "" };
        assert_eq!(plain.account(&work), format!("work{host}"));
        assert_eq!(other.account(&work), format!("work{host}#0123456789ab"));
        for keychain in [&plain, &other] {
            assert_eq!(keychain.profile(&keychain.account(&work)), Some(work.clone()));
        }
        assert_eq!(plain.profile(&other.account(&work)), None);
        assert_eq!(other.profile(&plain.account(&work)), None);
    }
}
