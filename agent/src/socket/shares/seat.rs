//! The place of one connection, and what it may do there.

use std::sync::Arc;

use crate::error::{AgentError, ErrorKind};
use crate::socket::limits::Allowance;
use crate::socket::shares::table::{Held, Table};
use crate::socket::shares::{Holder, Leave, Leaving, Shares};
use crate::socket::turns::Turn;

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
    pub(super) shares: Arc<Shares>,
    pub(super) holder: Holder,
    pub(super) number: u64,
    pub(super) leave: Arc<Leave>,
    pub(super) refused: bool,
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
