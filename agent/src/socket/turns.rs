//! Calls that ask others: a provider, or many files. Each takes a descriptor or a thread for as long as whoever is
//! asked takes to answer, so that some run at a time and the others wait, each process behind its own.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::lock::lock;

/// How many run at a time.
const MOST: usize = 16;
/// How many of one process. Two that fill theirs are answered as fast as whom they ask; a third one waits for the
/// first answer.
const OF_ONE: usize = 6;

/// Who has a turn, and who waits for one.
#[derive(Debug)]
pub(super) struct Turns<K> {
    all: Arc<Semaphore>,
    of: Mutex<HashMap<K, Weak<Semaphore>>>,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    /// Kept, so that others of this process find it.
    _of: Arc<Semaphore>,
    _own: OwnedSemaphorePermit,
    _one: OwnedSemaphorePermit,
}

impl<K: Eq + Hash> Turns<K> {
    pub(super) fn new() -> Self {
        Self { all: Arc::new(Semaphore::new(MOST)), of: Mutex::default() }
    }

    /// Waits for a turn; `None` is never the answer while these turns exist.
    pub(super) async fn next(&self, holder: K) -> Option<Turn> {
        let of = self.of(holder);
        // First the own one: whoever asks for many at once waits here, and not before others.
        let own = Arc::clone(&of).acquire_owned().await.ok()?;
        let one = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Turn { _of: of, _own: own, _one: one })
    }

    fn of(&self, holder: K) -> Arc<Semaphore> {
        let mut of = lock(&self.of);
        if let Some(known) = of.get(&holder).and_then(Weak::upgrade) {
            return known;
        }
        of.retain(|_, known| known.strong_count() > 0);
        let new = Arc::new(Semaphore::new(OF_ONE));
        of.insert(holder, Arc::downgrade(&new));
        new
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_process_that_asks_much_waits_and_others_have_their_turn() {
        let turns = Turns::<u32>::new();
        let take = |pid, calls| -> Vec<Turn> {
            (0..calls)
                .filter_map(|_| tokio::task::unconstrained(turns.next(pid)).now_or_never().flatten())
                .collect()
        };
        let first = take(1, 2000);
        let (second, third) = (take(2, 2000), take(3, 2000));
        assert_eq!((first.len(), second.len(), third.len()), (OF_ONE, OF_ONE, MOST - 2 * OF_ONE));
        assert!(take(4, 1).is_empty());
        let mut waiting = Box::pin(turns.next(4));
        assert!((&mut waiting).now_or_never().is_none());
        drop(second);
        assert!(waiting.await.is_some());
        drop((first, third));
        take(5, 1);
        assert_eq!(lock(&turns.of).len(), 1, "nobody is remembered");
    }
}
