//! The connections and calls at one moment, and which connection makes room.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::socket::activity::Activity;
use crate::socket::shares::leave::{Leave, Leaving};

/// A connection that has never been used makes room only after this time: its first request may be on its way.
pub(super) const FRESH: Duration = Duration::from_secs(1);

/// From this many connections and calls on, what is left of them in memory is worth giving back.
const BURST: usize = 16;

/// Connections that have been asked to leave and are still there. They hold descriptors beyond the limit.
pub(super) const MOST_LEAVING: usize = 32;

/// Who has a share of what the agent can serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Holder {
    /// One process.
    Process(u32),
    /// All processes of a user whose pids are unknown.
    User(u32),
}

/// The table of all connections and calls. What it holds of them goes with them: the trees give their memory back.
#[derive(Debug, Default)]
pub(super) struct Table {
    holders: BTreeMap<Holder, Held>,
    pub(super) total: Held,
    pub(super) refused: usize,
    /// The connections that have been asked to leave, by their numbers.
    leaving: BTreeMap<u64, Arc<Leave>>,
    /// The connections by their numbers, which rise with time.
    seated: BTreeMap<u64, Seated>,
    /// How many of them have a running call.
    busy: usize,
    /// The connections whose request has not arrived whole, by numbers that rise with time.
    unfinished: BTreeMap<u64, u64>,
    last: u64,
    /// The most connections and calls at a time since the last burst.
    peak: usize,
}

/// What somebody holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) connections: usize,
    pub(super) calls: usize,
    pub(super) lasting: usize,
    pub(super) logins: usize,
}

#[derive(Debug)]
struct Seated {
    holder: Holder,
    activity: Arc<Activity>,
    leave: Arc<Leave>,
    /// Running calls of this connection; no connections.
    calls: Held,
}

impl Table {
    pub(super) fn held(&self, holder: Holder) -> Held {
        self.holders.get(&holder).copied().unwrap_or_default()
    }

    /// The connections that are served, refused, or on their way out.
    pub(super) fn connections(&self) -> usize {
        self.seated.len() + self.refused + self.leaving.len()
    }

    /// True if nothing is remembered of anybody.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let nobody = self.holders.is_empty() && self.seated.is_empty() && self.unfinished.is_empty();
        nobody && self.total == Held::default() && self.busy == 0
    }

    fn size(&self) -> usize {
        self.connections() + self.total.calls
    }

    pub(super) fn note_peak(&mut self, more: usize) {
        self.peak = self.peak.max(self.size() + more);
    }

    /// True if most of a burst is over, once for each time that this is so.
    pub(super) fn is_settled(&mut self) -> bool {
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

    /// A number that nothing in this table has had before.
    pub(super) fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    pub(super) fn add(&mut self, number: u64, holder: Holder, activity: &Arc<Activity>, leave: &Arc<Leave>) {
        let (activity, leave) = (Arc::clone(activity), Arc::clone(leave));
        self.change(holder, |held| held.connections += 1);
        self.seated.insert(number, Seated { holder, activity, leave, calls: Held::default() });
    }

    /// A connection has ended.
    pub(super) fn remove(&mut self, number: u64) {
        if self.unseat(number).is_none() {
            self.leaving.remove(&number);
        }
    }

    fn unseat(&mut self, number: u64) -> Option<Seated> {
        let seated = self.seated.remove(&number)?;
        self.change(seated.holder, |held| held.connections -= 1);
        self.busy -= usize::from(seated.calls.calls > 0);
        Some(seated)
    }

    /// Counts a call that begins on a connection of somebody, or one that ends.
    pub(super) fn count(&mut self, number: u64, holder: Holder, change: impl Fn(&mut Held)) {
        if let Some(Seated { calls, .. }) = self.seated.get_mut(&number) {
            let was_busy = calls.calls > 0;
            change(calls);
            self.busy = self.busy + usize::from(calls.calls > 0) - usize::from(was_busy);
        }
        self.change(holder, change);
    }

    /// True if too many are on their way out. Those that have not gone when they could are cut.
    fn is_crowded(&self) -> bool {
        let is_crowded = self.leaving.len() >= MOST_LEAVING;
        if is_crowded {
            self.leaving.values().for_each(|leave| leave.hurry());
        }
        is_crowded
    }

    /// Asks the oldest idle connection to leave: that of `of`, or of whoever has the most connections. Returns
    /// false if none is idle, or if too many are on their way out.
    pub(super) fn dismiss_idle(&mut self, of: Option<Holder>) -> bool {
        if self.is_crowded() {
            return false;
        }
        let Some(number) = self.idle(of, Activity::any) else { return false };
        self.dismiss(number, Leaving::Idle);
        true
    }

    /// Lets the oldest idle connection of whoever has the most go, if there are more than `most`. Where they come
    /// faster than they can take leave, without a goodbye.
    pub(super) fn keep_few_idle(&mut self, most: usize) {
        if self.seated.len() - self.busy <= most {
            return;
        }
        let how = if self.leaving.len() < MOST_LEAVING { Leaving::Idle } else { Leaving::Cut };
        if let Some(number) = self.idle(None, Activity::heard) {
            self.dismiss(number, how);
        }
    }

    /// The oldest idle connection. One that is not `known` yet counts as such only when it is not fresh any more.
    fn idle(&self, of: Option<Holder>, known: fn(&Activity) -> bool) -> Option<u64> {
        let idle = |(number, seated): (&u64, &Seated)| {
            let quiet = seated.activity.quiet_for();
            let is_idle = if known(&seated.activity) { !quiet.is_zero() } else { quiet >= FRESH };
            let asked = of.is_none_or(|holder| holder == seated.holder);
            let most = of.map_or_else(|| self.held(seated.holder).connections, |_| 0);
            (is_idle && asked).then_some(((most, quiet), *number))
        };
        self.seated.iter().filter_map(idle).max().map(|(_, number)| number)
    }

    /// Cuts the newest connection of whoever has the most, if that is more than one who holds `own` would have.
    pub(super) fn cut_biggest(&mut self, own: usize) -> bool {
        self.cut(own, |held| held.connections, |_| 1)
    }

    /// Cuts a connection of whoever has the most of something, if that is more than one who holds `own` would
    /// have: the newest of those that have the most of it.
    pub(super) fn cut(
        &mut self,
        own: usize,
        of: impl Fn(&Held) -> usize,
        part: impl Fn(&Held) -> usize,
    ) -> bool {
        let Some((biggest, held)) = self.holders.iter().max_by_key(|(_, held)| of(held)) else {
            return false;
        };
        if of(held) <= own + 1 || self.is_crowded() {
            return false;
        }
        let parts = self.seated.iter().filter(|(_, seated)| seated.holder == *biggest);
        let most = parts.map(|(number, seated)| (part(&seated.calls), *number)).max();
        let Some((1.., number)) = most else { return false };
        self.dismiss(number, Leaving::Busy);
        true
    }

    /// Remembers a connection that has to be waited for in the middle of a request. Beyond `most` of them the one that
    /// has begun first is cut.
    pub(super) fn begin_request(&mut self, connection: u64, most: usize) -> u64 {
        let number = self.number();
        self.unfinished.insert(number, connection);
        if self.unfinished.len() > most
            && let Some((_, oldest)) = self.unfinished.pop_first()
        {
            self.dismiss(oldest, Leaving::Cut);
        }
        number
    }

    pub(super) fn end_request(&mut self, number: u64) {
        self.unfinished.remove(&number);
    }

    /// The calls of a connection that makes room for others with all that it serves count no longer: they end with it.
    fn dismiss(&mut self, number: u64, how: Leaving) {
        let Some(Seated { holder, calls, leave, .. }) = self.unseat(number) else { return };
        let is_cut = how == Leaving::Busy;
        if is_cut {
            self.change(holder, |held| {
                held.calls -= calls.calls;
                held.lasting -= calls.lasting;
                held.logins -= calls.logins;
            });
        }
        leave.tell(how, is_cut);
        self.leaving.insert(number, leave);
    }
}
