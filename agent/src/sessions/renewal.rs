//! One renewal, from the stored refresh token to the saved new one. The worker spawns it and owns it, so
//! that a caller that hangs up takes nothing down. The only place that writes a store after a renewal.

use crate::outcome::Remedy;
use crate::outcome::Why;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tracing::{info, warn};

use crate::clock::{Moment, unix};
use crate::outcome::Outcome;
use crate::profile::{Profile, ProfileName};
use crate::providers::{Issuer, Renewal, Renewed, Revocable};
use crate::sessions::schedule::{Told, keep_alive, sign_in_end};
use crate::sessions::secrets::{Failed, refresh_of, store_trouble, stored};
use crate::sessions::shared::Shared;
use crate::sessions::verdict::{Fresh, JobOutcome, StoreTrouble};
use crate::storage::ladder::{Fell, Kept};
use crate::storage::record::{Intent, Record};
use crate::storage::state::StateError;
use crate::storage::store::{Patience, StoreError, StoreKind, Stored};
use crate::token::RefreshToken;

/// Counts logins and logouts of a profile, as the jobs see it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Generation {
    current: Arc<AtomicU64>,
    mine: u64,
}

impl Generation {
    /// The generation now; a job keeps it and asks later whether it still holds.
    pub(crate) fn take(&self) -> Self {
        Self { current: Arc::clone(&self.current), mine: self.current.load(Ordering::SeqCst) }
    }

    /// A login or logout happened: every job that runs is of the past. Returns the new count.
    pub(crate) fn advance(&self) -> u64 {
        self.current.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// True where a login or logout has happened since [`Self::take`].
    pub(crate) fn is_past(&self) -> bool {
        self.current.load(Ordering::SeqCst) != self.mine
    }

    /// `change`, unless this generation is past when it is made: a sign-out has the last word in the record.
    pub(crate) fn guarded(&self, change: impl FnOnce(&mut Record)) -> impl FnOnce(&mut Record) {
        let generation = self.clone();
        move |record| {
            if !generation.is_past() {
                change(record);
            }
        }
    }
}

/// What a renewal needs to know. All of it is the worker's, as of the start of the job.
pub(crate) struct RenewalJob {
    /// Of the session.
    pub name: ProfileName,
    /// Where the refresh token may be sent.
    pub profile: Profile,
    /// Who must be in the answer.
    pub subject: String,
    /// Asked for the renewal.
    pub issuer: Arc<dyn Issuer>,
    /// I/O.
    pub shared: Arc<Shared>,
    /// In memory; else it is read from `place`.
    pub refresh: Option<RefreshToken>,
    /// This process has got it from the provider, and has not just read it.
    pub is_own: bool,
    /// Where the secret is kept.
    pub place: Option<StoreKind>,
    /// The store has an older secret than memory.
    pub unsaved: bool,
    /// Found at start: a renewal may have been interrupted while this token was being spent.
    pub intent: Option<Intent>,
    /// Of the session.
    pub generation: Generation,
    /// One place: a worker that was started again waits for the renewal of the one that panicked, which may
    /// be spending the very token that the store still has.
    pub turn: Arc<Semaphore>,
}

/// What the worker learns from a job about the secret and its place.
#[derive(Default)]
pub(crate) struct Learned {
    /// The refresh token that is good now, where the job knows one.
    pub refresh: Option<RefreshToken>,
    /// It came from the provider, and not from the store.
    pub is_own: bool,
    /// The store refused it: it lives in memory only, and is saved again at each tick.
    pub unsaved: Option<Unsaved>,
    /// The intent could not be written: a crash would have gone unnoticed.
    pub intent_unwritten: bool,
    /// Granted to a session that had ended: to be revoked.
    pub stale: Option<Revocable>,
}

/// A secret that the store refused.
#[derive(Clone)]
pub(crate) struct Unsaved {
    /// As it shall be stored.
    pub secret: Stored,
    /// The store's word.
    pub why: String,
}

impl RenewalJob {
    /// Runs to its end; cannot be interrupted by a caller.
    pub(crate) async fn run(self) -> (JobOutcome, Learned) {
        let refresh = match self.refresh_token().await {
            Ok(refresh) => refresh,
            Err((trouble, why)) => return (JobOutcome::NoSecret(trouble, why.into()), Learned::default()),
        };
        if self.intent.as_ref().is_some_and(|intent| intent.sha256 != refresh.sha256()) {
            // The save had succeeded before the agent was interrupted; nothing was lost.
            let _ = self.clear_intent().await;
            return (JobOutcome::Settled, Learned { refresh: Some(refresh), ..Learned::default() });
        }
        let is_own = self.is_own;
        if let Err(why) = self.may_spend().await {
            return (
                self.kept_unspent(why),
                Learned { refresh: Some(refresh), is_own, ..Learned::default() },
            );
        }
        let intent_unwritten = match self.write_intent(&refresh).await {
            Err(StateError::ReadOnly(why)) if self.is_stored() && !is_own => {
                return (self.kept_unspent(why), Learned { refresh: Some(refresh), ..Learned::default() });
            }
            written => written.is_err(),
        };
        let before = refresh.sha256();
        let (sent, spent, renewal) = self.spend(refresh).await;
        let is_own = is_own && spent.sha256() == before;
        let (outcome, kept) = match renewal {
            Ok(Renewal::Granted(renewed)) => self.keep(sent, &spent, renewed).await,
            other => {
                let learned = Learned { refresh: Some(spent), is_own, ..Learned::default() };
                (self.not_renewed(other).await, learned)
            }
        };
        (outcome, Learned { intent_unwritten, ..kept })
    }

    /// The refresh token from memory or from its store, for this authority and client only.
    async fn refresh_token(&self) -> Result<RefreshToken, Failed> {
        if let Some(refresh) = &self.refresh {
            return Ok(refresh.clone());
        }
        let place = self.place.ok_or((StoreTrouble::Failed, "no refresh token is stored".to_owned()))?;
        match self.shared.ladder.load(&self.name, place).await {
            Ok(Some(stored)) => {
                // The renewed token is kept with it again.
                self.shared.passwords.found(&self.profile.network, &stored);
                refresh_of(&stored, &self.profile)
            }
            Ok(None) => {
                Err((StoreTrouble::Failed, format!("the refresh token is gone from the {}", place.as_str())))
            }
            Err(error) => Err(store_trouble(&error)),
        }
    }

    /// True where the token lies in a place that outlives this process: another agent may own it, and its
    /// successor has to be stored there.
    fn is_stored(&self) -> bool {
        !self.unsaved && self.place.is_some_and(|place| place != StoreKind::Memory)
    }

    /// A stored token is spent by its owner only, and not where its successor could not be stored: a folder that
    /// is mounted read-only into a container belongs to an agent outside. One that this process has stored itself is
    /// its own all the same: a home folder whose ticket has expired must not stop a run of a week, and the successor
    /// stays in memory until it can be stored.
    async fn may_spend(&self) -> Result<(), String> {
        let Some(place) = self.place.filter(|_| self.is_stored()) else { return Ok(()) };
        self.shared.ownership.may_spend().await?;
        if self.is_own {
            return Ok(());
        }
        self.shared.ladder.takes(place).await.map_err(|error| error.to_string())
    }

    fn kept_unspent(&self, why: String) -> JobOutcome {
        warn!(profile = %self.name, why, "the stored refresh token is not spent");
        let what = format!("the session is not renewed from here: {why}");
        JobOutcome::NoSecret(StoreTrouble::Failed, Why::with(Remedy::StoredElsewhere, what))
    }

    /// Where it cannot be written for want of room, the renewal goes on all the same: a token is worth more.
    async fn write_intent(&self, refresh: &RefreshToken) -> Result<(), StateError> {
        let intent = Intent { sha256: refresh.sha256(), at: unix(self.shared.now()) };
        let written = self.note(move |record| record.intent = Some(intent)).await;
        if let Err(error) = &written {
            warn!(profile = %self.name, %error, "the intent of a renewal could not be written");
        }
        written
    }

    async fn clear_intent(&self) -> Result<(), StateError> {
        self.note(|record| record.intent = None).await
    }

    async fn note(&self, change: impl FnOnce(&mut Record)) -> Result<(), StateError> {
        self.shared.state.update(&self.name, self.generation.guarded(change)).await
    }

    /// Spends the token. A refusal is believed only after the store was read again: another program may
    /// have put a newer token there, which is tried once.
    async fn spend(&self, refresh: RefreshToken) -> (Moment, RefreshToken, Result<Renewal, Failed>) {
        let sent = self.shared.now();
        let first = self.issuer.renew(&refresh, &self.subject).await;
        (self.shared.crash)("renewal-sent");
        let (Renewal::Rejected(_), Some(place), false) = (&first, self.place, self.unsaved) else {
            return (sent, refresh, Ok(first));
        };
        let stored = match self.shared.ladder.load(&self.name, place).await {
            Ok(stored) => stored,
            Err(error) => return (sent, refresh, Err(store_trouble(&error))),
        };
        let newer = stored.and_then(|stored| refresh_of(&stored, &self.profile).ok());
        match newer.filter(|newer| newer.sha256() != refresh.sha256()) {
            None => (sent, refresh, Ok(first)),
            Some(newer) => {
                info!(profile = %self.name, "the store holds another refresh token; it is tried once");
                let _ = self.write_intent(&newer).await;
                let sent = self.shared.now();
                let second = self.issuer.renew(&newer, &self.subject).await;
                (sent, newer, Ok(second))
            }
        }
    }

    async fn not_renewed(&self, renewal: Result<Renewal, Failed>) -> JobOutcome {
        // After a lost answer the intent stays: the token may have been spent.
        let answered = !matches!(renewal, Ok(Renewal::Unknown(_)));
        if answered {
            let _ = self.clear_intent().await;
        }
        let outcome = match renewal {
            Ok(answer) => JobOutcome::Renewed(answer.map(|renewed| fresh(self.shared.now(), renewed))),
            Err((trouble, why)) => JobOutcome::NoSecret(trouble, why.into()),
        };
        if !matches!(outcome, JobOutcome::Renewed(Outcome::Rejected(_))) {
            warn!(profile = %self.name, ?outcome, "renewal failed");
        }
        outcome
    }

    /// Saves first, then hands the access token on to be served.
    async fn keep(&self, sent: Moment, spent: &RefreshToken, renewed: Renewed) -> (JobOutcome, Learned) {
        let refresh = renewed.refresh.clone().unwrap_or_else(|| spent.clone());
        let access = renewed.access.as_ref().ok().map(|access| access.token.clone());
        let stale = || Revocable { refresh: Some(refresh.clone()), access: access.clone() };
        if self.generation.is_past() {
            return (JobOutcome::Settled, Learned { stale: Some(stale()), ..Learned::default() });
        }
        let changed = refresh.sha256() != spent.sha256() || self.unsaved;
        let saved = if changed { self.save(&refresh).await.map(Some) } else { Ok(None) };
        (self.shared.crash)("renewal-saved");
        let (place, fell) = match &saved {
            Ok(Some(kept)) => (Some(kept.kind), kept.fell.clone()),
            Ok(None) => (self.place, None),
            Err(_) => (None, None),
        };
        self.record(sent, &refresh, &renewed, place, fell).await;
        if self.generation.is_past() {
            // Signed out while saving: what was saved has to go again.
            self.remove_again(place).await;
            return (JobOutcome::Settled, Learned { stale: Some(stale()), ..Learned::default() });
        }
        let secret = || stored(&refresh, &self.profile, sent, &self.shared);
        let unsaved = saved.as_ref().err().map(|error| Unsaved { secret: secret(), why: error.to_string() });
        let outcome = JobOutcome::Renewed(Outcome::Granted(fresh(sent, renewed)));
        (outcome, Learned { refresh: Some(refresh), is_own: true, unsaved, ..Learned::default() })
    }

    async fn save(&self, refresh: &RefreshToken) -> Result<Kept, StoreError> {
        let stored = stored(refresh, &self.profile, self.shared.now(), &self.shared);
        let kept = self.shared.ladder.save(&self.name, &stored, self.place, Patience::Background).await;
        if let Err(error) = &kept {
            warn!(profile = %self.name, %error, "the new refresh token could not be stored");
        }
        kept
    }

    async fn remove_again(&self, place: Option<StoreKind>) {
        if let Some(place) = place {
            let _ = self.shared.ladder.remove(&self.name, place).await;
        }
    }

    /// New place written, then the record, then the old place emptied.
    async fn record(
        &self,
        sent: Moment,
        refresh: &RefreshToken,
        renewed: &Renewed,
        place: Option<StoreKind>,
        fell: Option<Fell>,
    ) {
        let sha256 = place.map(|_| refresh.sha256());
        let renewed_at = unix(sent);
        let ends = renewed.refresh_lifetime.map(|life: Duration| renewed_at + life.as_secs());
        let told = Told {
            at: renewed_at,
            unused_until: ends,
            lasts_until: renewed.authorization_lifetime.map(|life| renewed_at + life.as_secs()),
            same_token: renewed.refresh.is_none(),
        };
        let update = move |record: &mut Record| {
            record.intent = None;
            record.ended = None;
            record.sign_in_ends_at = sign_in_end(record, &told);
            record.last_renewed_at = Some(renewed_at);
            record.refresh_expires_at = ends;
            if let (Some(place), Some(sha256)) = (place, sha256) {
                record.keep_in(place, sha256);
            }
            if let Some(fell) = fell {
                record.fall(fell, renewed_at);
            }
        };
        if let Err(error) = self.note(update).await {
            warn!(profile = %self.name, %error, "a renewal could not be recorded");
            return;
        }
        if let Some(old) = self.place.filter(|old| place.is_some_and(|new| new != *old)) {
            empty(&self.name, old, &self.generation, &self.shared).await;
        }
    }
}

/// Empties the store that had the secret before. If that fails, the record names it until a later renewal has
/// succeeded in it.
pub(crate) async fn empty(name: &ProfileName, old: StoreKind, generation: &Generation, shared: &Shared) {
    let emptied = shared.ladder.remove(name, old).await;
    if let Err(error) = &emptied {
        info!(profile = %name, store = old.as_str(), %error, "an older token is still there");
    }
    let is_recorded = shared.state.record(name).is_some_and(|record| record.left_in == Some(old));
    if emptied.is_ok() && is_recorded {
        let update = |record: &mut Record| record.left_in = None;
        let _ = shared.state.update(name, generation.guarded(update)).await;
    }
}

/// What the session learns of a renewal that was granted.
fn fresh(sent: Moment, renewed: Renewed) -> Fresh {
    Fresh { sent, access: renewed.access, keep_alive: keep_alive(renewed.refresh_lifetime) }
}
