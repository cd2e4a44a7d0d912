//! How long to wait after a failure, and the randomness that keeps many agents from asking at the same moment.

use std::time::Duration;

/// Pauses after an answer that got lost: inside any reuse window, in case the first one was granted.
const AFTER_UNKNOWN: [Duration; 3] = [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(3)];

/// A number in `0.0..1.0`, drawn by the caller, so that this module stays pure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Jitter(pub(crate) f64);

impl Jitter {
    /// The middle, for tests.
    #[cfg(test)]
    pub(crate) const HALF: Self = Self(0.5);

    /// Takes the fraction of `draw` in the range of `u32`.
    pub(crate) fn from_draw(draw: u32) -> Self {
        Self(f64::from(draw) / (f64::from(u32::MAX) + 1.0))
    }
}

/// A fresh jitter. Without randomness the middle is as good.
pub(crate) fn jitter() -> Jitter {
    Jitter::from_draw(getrandom::u32().unwrap_or(u32::MAX / 2))
}

/// How often in a row something failed, and what that means for the next attempt. Only a success, which
/// drops the count, makes the next failure a first one again.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Backoff {
    failures: u32,
    unknowns: usize,
}

impl Backoff {
    /// 1 s doubling to 60 s with full jitter; `Retry-After` is obeyed within 1 s to 10 min.
    pub(crate) fn after_failure(&mut self, retry_after: Option<Duration>, jitter: Jitter) -> Duration {
        let ceiling = Duration::from_secs(1 << self.failures.min(6)).min(Duration::from_secs(60));
        self.failures = self.failures.saturating_add(1);
        match retry_after {
            Some(told) => told.clamp(Duration::from_secs(1), Duration::from_secs(600)),
            // Full jitter, but never so short that a failing provider is asked in a loop.
            None => ceiling.mul_f64(jitter.0).max(Duration::from_millis(100)),
        }
    }

    /// At once, after 1 s, after 3 s, then as any failure.
    pub(crate) fn after_unknown(&mut self, jitter: Jitter) -> Duration {
        let quick = AFTER_UNKNOWN.get(self.unknowns).copied();
        self.unknowns += 1;
        quick.unwrap_or_else(|| self.after_failure(None, jitter))
    }
}
