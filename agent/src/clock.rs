//! The two clocks of this host as one value.
//!
//! The wall clock sees a suspend but can be set back; the monotonic clock cannot be set back but stops while
//! a machine sleeps. Whoever asks how long a token still lives needs both ([Remaining life](crate::manual::sessions#remaining-life)).

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment by both clocks. Moments of one process can be compared; the wall part alone outlives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Wall clock.
    pub wall: SystemTime,
    /// Monotonic clock, counted from the start of this process.
    pub mono: Duration,
}

impl Moment {
    /// Time since `earlier`: the larger of both counts, because too long is the safe side for a token.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        let wall = self.wall.duration_since(earlier.wall).unwrap_or_default();
        wall.max(self.mono.saturating_sub(earlier.mono))
    }

    /// This moment and `by`, on both clocks.
    pub(crate) fn plus(self, by: Duration) -> Self {
        Self { wall: self.wall + by, mono: self.mono + by }
    }

    /// The moment at which `wall` was or will be, seen from here; only its wall part is exact.
    pub(crate) fn at_wall(self, wall: SystemTime) -> Self {
        let mono = match wall.duration_since(self.wall) {
            Ok(ahead) => self.mono + ahead,
            Err(behind) => self.mono.saturating_sub(behind.duration()),
        };
        Self { wall, mono }
    }

    /// True when either clock has reached `due`.
    pub(crate) fn reached(self, due: Self) -> bool {
        self.wall >= due.wall || self.mono >= due.mono
    }

    /// How long until `due` by the clock that reaches it first; zero when it has passed.
    pub(crate) fn until(self, due: Self) -> Duration {
        let wall = due.wall.duration_since(self.wall).unwrap_or_default();
        wall.min(due.mono.saturating_sub(self.mono))
    }
}

/// Seconds since 1970, as the state files write times.
pub(crate) fn unix(moment: Moment) -> u64 {
    moment.wall.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

/// The time of [`unix`]. A damaged number is cut at the last second of the year 9999, so that sums with it
/// stay times.
pub(crate) fn from_unix(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds.min(253_402_300_799))
}

/// Gives the time. The only door to it: a lint bans the others.
pub(crate) trait Clock: Send + Sync {
    /// Both clocks, read together.
    fn now(&self) -> Moment;
}

/// Waits until either clock has reached `due`. It looks at least once a second: a timer that was set for the
/// whole time would not count the hours that a machine slept.
pub(crate) async fn reached(clock: &dyn Clock, due: Moment) {
    loop {
        let now = clock.now();
        if now.reached(due) {
            return;
        }
        tokio::time::sleep(now.until(due).min(Duration::from_secs(1))).await;
    }
}

/// The clocks of the operating system.
#[derive(Debug)]
pub(crate) struct SystemClock {
    start: tokio::time::Instant,
    /// Added to the wall clock.
    offset: WallOffset,
}

/// How far the wall clock is moved: a file with a whole number of seconds, which debug builds take from
/// `SEQERA_AGENT_CLOCK_OFFSET`. It is read at each look, so that a test from outside makes the clock jump.
#[derive(Debug, Clone, Default)]
pub(crate) struct WallOffset(pub Option<PathBuf>);

impl WallOffset {
    fn seconds(&self) -> i64 {
        let text = self.0.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
        text.and_then(|text| text.trim().parse().ok()).unwrap_or_default()
    }
}

impl SystemClock {
    /// Starts the monotonic count.
    pub(crate) fn new(offset: WallOffset) -> Self {
        Self { start: tokio::time::Instant::now(), offset }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
        let wall = SystemTime::now();
        Moment { wall: shift(wall, self.offset.seconds()), mono: self.start.elapsed() }
    }
}

fn shift(wall: SystemTime, seconds: i64) -> SystemTime {
    let by = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { wall - by } else { wall + by }
}

/// A clock for tests: the monotonic part follows tokio's (pausable) clock, the wall part is that plus an
/// offset which the test moves. A suspend is "move the offset ahead".
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct FakeClock {
    start: tokio::time::Instant,
    offset: std::sync::atomic::AtomicI64,
}

#[cfg(test)]
impl FakeClock {
    /// Starts at 2026-01-01T00:00:00Z, so that a failing test prints times a person can read.
    pub(crate) fn new() -> std::sync::Arc<Self> {
        std::sync::Arc::new(Self {
            start: tokio::time::Instant::now(),
            offset: std::sync::atomic::AtomicI64::new(1_767_225_600),
        })
    }

    /// Moves the wall clock by so many seconds; the monotonic clock does not see it.
    pub(crate) fn jump(&self, seconds: i64) {
        self.offset.fetch_add(seconds, std::sync::atomic::Ordering::SeqCst);
    }
}

#[cfg(test)]
impl Clock for FakeClock {
    fn now(&self) -> Moment {
        let mono = self.start.elapsed();
        let offset = self.offset.load(std::sync::atomic::Ordering::SeqCst);
        Moment { wall: shift(SystemTime::UNIX_EPOCH + mono, offset), mono }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_larger_of_both_counts_is_the_age() {
        let clock = FakeClock::new();
        let start = clock.now();
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(clock.now().since(start), Duration::from_secs(10));
        clock.jump(3600);
        assert_eq!(clock.now().since(start), Duration::from_secs(3610));
        clock.jump(-7200);
        assert_eq!(clock.now().since(start), Duration::from_secs(10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_due_time_is_reached_by_whichever_clock_is_first() {
        let clock = FakeClock::new();
        let due = clock.now().plus(Duration::from_secs(60));
        assert_eq!(clock.now().until(due), Duration::from_secs(60));
        clock.jump(61);
        assert!(clock.now().reached(due));
        clock.jump(-3600);
        assert!(!clock.now().reached(due));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(clock.now().reached(due));
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_a_due_time_sees_a_suspend_within_a_second() {
        let clock = FakeClock::new();
        let start = tokio::time::Instant::now();
        let due = clock.now().plus(Duration::from_secs(300));
        let suspend = async {
            tokio::time::sleep(Duration::from_millis(1500)).await;
            clock.jump(3600);
        };
        tokio::join!(reached(&*clock, due), suspend);
        assert!(start.elapsed() <= Duration::from_secs(3), "{:?}", start.elapsed());
    }
}
