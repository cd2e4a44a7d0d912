//! What has happened so far, for tests that count or wait.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::call::{Call, Target};

/// What the sandbox did, beyond the calls themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Events {
    /// Codes that were exchanged for tokens.
    pub code_exchanges: u64,
    /// Device codes that were exchanged for tokens.
    pub device_grants: u64,
    /// Renewals that succeeded.
    pub refreshes: u64,
    /// Refresh tokens that were used again after they were replaced.
    pub reuses: u64,
    /// Families that ended because of such a reuse.
    pub families_revoked: u64,
    /// Live tokens that were revoked.
    pub revocations: u64,
}

/// The answer to `GET /_sandbox/stats`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Always true: this is not a real Platform.
    pub sandbox: bool,
    /// Calls of the discovery document.
    pub discovery: u64,
    /// Calls of the sign-in page.
    pub authorize: u64,
    /// Calls with a refresh token, whatever the outcome.
    pub refresh_attempts: u64,
    /// Calls of `/user-info`.
    pub user_info: u64,
    /// What the calls led to.
    #[serde(flatten)]
    pub events: Events,
    /// All calls that have arrived, by kind.
    pub calls: BTreeMap<Call, u64>,
    /// Refresh tokens that can still be used.
    pub tokens_alive: usize,
    /// Access tokens that the Platform would still accept.
    pub access_alive: usize,
}

/// How far a call has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// It has been read.
    #[default]
    Arrived,
    /// It has taken effect, but a fault may still hold back or spoil the answer.
    InEffect,
}

#[derive(Debug, Default)]
struct Counts {
    arrived: BTreeMap<Call, u64>,
    in_effect: BTreeMap<Call, u64>,
    events: Events,
}

impl Counts {
    fn of(&self, target: Target, stage: Stage) -> u64 {
        let counts = match stage {
            Stage::Arrived => &self.arrived,
            Stage::InEffect => &self.in_effect,
        };
        counts.iter().filter(|(call, _)| target.covers(**call)).map(|(_, count)| count).sum()
    }
}

/// Counts calls, and wakes those who wait for a count.
#[derive(Debug)]
pub(crate) struct Counter {
    counts: watch::Sender<Counts>,
}

impl Counter {
    pub(crate) fn new() -> Self {
        Self { counts: watch::Sender::new(Counts::default()) }
    }

    pub(crate) fn arrive(&self, call: Call) {
        self.counts.send_modify(|counts| *counts.arrived.entry(call).or_default() += 1);
    }

    pub(crate) fn take_effect(&self, call: Call) {
        self.counts.send_modify(|counts| *counts.in_effect.entry(call).or_default() += 1);
    }

    pub(crate) fn note(&self, change: impl FnOnce(&mut Events)) {
        self.counts.send_modify(|counts| change(&mut counts.events));
    }

    pub(crate) fn reset(&self) {
        self.counts.send_replace(Counts::default());
    }

    pub(crate) fn count(&self, target: Target, stage: Stage) -> u64 {
        self.counts.borrow().of(target, stage)
    }

    /// Waits until so many calls have reached the stage, counted from the start or the last reset.
    pub(crate) async fn wait_for(&self, target: Target, stage: Stage, count: u64) {
        let enough = |counts: &Counts| counts.of(target, stage) >= count;
        // This fails only if the sender is gone, and the sender is ours.
        let _ = self.counts.subscribe().wait_for(enough).await;
    }

    pub(crate) fn report(&self, tokens_alive: usize, access_alive: usize) -> Stats {
        let counts = self.counts.borrow();
        let arrived = |call| counts.arrived.get(&call).copied().unwrap_or_default();
        Stats {
            sandbox: true,
            discovery: arrived(Call::Discovery),
            authorize: arrived(Call::Authorize),
            refresh_attempts: arrived(Call::Refresh),
            user_info: arrived(Call::UserInfo),
            events: counts.events,
            calls: counts.arrived.clone(),
            tokens_alive,
            access_alive,
        }
    }
}
