//! The wall clock of the sandbox, which a test can push forward.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use chrono::{DateTime, TimeDelta, Utc};

/// The real time plus what a test has added to it.
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

    /// Lets `by` seconds pass at once. It never goes back: issued times stay in the past.
    pub(crate) fn advance(&self, by: u32) {
        self.ahead_seconds.fetch_add(by, Ordering::Relaxed);
    }
}

/// A lifetime from the settings, in seconds.
pub(crate) fn seconds(count: u32) -> TimeDelta {
    TimeDelta::seconds(i64::from(count))
}
