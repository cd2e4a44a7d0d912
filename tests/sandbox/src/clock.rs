//! The sandbox's wall clock, which a test can move forward.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use chrono::{DateTime, TimeDelta, Utc};

/// The real time plus what tests have added to it.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    ahead_seconds: AtomicU32,
}

impl Clock {
    pub(crate) fn now(&self) -> DateTime<Utc> {
        #[expect(clippy::disallowed_methods, reason = "the one place of this crate that reads the time")]
        let real = DateTime::<Utc>::from(SystemTime::now());
        real + seconds(self.ahead_seconds.load(Ordering::Relaxed))
    }

    /// Moves the clock forward by `by` seconds. It never goes back, so issue times stay in the past.
    pub(crate) fn advance(&self, by: u32) {
        self.ahead_seconds.fetch_add(by, Ordering::Relaxed);
    }
}

/// A lifetime from the settings, in seconds.
pub(crate) fn seconds(count: u32) -> TimeDelta {
    TimeDelta::seconds(i64::from(count))
}
