//! The task of one lease: waits until the lease ends, then deletes its token, however long that takes.

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::backoff::{Backoff, jitter};
use crate::clock::{Moment, from_unix, unix};
use crate::leases::book::{Book, TokenSource, pause};
use crate::leases::mint::Mint;
use crate::lock::lock;
use crate::profile::ProfileName;
use crate::providers::platform::PlatformError;
use crate::storage::record::{Ends, Lease};
use crate::storage::store::StoreKind;
use crate::token::AccessToken;

/// Timers stop while a machine is suspended, so the clock is checked at least this often.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Why a token could not be deleted, and when the next attempt is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FailedDeletion {
    /// The reason, in words for the person.
    pub why: String,
    pub retry_at: SystemTime,
}

/// The shared state of a lease's task: what it reports, and what others request.
#[derive(Default)]
pub(crate) struct Life {
    /// How often the end has been requested.
    asked: watch::Sender<u64>,
    /// The last access token of a session that ends.
    by: Mutex<Option<AccessToken>>,
    /// How many attempts to delete the token have ended.
    tried: watch::Sender<u64>,
    over: watch::Sender<bool>,
    failure: Mutex<Option<FailedDeletion>>,
}

impl Life {
    /// Why the last attempt failed.
    pub(crate) fn failure(&self) -> Option<FailedDeletion> {
        lock(&self.failure).clone()
    }

    /// True once the token is gone.
    pub(crate) fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    /// Requests the end, or another attempt. Returns how many attempts have ended so far.
    pub(crate) fn ask_for_end(&self, by: Option<AccessToken>) -> u64 {
        if by.is_some() {
            *lock(&self.by) = by;
        }
        let before = *self.tried.borrow();
        self.asked.send_modify(|asked| *asked += 1);
        before
    }

    /// Returns once the token is gone, or once more than `before` attempts have ended.
    pub(crate) async fn tried(&self, before: u64) {
        let _ = self.tried.subscribe().wait_for(|tried| *tried > before || self.is_over()).await;
    }

    /// Runs until the token is gone.
    pub(crate) async fn run(&self, book: &Book, id: &str, access: &dyn TokenSource) {
        let Some(lease) = book.lease(id) else { return };
        let mut asked = self.asked.subscribe();
        // If the request was not answered, nobody has the token, so the lease ends at once.
        if !lease.ending && lease.token_id.is_some() {
            tokio::select! {
                () = end_of(book, &lease) => {}
                () = longest(book, lease.created_at) => info!(%id, "a lease has reached the longest life that the site allows"),
                _ = asked.wait_for(|asked| *asked > 0) => {}
            }
        }
        if !lease.ending {
            // The lease ends even if that cannot be recorded.
            let _ = book.change(id, |lease| lease.ending = true).await;
        }
        asked.mark_unchanged();
        let (mut backoff, mut failures) = (Backoff::default(), 0);
        while let Err(why) = self.delete(book, id, access).await {
            let wait = backoff.after_failure(pause(failures), jitter());
            failures += 1;
            warn!(%id, why, "the token of a lease could not be deleted");
            let retry_at = book.parts.clock.now().wall + wait;
            *lock(&self.failure) = Some(FailedDeletion { why, retry_at });
            self.tried.send_modify(|tried| *tried += 1);
            tokio::select! {
                () = sleep(wait) => {}
                _ = asked.changed() => {}
            }
        }
        info!(%id, "a lease has ended, its token is deleted");
        book.forget(id).await;
        self.over.send_replace(true);
        self.tried.send_modify(|tried| *tried += 1);
    }

    /// Deletes the token with the token itself, which needs no session, or else with the session's token. The
    /// error is a text for the person.
    async fn delete(&self, book: &Book, id: &str, access: &dyn TokenSource) -> Result<(), String> {
        let Some(lease) = book.lease(id) else { return Ok(()) };
        let mint = book.parts.mints.mint(&lease.settings);
        let own = stored(book, id, &lease).await;
        let by_itself = match &own {
            Some(own) => delete_by(book, &*mint, own, &lease).await,
            None => Err(PlatformError::Forbidden),
        };
        match by_itself {
            Ok(()) => {}
            // The token no longer works, which is the goal. Or a gateway in front of the Platform refuses it
            // for now; if there is a session, it finds that out.
            Err(PlatformError::Unauthorized) if self.session(&lease, access).await.is_err() => {}
            Err(PlatformError::Unauthorized | PlatformError::Forbidden) => {
                self.delete_by_session(book, &*mint, &lease, access).await?
            }
            Err(error) => return Err(error.to_string()),
        }
        clear(book, id, &lease).await;
        Ok(())
    }

    async fn delete_by_session(
        &self,
        book: &Book,
        mint: &dyn Mint,
        lease: &Lease,
        access: &dyn TokenSource,
    ) -> Result<(), String> {
        let by = self.session(lease, access).await?;
        let deleted = delete_by(book, mint, &by, lease).await;
        if let Err(PlatformError::Unauthorized | PlatformError::Forbidden) = deleted {
            // That token has expired. The next attempt uses the session that is signed in by then.
            *lock(&self.by) = None;
        }
        deleted.map_err(|error| error.to_string())
    }

    /// A session token of the account that created the lease.
    async fn session(&self, lease: &Lease, access: &dyn TokenSource) -> Result<AccessToken, String> {
        if let Some(last) = lock(&self.by).clone() {
            return Ok(last);
        }
        let session = access.access(&lease.profile).await.map_err(|error| error.to_string())?;
        let same = !session.subject.is_empty() && session.subject == lease.subject;
        if same && session.profile.same_party(&lease.settings) {
            Ok(session.token)
        } else {
            Err(format!("profile '{}' belongs to another account now", lease.profile))
        }
    }
}

/// Returns when the program has ended, or the time has come.
async fn end_of(book: &Book, lease: &Lease) {
    match &lease.ends {
        Ends::With(program) => book.parts.programs.ended(program).await,
        Ends::At(time) => {
            let life = from_unix(*time).duration_since(from_unix(lease.created_at)).unwrap_or_default();
            over(book, lease.created_at, life).await;
        }
    }
}

/// Returns when a lease has lived as long as the site allows, whatever its program does.
async fn longest(book: &Book, created_at: u64) {
    match book.parts.longest {
        Some(limit) => over(book, created_at, limit).await,
        None => std::future::pending().await,
    }
}

/// Returns so long after the lease was made, by the clock that sees it first. One that was ahead then must not make
/// the lease last as much longer once it is right.
async fn over(book: &Book, created_at: u64, life: Duration) {
    let clock = &book.parts.clock;
    let (now, created): (Moment, _) = (clock.now(), from_unix(created_at));
    let due = now.at_wall(if now.is_before(created) { now.wall } else { created } + life);
    loop {
        let now = clock.now();
        if now.reached(due) {
            return;
        }
        sleep(now.until(due).clamp(Duration::from_millis(10), LONGEST_SLEEP)).await;
    }
}

/// The token of the lease, even if it was stored but the store was not recorded.
async fn stored(book: &Book, id: &str, lease: &Lease) -> Option<AccessToken> {
    let item = ProfileName::of_lease(id);
    let ladder = &book.parts.ladder;
    let place = match lease.store {
        Some(place) => place,
        None => ladder.holders(&item).await.0.first().copied()?,
    };
    match ladder.load(&item, place).await {
        Ok(found) => found.map(|stored| {
            book.parts.passwords.found(&lease.settings.network, &stored);
            AccessToken::from(&stored.secret)
        }),
        Err(error) => {
            warn!(%id, %error, "the token of a lease cannot be read; the session has to delete it");
            None
        }
    }
}

async fn delete_by(
    book: &Book,
    mint: &dyn Mint,
    by: &AccessToken,
    lease: &Lease,
) -> Result<(), PlatformError> {
    let token = match lease.token_id {
        Some(known) => known,
        None => match mint.list(by).await?.into_iter().find(|token| token.is_called(&lease.name)) {
            Some(found) => found.id,
            None if lease.may_appear(unix(book.parts.clock.now())) => {
                let why = "it is not known yet whether it made the token";
                return Err(PlatformError::Unreachable(why.into()));
            }
            None => return Ok(()),
        },
    };
    match mint.delete(by, token).await {
        // Either the token is gone already, or the answer comes from something that is not a Platform. The
        // list tells which.
        Err(error @ PlatformError::NotAPlatform(_)) => {
            let left = mint.list(by).await?;
            if left.iter().any(|entry| entry.id == token) { Err(error) } else { Ok(()) }
        }
        done => done,
    }
}

/// Removes the token from its store. If the store is locked the token stays there, which does no harm any
/// more.
pub(crate) async fn clear(book: &Book, id: &str, lease: &Lease) {
    for place in StoreKind::ALL.into_iter().filter(|place| lease.store.is_none_or(|store| store == *place)) {
        let removed = book.parts.ladder.remove(&ProfileName::of_lease(id), place).await;
        if let Err(error) = removed.map(drop).or_else(|error| lease.store.map_or(Ok(()), |_| Err(error))) {
            warn!(%id, %error, "the token of a lease that is over stays in its store");
        }
    }
}
