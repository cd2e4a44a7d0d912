//! Secrets in this process only: the last resort, and an option for a login node without a home folder.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;

use crate::lock::lock;
use crate::profile::ProfileName;
use crate::storage::store::{Patience, Store, StoreError, StoreKind, Stored};

/// The secrets. Each is wiped when it is replaced or removed, and when the process ends normally.
#[derive(Default)]
pub(crate) struct Memory(Mutex<HashMap<ProfileName, Stored>>);

#[async_trait]
impl Store for Memory {
    fn kind(&self) -> StoreKind {
        StoreKind::Memory
    }

    async fn save(&self, profile: &ProfileName, secret: &Stored, _: Patience) -> Result<(), StoreError> {
        lock(&self.0).insert(profile.clone(), secret.clone());
        Ok(())
    }

    async fn load(&self, profile: &ProfileName) -> Result<Option<Stored>, StoreError> {
        Ok(lock(&self.0).get(profile).cloned())
    }

    async fn remove(&self, profile: &ProfileName) -> Result<bool, StoreError> {
        Ok(lock(&self.0).remove(profile).is_some())
    }

    async fn list(&self) -> Result<Vec<ProfileName>, StoreError> {
        let is_profile = |name: &&ProfileName| name.as_str().parse::<ProfileName>().is_ok();
        Ok(lock(&self.0).keys().filter(is_profile).cloned().collect())
    }
}
