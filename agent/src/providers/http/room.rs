//! How many requests are under way at a time. Each holds a descriptor for as long as the other side takes to answer,
//! and what has no descriptor left can neither renew nor store a session.

use url::{Origin, Url};

use crate::turns::{Turn, Turns};

/// Beside those of logins, which have descriptors of their own. That is room for all whom callers let ask, and for
/// more renewals than fall together.
const MOST: usize = 40;
/// At one origin, so that one which hangs leaves room for the others. More than callers may ask at a time: a renewal
/// does not wait behind them.
const OF_ONE: usize = 24;

/// Room for requests, by the origin that they go to.
pub(super) struct Room(Turns<Origin>);

impl Room {
    /// Room for so many logins, and for everybody else.
    pub(super) fn beside(logins: usize) -> Self {
        Self(Turns::new(MOST + logins, OF_ONE))
    }

    /// Waits for a place; `None` is never the answer while this room exists.
    pub(super) async fn enter(&self, url: &Url) -> Option<Turn> {
        self.0.next(url.origin()).await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn an_origin_that_hangs_leaves_room_for_others_and_all_together_have_a_limit() {
        let room = Room::beside(3);
        let enter = |url: &str, requests| -> Vec<Turn> {
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
        assert_eq!(room.0.remembered(), 1, "nothing is remembered");
    }
}
