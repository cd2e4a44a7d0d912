//! Signs one profile out (design, section 9). The worker has already stopped serving when this runs.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::issuer::{Issuer, Revocable, Revocation};
use crate::jobs::JobDone;
use crate::profile::{Profile, ProfileName};
use crate::shared::Shared;
use crate::state::Record;
use crate::store::{StoreError, StoreKind, Stored};
use crate::token::{AccessToken, Kind, RefreshToken};

/// How long a running renewal is waited for, and how long the provider may take to revoke.
const LIMIT: Duration = Duration::from_secs(5);

/// What became of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedOut {
    /// Removed here and revoked there.
    Revoked,
    /// Removed here; the revocation is tried again.
    Pending,
    /// Removed here; the provider offers no revocation.
    NotOffered,
    /// Removed here; the provider will not revoke, with its word.
    Refused(String),
    /// Removed here; an access token that was given stays valid.
    TokenKept,
    /// Signed out; the item is removed when the keychain opens.
    KeychainLocked(String),
    /// There was nothing.
    NothingStored,
}

/// What a sign-out needs. All of it is the worker's.
pub struct SignOut {
    /// Of the session.
    pub name: ProfileName,
    /// As recorded.
    pub record: Option<Record>,
    /// Renewable or fixed.
    pub kind: Kind,
    /// Revokes.
    pub issuer: Arc<dyn Issuer>,
    /// I/O.
    pub shared: Arc<Shared>,
    /// In memory.
    pub refresh: Option<RefreshToken>,
    /// In memory.
    pub access: Option<AccessToken>,
    /// Delete a fixed credential at the Platform as well.
    pub revoke_fixed: bool,
    /// A job that was running: a renewal may just be getting new tokens.
    pub running: Option<JoinHandle<JobDone>>,
}

impl SignOut {
    /// Runs to its end. Whatever fails, nothing stays here that can be removed.
    pub async fn run(mut self) -> SignedOut {
        let mark = |record: &mut Record| {
            record.signed_out = true;
            record.intent = None;
        };
        if self.record.is_some() {
            self.note(self.shared.state.update(&self.name, mark).await);
        }
        self.wait_for_running().await;
        let stored = self.read_stored().await;
        let had_secret = stored || self.refresh.is_some() || self.access.is_some();
        let revoked = self.revoke().await;
        let locked = self.remove_everywhere().await;
        self.forget(locked.is_some()).await;
        match locked {
            Some(why) => SignedOut::KeychainLocked(why),
            None if !had_secret => SignedOut::NothingStored,
            None => revoked,
        }
    }

    /// New tokens of a running renewal are the ones to revoke; one that hangs is revoked when it comes.
    async fn wait_for_running(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        match tokio::time::timeout(LIMIT, &mut running).await {
            Ok(done) => {
                if let Some(fresh) = done.ok().and_then(JobDone::into_stale) {
                    self.refresh = fresh.refresh.or(self.refresh.take());
                    self.access = fresh.access.or(self.access.take());
                }
            }
            Err(_) => {
                let (name, issuer) = (self.name.clone(), Arc::clone(&self.issuer));
                let pending = self.shared.pending.clone();
                tokio::spawn(async move {
                    let late = running.await.ok().and_then(JobDone::into_stale);
                    late.into_iter().for_each(|fresh| pending.revoke(&name, Arc::clone(&issuer), fresh));
                });
            }
        }
    }

    /// True where a secret was stored. It is read to be revoked; a store that fails takes only that away.
    async fn read_stored(&mut self) -> bool {
        let recorded = self.record.as_ref().and_then(|record| record.store);
        // Without a record, files and keychain may still know the profile.
        let places = match recorded {
            Some(place) => vec![place],
            None => self.shared.ladder.holders(&self.name).await.0,
        };
        let mut found = false;
        for place in places {
            match self.shared.ladder.load(&self.name, place).await {
                Ok(None) => {}
                Ok(Some(stored)) => {
                    found = true;
                    self.take(&stored, recorded.is_some());
                }
                Err(error) => {
                    found = true;
                    warn!(profile = %self.name, %error, "the stored token cannot be read to be revoked");
                }
            }
        }
        found
    }

    /// A secret goes back to the party that it came from, and to no other.
    fn take(&mut self, stored: &Stored, recorded: bool) {
        if !recorded {
            let (authority, client_id) = (stored.authority.clone(), stored.client_id.clone());
            let profile = Profile { authority, client_id, ..Profile::default() };
            self.issuer = self.shared.issuers.issuer(&profile, stored.kind);
            self.kind = stored.kind;
        }
        match stored.kind {
            Kind::Renewable if self.refresh.is_none() => {
                self.refresh = Some(RefreshToken::new(stored.secret.expose_secret()));
            }
            Kind::Fixed if self.access.is_none() => {
                self.access = Some(AccessToken::new(stored.secret.expose_secret()));
            }
            Kind::Renewable | Kind::Fixed => {}
        }
    }

    async fn revoke(&self) -> SignedOut {
        if self.kind == Kind::Fixed && !self.revoke_fixed {
            return SignedOut::TokenKept;
        }
        let what = Revocable { refresh: self.refresh.clone(), access: self.access.clone() };
        if what.refresh.is_none() && what.access.is_none() {
            return SignedOut::NothingStored;
        }
        let result = match tokio::time::timeout(LIMIT, self.issuer.revoke(&what)).await {
            Ok(result) => result,
            Err(_) => Revocation::Failed("no answer in time".into()),
        };
        info!(profile = %self.name, ?result, "revocation");
        match result {
            Revocation::Revoked => SignedOut::Revoked,
            Revocation::NotOffered => SignedOut::NotOffered,
            Revocation::Refused(word) => SignedOut::Refused(word),
            Revocation::Failed(_) => {
                self.shared.pending.revoke(&self.name, Arc::clone(&self.issuer), what);
                SignedOut::Pending
            }
        }
    }

    /// Removes the secret from every place, recorded or not. `Some`: the keychain would not let us.
    async fn remove_everywhere(&self) -> Option<String> {
        let recorded = self.record.as_ref().and_then(|record| record.store);
        let mut locked = None;
        for place in [StoreKind::Keychain, StoreKind::File, StoreKind::Memory] {
            match self.shared.ladder.remove(&self.name, place).await {
                Ok(_) => {}
                // A keychain that is not there matters only to those who kept something in it.
                Err(_) if recorded != Some(place) => {}
                Err(StoreError::Locked(why) | StoreError::Unavailable(why)) => locked = Some(why),
                Err(error) => {
                    warn!(profile = %self.name, %error, "a stored token could not be removed");
                    locked = Some(error.to_string());
                }
            }
        }
        locked
    }

    /// Leaves the profile's name and settings and the mark of the deliberate sign-out, no account data. An
    /// item that is still there stays recorded, so that the next start removes it.
    async fn forget(&self, item_is_left: bool) {
        if self.record.is_none() {
            return;
        }
        let update = move |record: &mut Record| {
            let left = record.store.filter(|_| item_is_left);
            *record = Record {
                profile: record.profile.clone(),
                kind: record.kind,
                store: left,
                signed_out: true,
                other: std::mem::take(&mut record.other),
                ..Record::default()
            };
        };
        self.note(self.shared.state.update(&self.name, update).await);
    }

    fn note(&self, written: Result<(), crate::state::StateError>) {
        if let Err(error) = written {
            warn!(profile = %self.name, %error, "a sign-out could not be recorded");
        }
    }
}
