//! Signs one profile out; the worker has already stopped serving when this runs. For a sign-out of everything it
//! also ends the sessions that other hosts keep in files in the same home folder.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use seqera_agent_proto::place::Places;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::profile::ProfileName;
use crate::providers::{Issuer, Issuers, Revocable, Revocation};
use crate::sessions::pending::Pending;
use crate::sessions::shared::Shared;
use crate::storage::file::File;
use crate::storage::other_hosts;
use crate::storage::passwords::Hold;
use crate::storage::record::Record;
use crate::storage::state::State;
use crate::storage::store::{Store, StoreError, StoreKind, Stored};
use crate::storage::timed::Timed;
use crate::token::{AccessToken, Kind, RefreshToken};

/// The limit for a running renewal to end, and then for ending leases and revoking together.
pub(crate) const LIMIT: Duration = Duration::from_secs(5);

/// The time that a revocation gets in any case.
const LEAST: Duration = Duration::from_secs(1);

/// The result of a sign-out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SignedOut {
    /// The secret is removed here and revoked at the provider.
    Revoked,
    /// The secret is removed here; the revocation failed and is tried again.
    Pending,
    /// The secret is removed here; the provider offers no revocation.
    NotOffered,
    /// The secret is removed here; the provider refuses to revoke it, for this reason.
    Refused(String),
    /// The secret is removed here; the fixed token, which outlives a sign-out, stays valid.
    TokenKept,
    /// Signed out; the stored secret is revoked and removed when the keychain is unlocked.
    KeychainLocked(String),
    /// Signed out; the stored secret could not be removed.
    NotRemoved(String),
    /// There was no secret to remove.
    NothingStored,
}

/// The tokens that a job has obtained for a session that has ended.
#[derive(Default)]
pub(crate) struct Brought {
    /// The tokens to revoke.
    pub tokens: Option<Revocable>,
    /// The provider of the tokens, if the job was a login that replaced the session.
    pub issuer: Option<Arc<dyn Issuer>>,
}

/// A sign-out with the state that the worker hands over to it.
pub(crate) struct SignOut {
    pub name: ProfileName,
    pub record: Option<Arc<Record>>,
    /// The provider to revoke at.
    pub issuer: Arc<dyn Issuer>,
    pub shared: Arc<Shared>,
    /// The refresh token in memory.
    pub refresh: Option<RefreshToken>,
    /// The access token in memory.
    pub access: Option<AccessToken>,
    /// Also revoke a fixed token, which would outlive the sign-out.
    pub revoke_fixed: bool,
    /// The job that was running: a renewal may be about to get new tokens.
    pub running: Option<JoinHandle<Brought>>,
    /// To revoke, the way to the provider has to stay open.
    pub _way: Hold,
}

impl SignOut {
    /// Runs to its end. Whatever fails, no secret stays here that can be removed.
    pub(crate) async fn run(mut self) -> SignedOut {
        if self.record.is_some() {
            self.note(self.shared.state.update(&self.name, Record::sign_out).await);
        }
        self.wait_for_running().await;
        let unread = self.read_stored().await;
        let in_hand = self.refresh.is_some() || self.access.is_some();
        if let Some(StoreError::Locked(why) | StoreError::Unavailable(why) | StoreError::Silent(why)) =
            &unread
            && !in_hand
        {
            // If it were removed unread, it could never be revoked. The worker tries again later.
            self.forget(true).await;
            return SignedOut::KeychainLocked(why.clone());
        }
        let begun = Instant::now();
        self.shared.leases.end_all(&self.name, self.access.as_ref(), LIMIT).await;
        let revoked = self.revoke(LIMIT.saturating_sub(begun.elapsed()).max(LEAST)).await;
        let left = self.remove_everywhere().await;
        self.forget(left.is_some()).await;
        match (left, unread) {
            (Some(left), _) => left,
            (None, Some(error)) if !in_hand => {
                SignedOut::Refused(format!("what was stored could not be read: {error}"))
            }
            (None, _) if !in_hand => SignedOut::NothingStored,
            (None, _) => revoked,
        }
    }

    /// New tokens of a running renewal are the ones to revoke. If the renewal hangs, its tokens are revoked when
    /// they arrive.
    async fn wait_for_running(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        match tokio::time::timeout(LIMIT, &mut running).await {
            Ok(brought) => self.take_over(brought.unwrap_or_default()),
            Err(_) => {
                let (name, issuer) = (self.name.clone(), Arc::clone(&self.issuer));
                let pending = self.shared.pending.clone();
                tokio::spawn(async move {
                    if let Some(late) = running.await.unwrap_or_default().tokens {
                        pending.revoke(&name, issuer, late);
                    }
                });
            }
        }
    }

    /// Replaces the tokens and the record with what the job has obtained and recorded.
    fn take_over(&mut self, brought: Brought) {
        self.record = self.shared.state.record(&self.name);
        if let Some(issuer) = brought.issuer {
            (self.refresh, self.access) = (None, None);
            self.issuer = issuer;
        }
        if let Some(fresh) = brought.tokens {
            self.refresh = fresh.refresh.or(self.refresh.take());
            self.access = fresh.access.or(self.access.take());
        }
    }

    /// Reads the stored secret so that it can be revoked. Returns the error of the store, if there was one.
    async fn read_stored(&mut self) -> Option<StoreError> {
        let recorded = self.record.as_ref().and_then(|record| record.store);
        // Without a record, a file or the keychain may still have a secret of the profile.
        let places = match recorded {
            Some(place) => vec![place],
            None => self.shared.ladder.holders(&self.name).await.0,
        };
        let mut unread = None;
        for place in places {
            match self.shared.ladder.load(&self.name, place).await {
                Ok(None) => {}
                Ok(Some(stored)) => self.take(&stored),
                Err(error) => {
                    warn!(profile = %self.name, %error, "the stored token cannot be read to be revoked");
                    unread = Some(error);
                }
            }
        }
        unread
    }

    /// Takes a stored secret unless memory has one, which is newer. It is revoked at the party that it came from,
    /// and sent to no other.
    fn take(&mut self, stored: &Stored) {
        if self.refresh.is_some() || self.access.is_some() {
            return;
        }
        let from = stored.party();
        if !self.record.as_ref().is_some_and(|record| record.profile.same_party(&from)) {
            self.issuer = self.shared.issuers.issuer(&from, stored.kind);
        }
        match stored.kind {
            Kind::Renewable => self.refresh = Some(RefreshToken::from(&stored.secret)),
            Kind::Fixed => self.access = Some(AccessToken::from(&stored.secret)),
        }
    }

    async fn revoke(&self, limit: Duration) -> SignedOut {
        if self.issuer.outlives_sign_out() && !self.revoke_fixed {
            return SignedOut::TokenKept;
        }
        let what = Revocable { refresh: self.refresh.clone(), access: self.access.clone() };
        if what.refresh.is_none() && what.access.is_none() {
            return SignedOut::NothingStored;
        }
        revoke_or_owe(&self.name, &self.issuer, what, &self.shared.pending, limit).await
    }

    /// Removes the secret from every store, recorded or not. Returns why a secret is left, if one is.
    async fn remove_everywhere(&self) -> Option<SignedOut> {
        let recorded = self.record.as_ref().and_then(|record| record.store);
        let mut left = None;
        for place in StoreKind::ALL {
            match self.shared.ladder.remove(&self.name, place).await {
                Ok(_) => {}
                // A store that fails matters only if it is the one that has the secret.
                Err(_) if recorded != Some(place) => {}
                Err(StoreError::Locked(why) | StoreError::Unavailable(why) | StoreError::Silent(why)) => {
                    left = Some(SignedOut::KeychainLocked(why));
                }
                Err(error) => {
                    warn!(profile = %self.name, %error, "a stored token could not be removed");
                    left = Some(SignedOut::NotRemoved(error.to_string()));
                }
            }
        }
        left
    }

    /// Drops all account data from the record; the profile's settings and the mark of the deliberate sign-out
    /// stay. An item that could not be removed stays recorded, so that the next start removes it.
    async fn forget(&self, item_is_left: bool) {
        if self.record.is_none() {
            return;
        }
        let update = move |record: &mut Record| record.forget_session(record.store.filter(|_| item_is_left));
        self.note(self.shared.state.update(&self.name, update).await);
    }

    fn note(&self, written: Result<(), crate::storage::state::StateError>) {
        if let Err(error) = written {
            warn!(profile = %self.name, %error, "a sign-out could not be recorded");
        }
    }
}

/// Revokes now. If that fails, leaves the revocation to [`Pending`].
pub(crate) async fn revoke_or_owe(
    name: &ProfileName,
    issuer: &Arc<dyn Issuer>,
    what: Revocable,
    pending: &Pending,
    limit: Duration,
) -> SignedOut {
    let answer = tokio::time::timeout(limit, issuer.revoke(&what)).await;
    let result = answer.unwrap_or_else(|_| Revocation::Failed("no answer in time".into()));
    info!(profile = %name, ?result, "revocation");
    match result {
        Revocation::Revoked => SignedOut::Revoked,
        Revocation::NotOffered => SignedOut::NotOffered,
        Revocation::Refused(word) => SignedOut::Refused(word),
        Revocation::Failed(_) => {
            pending.revoke(name, Arc::clone(issuer), what);
            SignedOut::Pending
        }
    }
}

/// The result of a sign-out for a session of another host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Neighbour {
    pub profile: ProfileName,
    pub host: String,
    /// `None` if the session was left as it is: its secret is not in a file that could be read and removed.
    pub result: Option<SignedOut>,
}

/// Revokes and removes the secrets in the files of other hosts.
pub(crate) async fn sign_out_elsewhere(
    places: &Places,
    state: &State,
    issuers: &dyn Issuers,
    pending: &Pending,
) -> Vec<Neighbour> {
    let mut ended = Vec::new();
    let mut done = BTreeSet::new();
    let (everywhere, ours) = (places.clone(), state.host());
    let hosts =
        tokio::task::spawn_blocking(move || other_hosts::named(&everywhere, &ours)).await.unwrap_or_default();
    for (id, host) in hosts {
        let files = Timed::new(File::of_host(places, &id));
        for profile in files.list().await.unwrap_or_default() {
            let result = sign_out_one(&files, &profile, issuers, pending).await;
            done.insert((profile.clone(), id.clone()));
            ended.push(Neighbour { profile, host: host.clone(), result });
        }
    }
    let left =
        state.elsewhere().iter().filter(|there| !done.contains(&(there.profile.clone(), there.host.clone())));
    ended.extend(left.map(|there| {
        let host = there.host_name.clone().unwrap_or_else(|| there.host.clone());
        Neighbour { profile: there.profile.clone(), host, result: None }
    }));
    ended
}

async fn sign_out_one(
    files: &dyn Store,
    profile: &ProfileName,
    issuers: &dyn Issuers,
    pending: &Pending,
) -> Option<SignedOut> {
    let stored = files.load(profile).await.ok().flatten()?;
    let result = revoke_stored(profile, &stored, issuers, pending).await;
    match files.remove(profile).await {
        Ok(_) => Some(result),
        Err(error) => {
            warn!(%profile, %error, "the file of another host could not be removed");
            None
        }
    }
}

async fn revoke_stored(
    profile: &ProfileName,
    stored: &Stored,
    issuers: &dyn Issuers,
    pending: &Pending,
) -> SignedOut {
    let issuer = issuers.issuer(&stored.party(), stored.kind);
    if issuer.outlives_sign_out() {
        return SignedOut::TokenKept;
    }
    let what = match stored.kind {
        Kind::Fixed => Revocable { refresh: None, access: Some(AccessToken::from(&stored.secret)) },
        Kind::Renewable => Revocable { refresh: Some(RefreshToken::from(&stored.secret)), access: None },
    };
    revoke_or_owe(profile, &issuer, what, pending, LIMIT).await
}
