//! How a connection learns that it has to make room.

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::lock::lock;

/// Where many are leaving, those are cut that have been asked this long ago: a call that was on its way at the goodbye
/// is served to its end only while nobody needs its place.
pub(super) const HURRIED: Duration = Duration::from_millis(250);

/// Tells a connection to make room.
#[derive(Debug, Default)]
pub(crate) struct Leave {
    told: Notify,
    asked: Mutex<Option<Asked>>,
}

/// How a connection was asked to leave.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) how: Leaving,
    since: Instant,
    /// Its calls count no longer, although they have not ended yet.
    pub(super) uncounted: bool,
}

/// How a connection makes room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// It serves nothing, and says goodbye (GOAWAY).
    Idle,
    /// It is cut, with what it serves.
    Busy,
    /// It serves nothing, or nothing that has arrived whole, and is cut: there is no time for a goodbye.
    Cut,
}

impl Leave {
    pub(super) fn tell(&self, how: Leaving, uncounted: bool) {
        *lock(&self.asked) = Some(Asked { how, since: Instant::now(), uncounted });
        self.told.notify_one();
    }

    pub(super) fn asked(&self) -> Option<Asked> {
        *lock(&self.asked)
    }

    /// Cuts a connection that was asked some time ago.
    pub(super) fn hurry(&self) {
        let is_late = |asked: &Asked| asked.how == Leaving::Idle && asked.since.elapsed() >= HURRIED;
        if let Some(asked) = self.asked().filter(is_late) {
            self.tell(Leaving::Busy, asked.uncounted);
        }
    }

    /// Waits until this connection is told to make room, or told so again. For one listener.
    pub(crate) async fn told(&self) -> Leaving {
        loop {
            self.told.notified().await;
            if let Some(asked) = self.asked() {
                return asked.how;
            }
        }
    }
}
