//! Up the ladder again: what went down because a store failed goes back once that store answers. Runs after a
//! renewal, as a job of its own: by then the secret is safe where it is.
//!
//! The better place is written and read back, then the record, then the lesser place is emptied. Whatever
//! interrupts this, the place on record has the secret.

use std::sync::Arc;

use secrecy::ExposeSecret;
use seqera_agent_proto::place::token_sha256;
use tracing::{info, warn};

use crate::clock::unix;
use crate::profile::ProfileName;
use crate::sessions::renewal::{Generation, empty};
use crate::sessions::shared::Shared;
use crate::storage::ladder::StoreChoice;
use crate::storage::record::{Fallback, Record};
use crate::storage::store::{StoreKind, Stored};

/// A keychain is asked at most this often: one that comes and goes, or hangs, costs nothing then.
const PAUSE: u64 = 3600;

/// What is to be done for one profile.
pub(crate) struct Climb {
    name: ProfileName,
    /// Where the secret is, and why it is not in a better store.
    down: Option<(StoreKind, Fallback)>,
    /// The store that is to be emptied.
    left_in: Option<StoreKind>,
    asks_keychain: bool,
    generation: Generation,
    shared: Arc<Shared>,
}

impl Climb {
    /// `None` if nothing is to be done now.
    pub(crate) fn of(
        name: &ProfileName,
        record: &Record,
        generation: Generation,
        shared: &Arc<Shared>,
    ) -> Option<Self> {
        let now = unix(shared.now());
        // A time in the future was written before the clock was set back.
        let asks_keychain = record.climb_tried_at.is_none_or(|at| now >= at + PAUSE || now < at);
        let is_chosen = shared.ladder.choice() != StoreChoice::Auto;
        let down = record.store.zip(record.fallback.clone()).filter(|(store, fallback)| {
            !is_chosen
                && (*store == StoreKind::Memory || fallback.from != StoreKind::Keychain || asks_keychain)
        });
        let left_in = record.left_in.filter(|left| *left != StoreKind::Keychain || asks_keychain);
        let (name, shared) = (name.clone(), Arc::clone(shared));
        (down.is_some() || left_in.is_some()).then_some(Self {
            name,
            down,
            left_in,
            asks_keychain,
            generation,
            shared,
        })
    }

    /// Runs to its end.
    pub(crate) async fn run(self) {
        let raised = match &self.down {
            Some((now, fallback)) => self.raise(*now, fallback).await,
            None => None,
        };
        (self.shared.crash)("climb-saved");
        if self.generation.is_past() {
            // Signed out in the meantime: what was saved has to go again.
            if let Some((place, _)) = raised {
                let _ = self.shared.ladder.remove(&self.name, place).await;
            }
            return;
        }
        let is_noted = self.note(raised.as_ref()).await;
        (self.shared.crash)("climb-recorded");
        let lower = raised.and(self.down.as_ref()).map(|(store, _)| *store);
        if let Some(old) = lower.or(self.left_in).filter(|_| is_noted) {
            empty(&self.name, old, &self.generation, &self.shared).await;
        }
    }

    /// The better store that has the secret now, and the secret's hash.
    async fn raise(&self, now: StoreKind, fallback: &Fallback) -> Option<(StoreKind, String)> {
        let ladder = &self.shared.ladder;
        let secret: Stored = ladder.load(&self.name, now).await.ok()??;
        let tries = |kind| kind != StoreKind::Keychain || self.asks_keychain;
        let place = ladder.climb(&self.name, &secret, (fallback.from, now), tries).await?;
        info!(profile = %self.name, store = place.as_str(), "the secret is back in the better store");
        Some((place, token_sha256(secret.secret.open().expose_secret())))
    }

    /// False if the record is not durable.
    async fn note(&self, raised: Option<&(StoreKind, String)>) -> bool {
        let tried_at = self.asks_keychain.then(|| unix(self.shared.now()));
        let raised = raised.cloned();
        let update = move |record: &mut Record| {
            record.climb_tried_at = tried_at.or(record.climb_tried_at);
            if let Some((place, sha256)) = raised {
                record.keep_in(place, sha256);
            }
        };
        let noted = self.shared.state.update(&self.name, self.generation.guarded(update)).await;
        if let Err(error) = &noted {
            warn!(profile = %self.name, %error, "where a secret is kept could not be recorded");
        }
        noted.is_ok()
    }
}
