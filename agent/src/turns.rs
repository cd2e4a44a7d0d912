//! Turns for what takes a descriptor or a thread for as long as somebody else takes to answer: some run at a time, and of
//! one asker, or at one place that is asked, fewer, so that who asks much and what hangs leave room for the others.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::lock::lock;

/// Who has a turn, and who waits for one.
#[derive(Debug)]
pub(crate) struct Turns<K> {
    all: Arc<Semaphore>,
    of_one: usize,
    of: Mutex<HashMap<K, Weak<Semaphore>>>,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    /// Kept, so that others of this key find it.
    _of: Arc<Semaphore>,
    _own: OwnedSemaphorePermit,
    _one: OwnedSemaphorePermit,
}

impl<K: Eq + Hash> Turns<K> {
    /// `most` at a time, and `of_one` of them for one key.
    pub(crate) fn new(most: usize, of_one: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(most)), of_one, of: Mutex::default() }
    }

    /// Waits for a turn; `None` is never the answer while these turns exist.
    pub(crate) async fn next(&self, key: K) -> Option<Turn> {
        let of = self.of(key);
        // First the own one: whoever asks for many at once waits here, and not before others.
        let own = Arc::clone(&of).acquire_owned().await.ok()?;
        let one = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Turn { _of: of, _own: own, _one: one })
    }

    fn of(&self, key: K) -> Arc<Semaphore> {
        let mut of = lock(&self.of);
        if let Some(known) = of.get(&key).and_then(Weak::upgrade) {
            return known;
        }
        of.retain(|_, known| known.strong_count() > 0);
        let new = Arc::new(Semaphore::new(self.of_one));
        of.insert(key, Arc::downgrade(&new));
        new
    }
}

#[cfg(test)]
impl<K: Eq + Hash> Turns<K> {
    /// How many keys are remembered.
    pub(crate) fn remembered(&self) -> usize {
        lock(&self.of).len()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const MOST: usize = 16;
    const OF_ONE: usize = 6;

    #[tokio::test]
    async fn a_process_that_asks_much_waits_and_others_have_their_turn() {
        let turns = Turns::<u32>::new(MOST, OF_ONE);
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
        assert_eq!(turns.remembered(), 1, "nobody is remembered");
    }
}
