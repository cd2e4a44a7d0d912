//! Counts the running calls, and measures how long there have been none. This decides when a connection is
//! closed, when an agent that holds nothing exits, and when one hands over to a new version of its program.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

/// Counts the calls of one connection, or of the whole agent.
#[derive(Debug)]
pub(crate) struct Activity {
    calls: Mutex<Calls>,
    begun: Notify,
}

#[derive(Debug)]
struct Calls {
    running: usize,
    /// How many of them last as long as the caller likes.
    lasting: usize,
    /// True once a byte has come.
    heard: bool,
    /// True once a call has been made.
    any: bool,
    /// When the last call began or ended; before the first call, when counting began.
    changed: Instant,
    /// The same without the calls that last.
    answered: Instant,
}

impl Activity {
    /// Starts counting now, with no call running.
    pub(crate) fn new() -> Arc<Self> {
        let now = Instant::now();
        let calls = Mutex::new(Calls {
            running: 0,
            lasting: 0,
            heard: false,
            any: false,
            changed: now,
            answered: now,
        });
        Arc::new(Self { calls, begun: Notify::new() })
    }

    /// Counts a call as running until the guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Running {
        let mut calls = self.calls();
        calls.running += 1;
        calls.any = true;
        calls.changed = Instant::now();
        calls.answered = calls.changed;
        drop(calls);
        self.begun.notify_waiters();
        Running { of: Arc::clone(self), lasts: false }
    }

    /// Completes when a call begins after this.
    pub(crate) fn begun(&self) -> Notified<'_> {
        self.begun.notified()
    }

    /// How long no call has run; zero while one runs.
    pub(crate) fn quiet_for(&self) -> Duration {
        let calls = self.calls();
        if calls.running > 0 { Duration::ZERO } else { calls.changed.elapsed() }
    }

    /// The same, as if there were no calls that last: those who make them call again when they break off.
    pub(crate) fn unasked_for(&self) -> Duration {
        let calls = self.calls();
        if calls.running > calls.lasting { Duration::ZERO } else { calls.answered.elapsed() }
    }

    /// Notes that the caller has begun to speak.
    pub(crate) fn hear(&self) {
        self.calls().heard = true;
    }

    /// True once the caller has begun to speak.
    pub(crate) fn heard(&self) -> bool {
        let calls = self.calls();
        calls.heard || calls.any
    }

    /// True once a call has been made.
    pub(crate) fn any(&self) -> bool {
        self.calls().any
    }

    /// Ignores poisoning, since no code that can panic runs under this lock.
    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The guard of a running call.
#[derive(Debug)]
pub(crate) struct Running {
    of: Arc<Activity>,
    lasts: bool,
}

impl Running {
    /// The call lasts as long as its caller likes.
    pub(crate) fn lasts(&mut self) {
        if !std::mem::replace(&mut self.lasts, true) {
            self.of.calls().lasting += 1;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut calls = self.of.calls();
        calls.running -= 1;
        calls.changed = Instant::now();
        if self.lasts {
            calls.lasting -= 1;
        } else {
            calls.answered = calls.changed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn quiet_counts_from_the_end_of_the_last_call() {
        let activity = Activity::new();
        assert!(!activity.any());
        let (first, second) = (activity.begin(), activity.begin());
        tokio::time::advance(Duration::from_secs(60)).await;
        drop(first);
        assert_eq!(activity.quiet_for(), Duration::ZERO);
        drop(second);
        tokio::time::advance(Duration::from_secs(7)).await;
        assert_eq!(activity.quiet_for(), Duration::from_secs(7));
        assert!(activity.any());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_lasts_does_not_count_where_only_questions_do() {
        let activity = Activity::new();
        let mut watcher = activity.begin();
        watcher.lasts();
        watcher.lasts();
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!((activity.quiet_for(), activity.unasked_for()), (Duration::ZERO, Duration::from_secs(5)));
        let question = activity.begin();
        assert_eq!(activity.unasked_for(), Duration::ZERO);
        drop(question);
        tokio::time::advance(Duration::from_secs(1)).await;
        drop(watcher);
        assert_eq!((activity.quiet_for(), activity.unasked_for()), (Duration::ZERO, Duration::from_secs(1)));
    }
}
