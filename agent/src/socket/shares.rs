//! Who holds how much of what the agent can serve. A process has a share of it, and idle connections make room
//! for new ones, so that no program can keep the others from their tokens, neither by many connections nor by
//! calls that never end.

mod seat;
mod table;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, futures::Notified};
use tokio::time::Instant;

use crate::lock::lock;
use crate::socket::activity::Activity;
use crate::socket::limits::{Allowance, Limits};
use crate::socket::shares::table::Table;
use crate::socket::turns::Turns;

pub(crate) use self::seat::{CallKind, Receiving, Seat, Ticket};

/// Connections that are only told that their process has too many. Further ones are hung up on.
const MOST_REFUSED: usize = 16;

/// Where many are leaving, those are cut that have been asked this long ago: a call that was on its way at the goodbye
/// is served to its end only while nobody needs its place.
const HURRIED: Duration = Duration::from_millis(250);

/// Who has a share of what the agent can serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Holder {
    /// One process.
    Process(u32),
    /// All processes of a user whose pids are unknown.
    User(u32),
}

/// The table of all connections and calls.
#[derive(Debug)]
pub(crate) struct Shares {
    limits: Limits,
    table: Mutex<Table>,
    /// Told whenever a connection or a call ends.
    freed: Notify,
    /// Told when most of a burst is over.
    settled: Notify,
    turns: Turns<Holder>,
}

/// What becomes of a new connection.
#[derive(Debug)]
pub(crate) enum Admission {
    /// It is served.
    Seat(Arc<Seat>),
    /// Its process holds too much; it is told so, or hung up on where too many are being told.
    Refused(Option<Arc<Seat>>),
    /// Nobody can make room now. It waits until something has been freed.
    Full,
}

/// Tells a connection to make room.
#[derive(Debug, Default)]
pub(crate) struct Leave {
    told: Notify,
    asked: Mutex<Option<Asked>>,
}

/// How a connection was asked to leave.
#[derive(Debug, Clone, Copy)]
struct Asked {
    how: Leaving,
    since: Instant,
    /// Its calls count no longer, although they have not ended yet.
    uncounted: bool,
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
    fn tell(&self, how: Leaving, uncounted: bool) {
        *lock(&self.asked) = Some(Asked { how, since: Instant::now(), uncounted });
        self.told.notify_one();
    }

    fn asked(&self) -> Option<Asked> {
        *lock(&self.asked)
    }

    /// Cuts a connection that was asked some time ago.
    fn hurry(&self) {
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

impl Shares {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        let (freed, settled) = (Notify::new(), Notify::new());
        Arc::new(Self { limits, table: Mutex::default(), freed, settled, turns: Turns::new() })
    }

    /// Seats a new connection, and makes room for it where that is possible: its own process' oldest idle
    /// connection goes where that process has its share, else the oldest idle one of whoever holds the most. If
    /// none is idle, the newest of the biggest holder is cut, so that one who has nothing always gets in.
    pub(crate) fn admit(self: &Arc<Self>, holder: Holder, activity: &Arc<Activity>) -> Admission {
        let mut table = self.table();
        let own = table.held(holder).connections;
        if own >= self.share(holder).connections && !table.dismiss_idle(Some(holder)) {
            return self.refuse(&mut table, holder);
        }
        if table.total.connections >= self.limits.total.connections
            && !table.dismiss_idle(None)
            && !table.cut_biggest(own)
        {
            // Whoever holds some must not keep others out of the queue by waiting at its head.
            return if own > 0 { self.refuse(&mut table, holder) } else { Admission::Full };
        }
        table.keep_few_idle(self.limits.idle);
        let seat = self.seat(&mut table, holder, false);
        table.add(seat.number, holder, activity, &seat.leave);
        Admission::Seat(seat)
    }

    fn refuse(self: &Arc<Self>, table: &mut Table, holder: Holder) -> Admission {
        if table.refused >= MOST_REFUSED {
            return Admission::Refused(None);
        }
        table.refused += 1;
        Admission::Refused(Some(self.seat(table, holder, true)))
    }

    fn seat(self: &Arc<Self>, table: &mut Table, holder: Holder, refused: bool) -> Arc<Seat> {
        table.note_peak(1);
        let (number, leave) = (table.number(), Arc::new(Leave::default()));
        Arc::new(Seat { shares: Arc::clone(self), holder, number, leave, refused })
    }

    /// Asks the oldest idle connection to leave, because no descriptor is left.
    pub(crate) fn make_room(&self) {
        self.table().dismiss_idle(None);
    }

    /// Completes when something is freed after this call.
    pub(crate) fn freed(&self) -> Notified<'_> {
        self.freed.notified()
    }

    /// Completes when most of a burst of connections or calls is over. For one listener.
    pub(crate) async fn settled(&self) {
        self.settled.notified().await;
    }

    /// Lets others know that a connection or a call has ended.
    fn tell(&self, mut table: MutexGuard<'_, Table>) {
        let is_settled = table.is_settled();
        drop(table);
        self.freed.notify_one();
        if is_settled {
            self.settled.notify_one();
        }
    }

    fn share(&self, holder: Holder) -> Allowance {
        match holder {
            Holder::Process(_) => self.limits.process,
            Holder::User(_) => self.limits.unknown,
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        lock(&self.table)
    }

    /// The number of connections and of calls.
    #[cfg(test)]
    pub(crate) fn held(&self) -> (usize, usize) {
        let table = self.table();
        (table.connections(), table.total.calls)
    }

    /// True if nothing is remembered of anybody.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.table().is_empty()
    }
}

#[cfg(test)]
mod tests;
