//! What wakes a task at a moment of the wall clock. The runtime's timers stop while the machine sleeps, so none of them
//! is trusted for long, and each wakes the process three times (once for each level of its wheel). Where the system
//! has a timer that counts the sleep and ends early when somebody sets the clock, one wake-up is enough, and it comes
//! with the end of the sleep.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;

use std::time::Duration;

use tokio::time::sleep;

#[cfg(target_os = "linux")]
use self::linux::Timer;
#[cfg(not(target_os = "linux"))]
use self::other::Timer;

/// The longest time for which a timer of the runtime is trusted.
const LONGEST: Duration = Duration::from_secs(30);

/// The same for a timer of the system. It should need no limit.
const LONGEST_OF_SYSTEM: Duration = Duration::from_secs(600);

/// See above. One task at a time rests at it.
#[derive(Debug)]
pub(crate) struct Alarm(Option<Timer>);

impl Alarm {
    /// Timers of the runtime, which tests can pause.
    pub(super) fn of_runtime() -> Self {
        Self(None)
    }

    /// A timer of the system, if it has such a one.
    pub(super) fn of_system() -> Self {
        Self(Timer::new())
    }

    /// Ends after `wait`, or sooner: when the machine has slept, when the clock was set, or when it is time to look
    /// at the clock again. Whoever rests has to look what time it is.
    pub(crate) async fn rest(&self, wait: Duration) {
        let by_system = match &self.0 {
            Some(timer) => timer.rest(wait.min(LONGEST_OF_SYSTEM)).await,
            None => false,
        };
        if !by_system {
            sleep(wait.min(LONGEST)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_system_wakes_whoever_rests() {
        let alarm = Alarm::of_system();
        assert_eq!(alarm.0.is_some(), cfg!(target_os = "linux"));
        for _ in 0..3 {
            let before = tokio::time::Instant::now();
            alarm.rest(Duration::from_millis(20)).await;
            assert!(before.elapsed() >= Duration::from_millis(19), "{:?}", before.elapsed());
        }
    }

    #[tokio::test]
    async fn a_rest_that_was_given_up_does_not_end_the_next_one() {
        let alarm = Alarm::of_system();
        for _ in 0..3 {
            let given_up =
                tokio::time::timeout(Duration::from_millis(1), alarm.rest(Duration::from_millis(5)));
            assert!(given_up.await.is_err());
            sleep(Duration::from_millis(10)).await;
            let before = tokio::time::Instant::now();
            alarm.rest(Duration::from_millis(30)).await;
            assert!(before.elapsed() >= Duration::from_millis(29), "{:?}", before.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_runtime_is_not_trusted_for_long() {
        let before = tokio::time::Instant::now();
        Alarm::of_runtime().rest(Duration::from_secs(3600)).await;
        assert_eq!(before.elapsed(), LONGEST);
    }
}
