//! Waits on conditions. This is the only place in the tests that looks at a clock or sleeps.

use std::time::{Duration, Instant};

/// Short enough not to slow any test down, long enough to leave the processor to whoever is waited for.
const PAUSE: Duration = Duration::from_millis(10);

/// Waits until `condition` returns a value.
///
/// # Panics
///
/// When time runs out. The message says `what` was waited for.
#[track_caller]
pub fn eventually<T>(limit: Duration, what: &str, condition: impl FnMut() -> Option<T>) -> T {
    let Some(value) = within(limit, condition) else { panic!("not within {limit:?}: {what}") };
    value
}

/// Waits until `condition` returns a value. `None` if time runs out.
pub fn within<T>(limit: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let watch = Stopwatch::start();
    loop {
        if let Some(value) = condition() {
            return Some(value);
        }
        if watch.elapsed() >= limit {
            return None;
        }
        pause(PAUSE);
    }
}

/// Measures how long something takes.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[expect(clippy::disallowed_methods, reason = "tests of real programs measure real time, here only")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

#[expect(clippy::disallowed_methods, reason = "the pause between two looks at a condition")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}
