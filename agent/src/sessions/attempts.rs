//! The failed attempts of one session: when the next one is allowed, and when the session counts as expired
//! because of them. Pure.

use std::time::Duration;

use crate::backoff::{Backoff, Jitter};
use crate::clock::Moment;
use crate::outcome::Why;
use crate::sessions::verdict::{Ask, Decision, Failure, Refusal, Trouble};

/// After this many unclear refusals over at least this time, a session is shown as expired.
const UNCLEAR_LIMIT: (u32, Duration) = (3, Duration::from_secs(600));

/// How often the refresh token, which is kept, is still tried after [`UNCLEAR_LIMIT`].
const UNCLEAR_RETRY: Duration = Duration::from_secs(3600);

/// Nobody corrects a configuration within seconds.
const MISCONFIGURED_PAUSE: Duration = Duration::from_secs(60);

/// How long the answer of a failing store holds for later callers: asking again would give the same answer.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// How soon after a failed attempt a new caller brings about another one. Many commands at once, or a loop that
/// asks again and again, cost the provider twelve attempts a minute at most, and a person whose network is back
/// does not wait longer than for a slow page.
const CALLER_PAUSE: Duration = Duration::from_secs(5);

/// The failures since the last success.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    /// Counts the answers of the token endpoint.
    answered: Backoff,
    /// Counts the attempts that got none, since the last answer.
    unanswered: Backoff,
    failure: Option<Failure>,
    next: Option<Moment>,
    /// The next attempt is not brought forward for a caller.
    firm: bool,
    unclear: Option<(u32, Moment)>,
}

impl Attempts {
    /// The last failure.
    pub(crate) fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// When the next attempt is allowed; `None` if nothing has failed. A caller without a token for whom none has
    /// begun yet brings it forward: the back-off, which grows while nobody looks, says nothing about the network
    /// of this moment.
    pub(crate) fn next(&self, for_new_caller: bool) -> Option<Moment> {
        let next = self.next?;
        let failure = self.failure.as_ref().filter(|_| for_new_caller && !self.firm);
        let soon = failure.map_or(next, |failure| failure.at.plus(CALLER_PAUSE));
        // Both are of this process, so that the part which never runs backwards orders them.
        Some(if soon.mono < next.mono { soon } else { next })
    }

    /// How long until the next attempt is allowed.
    pub(crate) fn pause(&self, now: Moment, for_new_caller: bool) -> Duration {
        self.next(for_new_caller).map_or(Duration::ZERO, |next| now.until(next))
    }

    /// What to do with a caller without a token until the next attempt; `None` if that may begin now.
    pub(crate) fn postpone(&self, now: Moment, ask: &Ask) -> Option<Decision> {
        let (failure, pause) = (self.failure.as_ref()?, self.pause(now, !ask.tried));
        let refuse = || Decision::Refuse(Refusal::NotNow(failure.clone(), pause));
        match failure.trouble {
            // Only a person can fix the store, so the caller gets the error at once. Trying again costs nothing.
            Trouble::Store | Trouble::Locked => (now.since(failure.at) < STORE_PAUSE).then(refuse),
            _ if pause.is_zero() => None,
            _ if pause > ask.patience => Some(refuse()),
            _ => Some(Decision::Wait(None)),
        }
    }

    /// Notes a failure and allows the next attempt after `pause`, whoever asks.
    pub(crate) fn hold(&mut self, now: Moment, trouble: Trouble, why: Why, pause: Duration) {
        self.next = Some(now.plus(pause));
        self.firm = true;
        self.failure = Some(Failure { trouble, why, at: now });
    }

    /// Notes a failure. Returns true if the session counts as expired now, after too many unclear refusals.
    pub(crate) fn fail(&mut self, now: Moment, trouble: Trouble, why: Why, jitter: Jitter) -> bool {
        let pause = self.count(trouble, why.is_answer(), jitter);
        let given_up = trouble == Trouble::Unclear && self.count_unclear(now);
        self.hold(now, trouble, why, if given_up { UNCLEAR_RETRY } else { pause });
        self.firm = !matches!(trouble, Trouble::Transient(None) | Trouble::Unknown);
        given_up
    }

    /// Counts a failure; returns the pause after it. An answer shows that the provider can be reached again, so
    /// that the attempts which got none no longer count.
    fn count(&mut self, trouble: Trouble, answered: bool, jitter: Jitter) -> Duration {
        let backoff = if answered {
            self.unanswered = Backoff::default();
            &mut self.answered
        } else {
            &mut self.unanswered
        };
        match trouble {
            Trouble::Unknown => backoff.after_unknown(jitter),
            Trouble::Transient(retry_after) => backoff.after_failure(retry_after, jitter),
            Trouble::Misconfigured => backoff.after_failure(None, jitter).max(MISCONFIGURED_PAUSE),
            Trouble::Unclear | Trouble::Reported | Trouble::Store | Trouble::Locked => {
                backoff.after_failure(None, jitter)
            }
        }
    }

    /// Counts an unclear refusal; true once the limit is reached.
    fn count_unclear(&mut self, now: Moment) -> bool {
        let (count, first) = self.unclear.map_or((1, now), |(count, first)| (count + 1, first));
        self.unclear = Some((count, first));
        count >= UNCLEAR_LIMIT.0 && now.since(first) >= UNCLEAR_LIMIT.1
    }
}
