//! The wall clock and the monotonic clock, read as one value.
//!
//! The wall clock keeps counting through a suspend but can be set back; the monotonic clock cannot be set back
//! but stops while the machine sleeps. The remaining life of a token needs both
//! ([Remaining life](crate::manual::sessions#remaining-life)).

mod alarm;

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) use self::alarm::Alarm;

/// The most by which a clock that is looked after is set back.
const CORRECTION: Duration = Duration::from_secs(60);

/// A moment by both clocks. Only moments of the same process can be compared; the wall clock's part still means
/// something after the process has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub wall: SystemTime,
    /// Monotonic time since this process started.
    pub mono: Duration,
}

impl Moment {
    /// The time since `earlier`: the longer of the two counts, because for a token it is safer to overestimate
    /// its age.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        let wall = self.wall.duration_since(earlier.wall).unwrap_or_default();
        wall.max(self.mono.saturating_sub(earlier.mono))
    }

    /// This moment moved ahead by `by` on both clocks.
    pub(crate) fn plus(self, by: Duration) -> Self {
        Self { wall: self.wall + by, mono: self.mono + by }
    }

    /// The moment at which the wall clock showed or will show `wall`. The monotonic part is an estimate from
    /// this moment.
    pub(crate) fn at_wall(self, wall: SystemTime) -> Self {
        let mono = match wall.duration_since(self.wall) {
            Ok(ahead) => self.mono + ahead,
            Err(behind) => self.mono.saturating_sub(behind.duration()),
        };
        Self { wall, mono }
    }

    /// True if a recorded time lies ahead of the wall clock by more than clocks are corrected by: when it was written,
    /// the clock was wrong, or it is now.
    pub(crate) fn is_before(self, recorded: SystemTime) -> bool {
        recorded.duration_since(self.wall).is_ok_and(|ahead| ahead > CORRECTION)
    }

    /// True once either clock has reached `due`.
    pub(crate) fn reached(self, due: Self) -> bool {
        self.wall >= due.wall || self.mono >= due.mono
    }

    /// How long until `due` by the clock that reaches it first; zero if it has passed.
    pub(crate) fn until(self, due: Self) -> Duration {
        let wall = due.wall.duration_since(self.wall).unwrap_or_default();
        wall.min(due.mono.saturating_sub(self.mono))
    }
}

/// Unix time in seconds, as the state files write it.
pub(crate) fn unix(moment: Moment) -> u64 {
    moment.wall.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

/// The inverse of [`unix`]. A number out of range, as a damaged file may hold, is cut at the last second of the
/// year 9999, so that adding to the result cannot overflow.
pub(crate) fn from_unix(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds.min(253_402_300_799))
}

/// A time that somebody else wrote, to the second; `None` before 1970. Windows has no times before 1601, and a
/// conversion panics there.
pub(crate) fn from_timestamp(told: jiff::Timestamp) -> Option<SystemTime> {
    u64::try_from(told.as_second()).ok().map(from_unix)
}

/// The only way to read the time: `.clippy.toml` bans the others, so that tests can set the clock.
pub(crate) trait Clock: Send + Sync {
    /// Reads both clocks.
    fn now(&self) -> Moment;

    /// What wakes a task that waits for a moment of these clocks.
    fn alarm(&self) -> Alarm {
        Alarm::of_runtime()
    }
}

/// Waits until either clock has reached `due`. It looks at least once a second, because a timer set for the
/// whole time would not count the hours that the machine slept.
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
    offset: WallOffset,
    held: OnceLock<Moment>,
}

/// What is added to the wall clock: the file named here holds a whole number of seconds. `held` in its place stops
/// both clocks, as a machine that sleeps does. Debug builds take its name from `SEQERA_AGENT_CLOCK_OFFSET`. The file
/// is read each time the clock is, so that a test from outside can make the clock jump.
#[derive(Debug, Clone, Default)]
pub(crate) struct WallOffset(pub Option<PathBuf>);

impl WallOffset {
    fn text(&self) -> Option<String> {
        std::fs::read_to_string(self.0.as_ref()?).ok()
    }
}

const HELD: &str = "held";

impl SystemClock {
    /// Starts counting monotonic time.
    pub(crate) fn new(offset: WallOffset) -> Self {
        Self { start: tokio::time::Instant::now(), offset, held: OnceLock::new() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
        let wall = SystemTime::now();
        let text = self.offset.text().unwrap_or_default();
        let seconds = text.trim().parse().unwrap_or_default();
        let now = Moment { wall: shift(wall, seconds), mono: self.start.elapsed() };
        if text.trim() == HELD { *self.held.get_or_init(|| now) } else { now }
    }

    fn alarm(&self) -> Alarm {
        // The system does not know of the offset.
        if self.offset.0.is_some() { Alarm::of_runtime() } else { Alarm::of_system() }
    }
}

fn shift(wall: SystemTime, seconds: i64) -> SystemTime {
    let by = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { wall - by } else { wall + by }
}

/// A clock for tests. The monotonic part follows tokio's clock, which tests pause; the wall part is the same
/// plus an offset that the test changes. Moving the offset ahead simulates a suspend.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct FakeClock {
    start: tokio::time::Instant,
    offset: std::sync::atomic::AtomicI64,
}

#[cfg(test)]
impl FakeClock {
    /// Starts at 2026-01-01T00:00:00Z, so that a failing test prints times that a person can read.
    pub(crate) fn new() -> std::sync::Arc<Self> {
        std::sync::Arc::new(Self {
            start: tokio::time::Instant::now(),
            offset: std::sync::atomic::AtomicI64::new(1_767_225_600),
        })
    }

    /// Moves the wall clock by this many seconds and leaves the monotonic clock alone.
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
