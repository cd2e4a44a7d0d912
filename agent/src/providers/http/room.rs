//! How many requests are under way at a time. Each holds a descriptor for as long as the other side takes to answer,
//! and what has no descriptor left can neither renew nor store a session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::{Origin, Url};

use crate::lock::lock;

/// Beside those of logins, which have descriptors of their own. That is room for all whom callers let ask, and for
/// more renewals than fall together.
const MOST: usize = 40;
/// At one origin, so that one which hangs leaves room for the others. More than callers may ask at a time: a renewal
/// does not wait behind them.
const OF_ONE: usize = 24;

/// Room for requests.
pub(super) struct Room {
    all: Arc<Semaphore>,
    of: Mutex<HashMap<Origin, Weak<Semaphore>>>,
}

/// The place of one request, until it is dropped.
pub(super) struct Place {
    /// Kept, so that others to this origin find it.
    _of: Arc<Semaphore>,
    _own: OwnedSemaphorePermit,
    _one: OwnedSemaphorePermit,
}

impl Room {
    /// Room for so many logins, and for everybody else.
    pub(super) fn beside(logins: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(MOST + logins)), of: Mutex::default() }
    }

    /// Waits for a place; `None` is never the answer while this room exists.
    pub(super) async fn enter(&self, url: &Url) -> Option<Place> {
        let of = self.of(&url.origin());
        let own = Arc::clone(&of).acquire_owned().await.ok()?;
        let one = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Place { _of: of, _own: own, _one: one })
    }

    fn of(&self, origin: &Origin) -> Arc<Semaphore> {
        let mut of = lock(&self.of);
        if let Some(known) = of.get(origin).and_then(Weak::upgrade) {
            return known;
        }
        of.retain(|_, known| known.strong_count() > 0);
        let new = Arc::new(Semaphore::new(OF_ONE));
        of.insert(origin.clone(), Arc::downgrade(&new));
        new
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn an_origin_that_hangs_leaves_room_for_others_and_all_together_have_a_limit() {
        let room = Room::beside(3);
        let enter = |url: &str, requests| -> Vec<Place> {
            let url = url.parse().unwrap();
            (0..requests)
                .filter_map(|_| tokio::task::unconstrained(room.enter(&url)).now_or_never().flatten())
                .collect()
        };
        let hanging = enter("https://a.test/user-info", 500);
        assert_eq!(hanging.len(), OF_ONE);
        assert!(enter("https://a.test/orgs", 1).is_empty(), "the same origin");
        let others = [enter("https://b.test/", 12), enter("https://a.test:8443/", 500)];
        assert_eq!((others[0].len(), others[1].len()), (12, MOST + 3 - OF_ONE - 12));
        drop(hanging);
        assert_eq!(enter("https://a.test/orgs", 1).len(), 1);
        drop(others);
        enter("https://c.test/", 1);
        assert_eq!(lock(&room.of).len(), 1, "nothing is remembered");
    }
}
