//! Who holds how much of what the agent can serve. A process has a share of it, and idle connections make room
//! for new ones, so that no program can keep the others from their tokens, neither by many connections nor by
//! calls that never end.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, futures::Notified};

use crate::error::{AgentError, ErrorKind};
use crate::lock::lock;
use crate::socket::activity::Activity;
use crate::socket::limits::{Allowance, Limits};

/// A connection that has never been used makes room only after this time: its first request may be on its way.
const FRESH: Duration = Duration::from_secs(1);

/// Connections that are only told that their process has too many. Further ones are hung up on.
const MOST_REFUSED: usize = 16;

/// From this many connections and calls on, what is left of them in memory is worth giving back.
const BURST: usize = 16;

/// Connections that have been asked to leave and are still there. They hold descriptors beyond the limit.
const MOST_LEAVING: usize = 32;

/// Who has a share of what the agent can serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
}

#[derive(Debug, Default)]
struct Table {
    holders: HashMap<Holder, Held>,
    total: Held,
    refused: usize,
    leaving: usize,
    /// The connections by their numbers, which rise with time.
    seated: BTreeMap<u64, Seated>,
    last: u64,
    /// The most connections and calls at a time since the last burst.
    peak: usize,
}

/// What somebody holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Held {
    connections: usize,
    calls: usize,
    lasting: usize,
    logins: usize,
}

#[derive(Debug)]
struct Seated {
    holder: Holder,
    activity: Arc<Activity>,
    leave: Arc<Leave>,
}

/// Tells a connection to make room.
#[derive(Debug, Default)]
pub(crate) struct Leave {
    told: Notify,
    how: Mutex<Option<Leaving>>,
}

/// How a connection makes room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// It serves nothing, and says goodbye (GOAWAY).
    Idle,
    /// It is cut, with what it serves.
    Busy,
}

impl Leave {
    fn tell(&self, how: Leaving) {
        *lock(&self.how) = Some(how);
        self.told.notify_one();
    }

    /// Waits until this connection is told to make room. For one listener.
    pub(crate) async fn told(&self) -> Leaving {
        loop {
            self.told.notified().await;
            if let Some(how) = *lock(&self.how) {
                return how;
            }
        }
    }
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

/// What a call is, as far as the shares are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallKind {
    /// It ends by itself.
    Plain,
    /// It lasts as long as the caller likes.
    Lasting,
    /// It lasts, and holds listeners.
    Login,
}

impl Shares {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, table: Mutex::default(), freed: Notify::new(), settled: Notify::new() })
    }

    /// Seats a new connection, and makes room for it where that is possible: its own process' oldest idle
    /// connection goes where that process has its share, else the oldest idle one of whoever holds the most. If
    /// none is idle, the newest of the biggest holder is cut, so that one who has nothing always gets in.
    pub(crate) fn admit(self: &Arc<Self>, holder: Holder, activity: &Arc<Activity>) -> Admission {
        let mut table = self.table();
        let own = table.held(holder).connections;
        if own >= self.share(holder).connections && !table.dismiss_idle(Some(holder)) {
            return self.refuse(&mut table, holder, activity);
        }
        if table.total.connections >= self.limits.total.connections
            && !table.dismiss_idle(None)
            && !table.cut_biggest(own)
        {
            // Whoever holds some must not keep others out of the queue by waiting at its head.
            return if own > 0 { self.refuse(&mut table, holder, activity) } else { Admission::Full };
        }
        table.change(holder, |held| held.connections += 1);
        Admission::Seat(self.seat(&mut table, holder, activity, Some(holder)))
    }

    fn refuse(self: &Arc<Self>, table: &mut Table, holder: Holder, activity: &Arc<Activity>) -> Admission {
        if table.refused >= MOST_REFUSED {
            return Admission::Refused(None);
        }
        table.refused += 1;
        Admission::Refused(Some(self.seat(table, holder, activity, None)))
    }

    fn seat(
        self: &Arc<Self>,
        table: &mut Table,
        holder: Holder,
        activity: &Arc<Activity>,
        counted: Option<Holder>,
    ) -> Arc<Seat> {
        table.last += 1;
        table.note_peak(1);
        let (number, leave) = (table.last, Arc::new(Leave::default()));
        if counted.is_some() {
            let seated = Seated { holder, activity: Arc::clone(activity), leave: Arc::clone(&leave) };
            table.seated.insert(number, seated);
        }
        Arc::new(Seat { shares: Arc::clone(self), holder, number, leave, refused: counted.is_none() })
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
        (table.seated.len() + table.refused + table.leaving, table.total.calls)
    }

    /// True if nothing is remembered of anybody.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        let table = self.table();
        table.holders.is_empty() && table.total == Held::default() && table.seated.is_empty()
    }
}

impl Table {
    fn held(&self, holder: Holder) -> Held {
        self.holders.get(&holder).copied().unwrap_or_default()
    }

    fn size(&self) -> usize {
        self.seated.len() + self.refused + self.leaving + self.total.calls
    }

    fn note_peak(&mut self, more: usize) {
        self.peak = self.peak.max(self.size() + more);
    }

    /// True if most of a burst is over, once for each time that this is so.
    fn is_settled(&mut self) -> bool {
        let (size, is_over) = (self.size(), self.peak >= BURST && self.size() < self.peak / 2);
        if is_over {
            self.peak = size;
        }
        is_over
    }

    fn change(&mut self, holder: Holder, change: impl Fn(&mut Held)) {
        change(&mut self.total);
        let held = self.holders.entry(holder).or_default();
        change(held);
        if *held == Held::default() {
            self.holders.remove(&holder);
        }
    }

    /// Asks the oldest idle connection to leave: that of `of`, or of whoever has the most connections. Returns
    /// false if none is idle, or if too many are on their way out.
    fn dismiss_idle(&mut self, of: Option<Holder>) -> bool {
        if self.leaving >= MOST_LEAVING {
            return false;
        }
        let idle = |(number, seated): (&u64, &Seated)| {
            let quiet = seated.activity.quiet_for();
            let is_idle = if seated.activity.any() { !quiet.is_zero() } else { quiet >= FRESH };
            let asked = of.is_none_or(|holder| holder == seated.holder);
            let most = of.map_or_else(|| self.held(seated.holder).connections, |_| 0);
            (is_idle && asked).then_some(((most, quiet), *number))
        };
        let Some((_, number)) = self.seated.iter().filter_map(idle).max() else { return false };
        self.dismiss(number, Leaving::Idle);
        true
    }

    /// Cuts the newest connection of whoever has the most, if that is more than one who holds `own` would have.
    fn cut_biggest(&mut self, own: usize) -> bool {
        let most = |(_, held): &(&Holder, &Held)| held.connections;
        let Some((biggest, held)) = self.holders.iter().max_by_key(most) else { return false };
        if self.leaving >= MOST_LEAVING || held.connections <= own + 1 {
            return false;
        }
        let newest = self.seated.iter().rev().find(|(_, seated)| seated.holder == *biggest);
        let Some((number, _)) = newest else { return false };
        self.dismiss(*number, Leaving::Busy);
        true
    }

    fn dismiss(&mut self, number: u64, how: Leaving) {
        let Some(Seated { holder, leave, .. }) = self.seated.remove(&number) else { return };
        self.change(holder, |held| held.connections -= 1);
        self.leaving += 1;
        leave.tell(how);
    }
}

/// The place of one connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    shares: Arc<Shares>,
    holder: Holder,
    number: u64,
    leave: Arc<Leave>,
    refused: bool,
}

impl Seat {
    /// Counts a call until the ticket is dropped.
    ///
    /// # Errors
    /// `TOO_MANY` if this connection was refused, or if its process or all of them together run as many calls
    /// as they may.
    pub(crate) fn call(self: &Arc<Self>, kind: CallKind) -> Result<Ticket, AgentError> {
        let share = self.shares.share(self.holder);
        if self.refused {
            self.leave.tell(Leaving::Idle);
            return Err(too_many(self.holder, share.connections, "connections"));
        }
        let mut table = self.shares.table();
        let (own, all, total) = (table.held(self.holder), table.total, self.shares.limits.total);
        let lasting = kind != CallKind::Plain;
        let (login, is_login) = (own.logins, kind == CallKind::Login);
        let checks = [
            (true, own.calls, share.calls, all.calls, total.calls, "calls"),
            (lasting, own.lasting, share.lasting, all.lasting, total.lasting, "watchers"),
            // How many run in all is for those to limit who know which calls share one.
            (is_login, login, share.logins, 0, 1, "logins"),
        ];
        for (applies, own, share, all, total, what) in checks {
            if applies && own >= share {
                return Err(too_many(self.holder, share, what));
            }
            if applies && all >= total {
                return Err(full(total, what));
            }
        }
        table.note_peak(1);
        table.change(self.holder, |held| {
            held.calls += 1;
            held.lasting += usize::from(lasting);
            held.logins += usize::from(is_login);
        });
        Ok(Ticket { seat: Arc::clone(self), kind })
    }

    /// How this connection learns that it has to make room.
    pub(crate) fn leave(&self) -> Arc<Leave> {
        Arc::clone(&self.leave)
    }

    /// Whose connection this is.
    pub(crate) fn holder(&self) -> Holder {
        self.holder
    }

    /// True if this connection is only told that its process has too many.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut table = self.shares.table();
        if self.refused {
            table.refused -= 1;
        } else if table.seated.remove(&self.number).is_some() {
            table.change(self.holder, |held| held.connections -= 1);
        } else {
            table.leaving -= 1;
        }
        self.shares.tell(table);
    }
}

/// A running call, as far as the shares are concerned.
#[derive(Debug)]
pub(crate) struct Ticket {
    seat: Arc<Seat>,
    kind: CallKind,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let shares = &self.seat.shares;
        let mut table = shares.table();
        table.change(self.seat.holder, |held| {
            held.calls -= 1;
            held.lasting -= usize::from(self.kind != CallKind::Plain);
            held.logins -= usize::from(self.kind == CallKind::Login);
        });
        // Its connection may be idle now and make room for one who waits.
        shares.tell(table);
    }
}

fn too_many(holder: Holder, share: usize, what: &str) -> AgentError {
    let (who, whose) = match holder {
        Holder::Process(pid) => (format!("the calling process (pid {pid})"), "a process"),
        Holder::User(_) => ("the calling container".to_owned(), "all containers together"),
    };
    let message = format!("{who} has reached the {share} {what} that the agent allows {whose} at a time");
    AgentError::new(ErrorKind::TooMany, message, "close what it no longer needs before it opens more")
}

fn full(total: usize, what: &str) -> AgentError {
    let message = format!("the agent serves {total} {what} already, which is the most that it can");
    AgentError::new(ErrorKind::TooMany, message, "wait until other programs have ended some")
}

#[cfg(test)]
mod tests;
