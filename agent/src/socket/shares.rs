//! Who holds how much of what the agent can serve. A process has a share of it, and idle connections make room
//! for new ones, so that no program can keep the others from their tokens, neither by many connections nor by
//! calls that never end.

mod leave;
mod table;

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{Notify, futures::Notified};

use crate::error::{AgentError, ErrorKind};
use crate::lock::lock;
use crate::socket::activity::Activity;
use crate::socket::limits::{Allowance, Limits};
use crate::socket::shares::table::{Held, Table};
use crate::turns::{Turn, Turns};

pub(crate) use self::leave::{Leave, Leaving};
pub(crate) use self::table::Holder;

/// Connections that are only told that their process has too many. Further ones are hung up on.
const MOST_REFUSED: usize = 16;

/// How many calls that ask others run at a time.
const MOST_ASKING: usize = 16;
/// How many of one process. Two that fill theirs are answered as fast as whom they ask; a third one waits for the
/// first answer.
const ASKING_OF_ONE: usize = 6;

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

impl Shares {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        let (freed, settled) = (Notify::new(), Notify::new());
        Arc::new(Self {
            limits,
            table: Mutex::default(),
            freed,
            settled,
            turns: Turns::new(MOST_ASKING, ASKING_OF_ONE),
        })
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

/// One of the things that somebody holds.
type Count = fn(&Held) -> usize;

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
    /// If all of them together run as many as they may, a connection of whoever has the most calls of this kind
    /// makes room for one who has fewer.
    ///
    /// # Errors
    /// `TOO_MANY` if this connection was refused or cut, or if its process or all of them together run as many
    /// calls as they may.
    pub(crate) fn call(self: &Arc<Self>, kind: CallKind) -> Result<Ticket, AgentError> {
        let share = self.shares.share(self.holder);
        if self.refused {
            self.leave.tell(Leaving::Idle, false);
            return Err(too_many(self.holder, share.connections, "connections"));
        }
        let mut table = self.shares.table();
        if self.leave.asked().is_some_and(|asked| asked.uncounted) {
            return Err(full(self.shares.limits.total.connections, "connections"));
        }
        self.check(&mut table, kind, share)?;
        table.note_peak(1);
        table.count(self.number, self.holder, |held| {
            held.calls += 1;
            held.lasting += usize::from(kind != CallKind::Plain);
            held.logins += usize::from(kind == CallKind::Login);
        });
        Ok(Ticket { seat: Arc::clone(self), kind })
    }

    /// Refuses a call beyond what its process, or all of them, may run.
    fn check(&self, table: &mut Table, kind: CallKind, share: Allowance) -> Result<(), AgentError> {
        let (own, total) = (table.held(self.holder), self.shares.limits.total);
        let lasting = kind != CallKind::Plain;
        let (calls, watchers): (Count, Count) = (|held| held.calls, |held| held.lasting);
        let checks = [
            (true, calls, share.calls, total.calls, "calls"),
            (lasting, watchers, share.lasting, total.lasting, "watchers"),
            // How many run in all is for those to limit who know which calls share one.
            (kind == CallKind::Login, |held| held.logins, share.logins, usize::MAX, "logins"),
        ];
        for (applies, of, share, total, what) in checks {
            if applies && of(&own) >= share {
                return Err(too_many(self.holder, share, what));
            }
            if applies && of(&table.total) >= total && !table.cut(of(&own), of, of) {
                return Err(full(total, what));
            }
        }
        Ok(())
    }

    /// Waits until this call may ask others.
    pub(crate) async fn turn(&self) -> Option<Turn> {
        self.shares.turns.next(self.holder).await
    }

    /// Notes that a request has begun to arrive and has to be waited for, until the guard is dropped.
    pub(crate) fn receive(self: &Arc<Self>) -> Receiving {
        let most = self.shares.limits.unfinished;
        Receiving { number: self.shares.table().begin_request(self.number, most), seat: Arc::clone(self) }
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
        } else {
            table.remove(self.number);
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
        if !self.seat.leave.asked().is_some_and(|asked| asked.uncounted) {
            table.count(self.seat.number, self.seat.holder, |held| {
                held.calls -= 1;
                held.lasting -= usize::from(self.kind != CallKind::Plain);
                held.logins -= usize::from(self.kind == CallKind::Login);
            });
        }
        // Its connection may be idle now and make room for one who waits.
        shares.tell(table);
    }
}

/// A request that is not whole yet.
#[derive(Debug)]
pub(crate) struct Receiving {
    seat: Arc<Seat>,
    number: u64,
}

impl Drop for Receiving {
    fn drop(&mut self) {
        self.seat.shares.table().end_request(self.number);
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
