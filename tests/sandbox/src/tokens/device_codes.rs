//! Sign-ins that wait for a person at another device (RFC 8628). No I/O and no clock: callers pass the time
//! in.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::grant::Grant;
use crate::clock::seconds;
use crate::settings::DeviceFlow;

/// The grant type of a poll (RFC 8628, 3.4).
pub(crate) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// How much `slow_down` adds to the interval (RFC 8628, 3.5).
const SLOWER: TimeDelta = TimeDelta::seconds(5);

/// What a client asked for, before anybody has allowed it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) client: String,
    pub(crate) scope: String,
    pub(crate) audience: String,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Decision {
    /// By the user with this id.
    Allowed(u64),
    Denied,
}

#[derive(Debug)]
struct Waiting {
    asked: Asked,
    user_code: String,
    expires: DateTime<Utc>,
    interval: TimeDelta,
    polled: Option<DateTime<Utc>>,
    decision: Option<Decision>,
}

/// Why a poll gets no tokens (RFC 8628, 3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("nobody has entered the code yet")]
    Pending,
    #[error("the polls come too fast")]
    SlowDown,
    #[error("the code has expired")]
    Expired,
    #[error("the user of the sandbox said no")]
    Denied,
    #[error("the sandbox does not know this device code, or it was used before")]
    Unknown,
}

/// All sign-ins that are waiting, by device code.
#[derive(Debug)]
pub(crate) struct DeviceCodes {
    lifetime: TimeDelta,
    interval: TimeDelta,
    waiting: HashMap<String, Waiting>,
}

impl DeviceCodes {
    pub(crate) fn new(flow: &DeviceFlow) -> Self {
        let (lifetime, interval) = (seconds(flow.lifetime), seconds(flow.interval));
        Self { lifetime, interval, waiting: HashMap::new() }
    }

    pub(crate) fn add(&mut self, device_code: String, user_code: String, asked: Asked, now: DateTime<Utc>) {
        let waiting = Waiting {
            asked,
            user_code,
            expires: now + self.lifetime,
            interval: self.interval,
            polled: None,
            decision: None,
        };
        self.waiting.insert(device_code, waiting);
    }

    /// What the client behind a user code asked for, while nobody has decided.
    pub(crate) fn asked(&mut self, user_code: &str, now: DateTime<Utc>) -> Option<Asked> {
        self.open(user_code, now).map(|waiting| waiting.asked.clone())
    }

    /// Records the decision. Returns false if no sign-in with this code is waiting for one.
    pub(crate) fn decide(&mut self, user_code: &str, decision: Decision, now: DateTime<Utc>) -> bool {
        let waiting = self.open(user_code, now);
        waiting.map(|waiting| waiting.decision = Some(decision)).is_some()
    }

    /// One poll. A device code yields tokens only once.
    pub(crate) fn poll(
        &mut self,
        device_code: &str,
        client: &str,
        now: DateTime<Utc>,
    ) -> Result<Grant, Refusal> {
        let waiting = self.waiting.get_mut(device_code).filter(|waiting| waiting.asked.client == client);
        let waiting = waiting.ok_or(Refusal::Unknown)?;
        if now >= waiting.expires {
            return Err(Refusal::Expired);
        }
        if waiting.polled.replace(now).is_some_and(|before| now < before + waiting.interval) {
            waiting.interval += SLOWER;
            return Err(Refusal::SlowDown);
        }
        let user = match waiting.decision {
            None => return Err(Refusal::Pending),
            Some(Decision::Denied) => return Err(Refusal::Denied),
            Some(Decision::Allowed(user)) => user,
        };
        let asked = self.waiting.remove(device_code).ok_or(Refusal::Unknown)?.asked;
        let Asked { client, scope, audience } = asked;
        Ok(Grant { user, client, scope, audience, nonce: None })
    }

    /// Finds a code as people type it: in any case, with or without the dash (RFC 8628, 6.1).
    fn open(&mut self, user_code: &str, now: DateTime<Utc>) -> Option<&mut Waiting> {
        let typed = bare(user_code);
        let fits = |waiting: &&mut Waiting| {
            bare(&waiting.user_code) == typed && waiting.decision.is_none() && now < waiting.expires
        };
        self.waiting.values_mut().find(fits)
    }
}

fn bare(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_uppercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes() -> (DeviceCodes, DateTime<Utc>) {
        let mut codes = DeviceCodes::new(&DeviceFlow { lifetime: 60, interval: 5, ..DeviceFlow::default() });
        let asked = Asked { client: "c".into(), scope: "openid".into(), audience: String::new() };
        codes.add("device".into(), "WDJB-MJHT".into(), asked, DateTime::UNIX_EPOCH);
        (codes, DateTime::UNIX_EPOCH)
    }

    #[test]
    fn a_poll_that_comes_too_early_makes_every_later_one_wait_longer() {
        let (mut codes, start) = codes();
        let mut poll = |after| codes.poll("device", "c", start + seconds(after)).unwrap_err();
        assert_eq!(poll(5), Refusal::Pending);
        assert_eq!(poll(9), Refusal::SlowDown);
        assert_eq!(poll(18), Refusal::SlowDown, "5 s and 5 s are 10 s");
        assert_eq!(poll(33), Refusal::Pending);
        assert_eq!(poll(60), Refusal::Expired);
    }

    #[test]
    fn a_code_is_accepted_however_it_is_typed_and_brings_tokens_once() {
        let (mut codes, start) = codes();
        assert!(!codes.decide("WDJB-MJHX", Decision::Allowed(1), start));
        assert!(codes.decide(" wdjbmjht ", Decision::Allowed(1), start));
        assert!(!codes.decide("WDJB-MJHT", Decision::Denied, start), "it is decided");
        assert_eq!(codes.poll("device", "other", start).unwrap_err(), Refusal::Unknown);
        assert_eq!(codes.poll("device", "c", start).unwrap().user, 1);
        assert_eq!(codes.poll("device", "c", start).unwrap_err(), Refusal::Unknown);
    }

    #[test]
    fn a_no_is_told_and_an_expired_code_cannot_be_entered() {
        let (mut codes, start) = codes();
        assert!(!codes.decide("WDJB-MJHT", Decision::Denied, start + seconds(60)));
        assert!(codes.decide("WDJB-MJHT", Decision::Denied, start));
        assert_eq!(codes.poll("device", "c", start).unwrap_err(), Refusal::Denied);
    }
}
