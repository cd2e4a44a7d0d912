//! How long to wait after a failure, and the jitter that keeps many agents from asking at the same moment.

use std::time::Duration;

/// Pauses after an answer that got lost. They are short enough to fall inside any provider's reuse window, in
/// case the first request was granted.
const AFTER_UNKNOWN: [Duration; 3] = [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(3)];

/// A number in `0.0..1.0`. The caller draws it, so that a [`Backoff`] stays pure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Jitter(pub(crate) f64);

impl Jitter {
    /// The middle, for tests.
    #[cfg(test)]
    pub(crate) const HALF: Self = Self(0.5);

    /// Maps a random `u32` to `0.0..1.0`.
    pub(crate) fn from_draw(draw: u32) -> Self {
        Self(f64::from(draw) / (f64::from(u32::MAX) + 1.0))
    }
}

/// Draws a jitter. If the system has no randomness to give, the middle is good enough.
pub(crate) fn jitter() -> Jitter {
    Jitter::from_draw(getrandom::u32().unwrap_or(u32::MAX / 2))
}

/// Counts the failures in a row and says how long to wait after each. Only a success resets it: its owner then
/// drops this value and starts with a new one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Backoff {
    failures: u32,
    unknowns: usize,
}

impl Backoff {
    /// The pause after a failure: 1 s, doubling up to 60 s, with full jitter. `Retry-After` is honoured between
    /// 1 s and 10 min.
    pub(crate) fn after_failure(&mut self, retry_after: Option<Duration>, jitter: Jitter) -> Duration {
        let ceiling = Duration::from_secs(1 << self.failures.min(6)).min(Duration::from_secs(60));
        self.failures = self.failures.saturating_add(1);
        match retry_after {
            Some(after) => after.clamp(Duration::from_secs(1), Duration::from_secs(600)),
            // Full jitter may draw zero; a failing provider must not be asked in a tight loop.
            None => ceiling.mul_f64(jitter.0).max(Duration::from_millis(100)),
        }
    }

    /// The pause after a request whose answer got lost: none, 1 s, 3 s, then as after any failure.
    pub(crate) fn after_unknown(&mut self, jitter: Jitter) -> Duration {
        let quick = AFTER_UNKNOWN.get(self.unknowns).copied();
        self.unknowns += 1;
        quick.unwrap_or_else(|| self.after_failure(None, jitter))
    }
}
