//! When to renew a token, and whether one is fresh enough. Pure: times come in, times go out
//! ([When to renew](crate::manual::sessions#when-to-renew)).

use std::time::Duration;

use crate::backoff::Jitter;
use crate::clock::Moment;
use crate::storage::record::Record;
use crate::token::{Access, AccessToken};

/// A token younger than this is never renewed just because a caller wants more validity.
const YOUNG: Duration = Duration::from_secs(10);

/// The keep-alive interval if the provider does not say how long its refresh tokens live: half of the Platform's
/// 6 h.
const KEEP_ALIVE: Duration = Duration::from_secs(3 * 3600);

/// The shortest keep-alive interval (keycloak #8919: a lifetime of 0 caused a hot loop).
const KEEP_ALIVE_LEAST: Duration = Duration::from_secs(60);

/// An access token in memory and its times.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub token: AccessToken,
    /// The hash by which callers name the token in `rejected_sha256`.
    pub sha256: String,
    /// When the request for the token was sent: its life counts from then on both clocks.
    pub sent: Moment,
    /// `None` if the token has no expiry, as a fixed credential may.
    pub lifetime: Option<Duration>,
    renew_after: Option<Duration>,
}

impl Held {
    /// A renewable token. The jitter is drawn once per token, not each time the schedule is consulted.
    pub(crate) fn renewable(access: Access, sent: Moment, jitter: Jitter) -> Self {
        let renew_after = Some(renewal_point(access.lifetime, jitter));
        Self { renew_after, ..Self::fixed(access.token, sent, Some(access.lifetime)) }
    }

    /// A token that nobody renews.
    pub(crate) fn fixed(token: AccessToken, sent: Moment, lifetime: Option<Duration>) -> Self {
        Self { sha256: token.sha256(), token, sent, lifetime, renew_after: None }
    }

    /// The remaining life by the stricter clock; `None` if the token does not expire.
    pub(crate) fn remaining(&self, now: Moment) -> Option<Duration> {
        self.lifetime.map(|lifetime| lifetime.saturating_sub(now.since(self.sent)))
    }

    /// True while the token has not expired and may be served.
    pub(crate) fn is_valid(&self, now: Moment) -> bool {
        self.remaining(now).is_none_or(|left| !left.is_zero())
    }

    /// True if this token satisfies `min_valid`, or a renewal would not get one that does it better.
    pub(crate) fn satisfies(&self, min_valid: Duration, now: Moment) -> bool {
        let long_enough = self.remaining(now).is_none_or(|left| left >= min_valid);
        let no_use = now.since(self.sent) < YOUNG || self.lifetime.is_some_and(|all| all < min_valid);
        long_enough || no_use
    }

    /// When the renewal is due; `None` if the token is never renewed.
    pub(crate) fn due(&self) -> Option<Moment> {
        self.renew_after.map(|after| self.sent.plus(after))
    }

    /// When the token expires.
    pub(crate) fn end(&self) -> Option<Moment> {
        self.lifetime.map(|lifetime| self.sent.plus(lifetime))
    }
}

/// How long after its request a token is renewed: max(50 %, min(75 %, lifetime − 60 s)) of the lifetime, and up
/// to 10 % of the lifetime earlier by jitter.
fn renewal_point(lifetime: Duration, jitter: Jitter) -> Duration {
    let late = lifetime.mul_f64(0.75).min(lifetime.saturating_sub(Duration::from_secs(60)));
    late.max(lifetime.mul_f64(0.5)).saturating_sub(lifetime.mul_f64(0.1 * jitter.0))
}

/// How long after a saved renewal the refresh token is used again, so that it never expires for lack of use. A
/// lifetime of zero counts as unknown.
pub(crate) fn keep_alive(refresh_lifetime: Option<Duration>) -> Duration {
    match refresh_lifetime.filter(|lifetime| !lifetime.is_zero()) {
        Some(lifetime) => (lifetime / 2).max(KEEP_ALIVE_LEAST),
        None => KEEP_ALIVE,
    }
}

/// What a renewal told about the end of the sign-in, in Unix time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    /// When the renewal was sent.
    pub at: u64,
    /// When the refresh token expires if it is not used.
    pub unused_until: Option<u64>,
    /// When the sign-in ends however often it is used.
    pub lasts_until: Option<u64>,
    /// The answer had no refresh token, so what was told about the one that was used still holds.
    pub same_token: bool,
}

/// How close together two ends are the same one: each is counted from another answer, in whole seconds.
const SAME_END: u64 = 5;

/// When the sign-in ends however often it is used, after a renewal. A provider that tells one end alone, as Keycloak
/// does, tells the earlier of two: where using the token did not move it, it is the end of the sign-in.
pub(crate) fn sign_in_end(before: &Record, told: &Told) -> Option<u64> {
    let unmoved = || {
        let (end, used) = (before.refresh_expires_at?, before.last_renewed_at?);
        let apart = told.at.saturating_sub(used) > 2 * SAME_END;
        told.unused_until.filter(|now| apart && *now <= end.saturating_add(SAME_END))
    };
    let kept = || before.sign_in_ends_at.filter(|_| told.same_token);
    told.lasts_until.or_else(unmoved).or_else(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backoff::Backoff;
    use proptest::prelude::*;
    use std::time::SystemTime;

    fn at(seconds: u64) -> Moment {
        let mono = Duration::from_secs(seconds);
        Moment { wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000) + mono, mono }
    }

    fn held(lifetime: u64) -> Held {
        let access = Access { token: AccessToken::new("t"), lifetime: Duration::from_secs(lifetime) };
        Held::renewable(access, at(0), Jitter(0.0))
    }

    #[test]
    fn the_renewal_point_follows_the_table() {
        for (lifetime, point) in [(3600, 2700), (300, 225), (120, 60), (90, 45), (60, 30), (10, 5)] {
            let got = renewal_point(Duration::from_secs(lifetime), Jitter(0.0));
            assert_eq!(got.as_secs(), point, "lifetime {lifetime}");
        }
    }

    #[test]
    fn an_expired_token_is_not_valid_by_either_clock() {
        let token = held(100);
        assert!(token.is_valid(at(99)));
        assert!(!token.is_valid(at(100)));
        let jumped = Moment { wall: at(100).wall, mono: at(1).mono };
        assert!(!token.is_valid(jumped));
        let set_back = Moment { wall: at(0).wall - Duration::from_secs(5000), mono: at(100).mono };
        assert!(!token.is_valid(set_back));
    }

    #[test]
    fn min_valid_does_not_wait_for_what_a_renewal_cannot_give() {
        let token = held(100);
        assert!(token.satisfies(Duration::from_secs(50), at(50)));
        assert!(!token.satisfies(Duration::from_secs(60), at(50)));
        assert!(token.satisfies(Duration::from_secs(95), at(9)), "young");
        assert!(token.satisfies(Duration::from_secs(101), at(50)), "never lived that long");
    }

    #[test]
    fn an_end_that_a_renewal_does_not_move_is_that_of_the_sign_in() {
        let before = |unused, ends| Record {
            last_renewed_at: Some(1_000),
            refresh_expires_at: unused,
            sign_in_ends_at: ends,
            ..Record::default()
        };
        let told = |at, unused_until, lasts_until| Told { at, unused_until, lasts_until, same_token: false };
        let first = before(Some(2_800), None);
        assert_eq!(sign_in_end(&first, &told(1_600, Some(3_400), Some(9_000))), Some(9_000), "told outright");
        assert_eq!(sign_in_end(&first, &told(1_600, Some(3_400), None)), None, "moved");
        assert_eq!(sign_in_end(&first, &told(1_600, Some(2_801), None)), Some(2_801), "not moved");
        assert_eq!(sign_in_end(&first, &told(1_005, Some(2_801), None)), None, "too soon to tell");
        assert_eq!(sign_in_end(&before(None, Some(9_000)), &told(1_600, None, None)), None, "no longer told");
        let same = Told { same_token: true, ..told(1_600, None, None) };
        assert_eq!(sign_in_end(&before(None, Some(9_000)), &same), Some(9_000), "no new refresh token");
    }

    #[test]
    fn a_refresh_life_of_zero_is_as_good_as_none() {
        assert_eq!(keep_alive(Some(Duration::ZERO)), KEEP_ALIVE);
        assert_eq!(keep_alive(None), KEEP_ALIVE);
        assert_eq!(keep_alive(Some(Duration::from_secs(10))), KEEP_ALIVE_LEAST);
        assert_eq!(keep_alive(Some(Duration::from_secs(21_600))), Duration::from_secs(10_800));
    }

    #[test]
    fn lost_answers_are_repeated_at_once_then_after_one_and_three_seconds() {
        let mut backoff = Backoff::default();
        let pauses: Vec<u64> = (0..3).map(|_| backoff.after_unknown(Jitter(0.9)).as_secs()).collect();
        assert_eq!(pauses, [0, 1, 3]);
        assert!(backoff.after_unknown(Jitter(0.9)) >= Duration::from_millis(100));
    }

    #[test]
    fn retry_after_is_obeyed_within_its_limits() {
        let mut backoff = Backoff::default();
        let mut pause =
            |seconds| backoff.after_failure(Some(Duration::from_secs(seconds)), Jitter(0.5)).as_secs();
        assert_eq!((pause(0), pause(30), pause(9999)), (1, 30, 600));
    }

    proptest! {
        #[test]
        fn a_renewal_is_due_before_expiry_and_not_in_the_first_third(lifetime in 1_u64..1_000_000, draw: u32) {
            let lifetime = Duration::from_secs(lifetime);
            let point = renewal_point(lifetime, Jitter::from_draw(draw));
            prop_assert!(point < lifetime);
            prop_assert!(point >= lifetime.mul_f64(0.39));
        }

        #[test]
        fn back_off_stays_within_its_bounds(draws in proptest::collection::vec(any::<u32>(), 1..100)) {
            let mut backoff = Backoff::default();
            for (n, draw) in draws.into_iter().enumerate() {
                let pause = backoff.after_failure(None, Jitter::from_draw(draw));
                prop_assert!(pause >= Duration::from_millis(100));
                prop_assert!(pause <= Duration::from_secs(60.min(1 << n.min(10))));
            }
        }
    }
}
