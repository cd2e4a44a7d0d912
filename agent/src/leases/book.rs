//! The book of leases: what is written down of each in `sessions.json`, and the pure rules of their lives. It
//! is written before a token is made: whatever dies, the next start finds what is to be deleted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::Clock;
use crate::error::AgentError;
use crate::leases::mint::Mints;
use crate::leases::program::Programs;
use crate::profile::{Profile, ProfileName};
use crate::storage::ladder::Ladder;
use crate::storage::passwords::ProxyPasswords;
use crate::storage::record::Lease;
use crate::storage::state::{State, StateError};
use crate::token::AccessToken;

/// How long a token whose creation was not answered may still turn up in the Platform's list. Gateways give
/// up after a minute or two and leave what they have passed on to its end.
const MAY_APPEAR: u64 = 600;

/// Attempts to delete a token before it is left to the long pause: they take about five minutes.
const QUICK_ATTEMPTS: u32 = 10;

/// Between two attempts after that: a laptop may be offline for a weekend.
const LONG_PAUSE: Duration = Duration::from_secs(600);

/// Letters of a token's name at the Platform. It documents no limit; this one has met no refusal.
const LONGEST_USER: usize = 8;
const LONGEST_HOST: usize = 10;

/// What the leases work with.
pub(crate) struct Parts {
    /// Keeps what is known of them.
    pub state: State,
    /// Keeps their tokens.
    pub ladder: Arc<Ladder>,
    /// Gives the time.
    pub clock: Arc<dyn Clock>,
    /// Of the proxies on the way to them.
    pub passwords: Arc<ProxyPasswords>,
    /// The Platforms.
    pub mints: Arc<dyn Mints>,
    /// The processes of this host.
    pub programs: Arc<dyn Programs>,
    /// Id of this host.
    pub host: String,
    /// The user's name and the host's, for the names of tokens.
    pub owner: (String, String),
    /// Dies at a named point; debug builds only.
    pub crash: fn(&'static str),
}

/// Where the token of a session comes from: what makes a lease, and what deletes its token where the token
/// itself cannot.
#[async_trait]
pub(crate) trait TokenSource: Send + Sync {
    /// A token of the profile's session, as any caller would get it.
    async fn access(&self, profile: &ProfileName) -> Result<SessionToken, AgentError>;
}

/// An access token of a session, and whose it is.
pub(crate) struct SessionToken {
    /// The token.
    pub token: AccessToken,
    /// Where the session signed in.
    pub profile: Profile,
    /// The account (`sub`); empty: not known.
    pub subject: String,
}

/// What is recorded of all leases.
pub(crate) struct Book {
    pub(super) parts: Parts,
}

impl Book {
    /// Every recorded lease, with its id.
    pub(crate) fn recorded(&self) -> BTreeMap<String, Lease> {
        self.parts.state.snapshot().leases.clone()
    }

    /// One lease as recorded.
    pub(crate) fn lease(&self, id: &str) -> Option<Lease> {
        self.parts.state.snapshot().leases.get(id).cloned()
    }

    /// How many tokens there are, or may be, that this host has to delete some day.
    pub(crate) fn count(&self) -> usize {
        let snapshot = self.parts.state.snapshot();
        snapshot.leases.values().filter(|lease| lease.host == self.parts.host).count()
    }

    /// Ids of the leases that programs use: of one profile, or of all.
    pub(crate) fn in_use(&self, profile: Option<&ProfileName>) -> Vec<String> {
        let of_profile = |lease: &Lease| profile.is_none_or(|name| *name == lease.profile);
        let used = |lease: &Lease| lease.host == self.parts.host && !lease.ending && of_profile(lease);
        self.recorded().into_iter().filter(|(_, lease)| used(lease)).map(|(id, _)| id).collect()
    }

    pub(crate) async fn change(&self, id: &str, change: impl FnOnce(&mut Lease)) -> Result<(), StateError> {
        self.parts.state.change(|sessions| sessions.leases.get_mut(id).map(change).unwrap_or_default()).await
    }

    /// What a person should know of a profile's leases; `None`: nothing.
    pub(crate) fn note(&self, profile: &ProfileName) -> Option<String> {
        let holders = match self.in_use(Some(profile)).len() {
            0 => return None,
            1 => "a program holds an access token of its own".to_owned(),
            count => format!("{count} programs hold access tokens of their own"),
        };
        Some(format!("{holders}; see 'seqera agent leases'"))
    }

    pub(crate) async fn forget(&self, id: &str) {
        if let Err(error) = self.parts.state.change(|sessions| drop(sessions.leases.remove(id))).await {
            tracing::warn!(%id, %error, "the end of a lease could not be recorded");
        }
    }
}

impl Lease {
    /// True while a token whose creation was not answered may still turn up although the list has none.
    pub(crate) fn may_appear(&self, now: u64) -> bool {
        self.token_id.is_none() && now < self.created_at.saturating_add(MAY_APPEAR)
    }
}

/// A token's name at the Platform. It tells the person who and where, and it is the agent's own: by its
/// random part it can be looked up when nothing else is known. `time` is `20260102T0304Z`.
pub(crate) fn token_name(user: &str, host: &str, time: &str, id: &str) -> String {
    let plain = |text: &str, most| -> String {
        let known = text.split('.').next().unwrap_or_default();
        known.chars().filter(char::is_ascii_alphanumeric).take(most).collect()
    };
    let parts = [plain(user, LONGEST_USER), plain(host, LONGEST_HOST), time.to_owned(), id.to_owned()];
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    format!("seqera-{}", parts.join("-"))
}

/// The id in a lease's random bytes: eight hexadecimal digits.
pub(crate) fn id(random: u32) -> String {
    format!("{random:08x}")
}

/// What a failed deletion asks of its next attempt; `None`: the usual back-off.
pub(crate) fn pause(failures: u32) -> Option<Duration> {
    (failures >= QUICK_ATTEMPTS).then_some(LONG_PAUSE)
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::*;
    use crate::profile::{Profile, ProfileName};
    use crate::storage::record::{Ends, Program};

    fn lease() -> Lease {
        Lease {
            name: "seqera-ada-login1-20260102T0304Z-00c0ffee".into(),
            profile: ProfileName::fallback(),
            settings: Profile::default(),
            subject: "ada".into(),
            host: "host-a".into(),
            program: "nextflow".into(),
            ends: Ends::With(Program { pid: 7, started: "1@boot".into() }),
            created_at: 1_000,
            token_id: None,
            store: None,
            ending: false,
            other: Map::new(),
        }
    }

    #[test]
    fn a_name_tells_who_where_and_when_and_holds_nothing_odd() {
        let name = token_name("ada", "login1.cluster.test", "20260102T0304Z", &id(0xc0ffee));
        assert_eq!(name, "seqera-ada-login1-20260102T0304Z-00c0ffee");
        let odd = token_name("DOM\\grace hopper\n", "näme-with-a-long-tail", "20260102T0304Z", &id(1));
        assert_eq!(odd, "seqera-DOMgrace-nmewithalo-20260102T0304Z-00000001");
        assert_eq!(token_name("", "", "20260102T0304Z", "0a"), "seqera-20260102T0304Z-0a");
        assert!(odd.len() <= 50);
    }

    #[test]
    fn a_token_whose_id_is_not_known_is_looked_for_by_its_name_for_ten_minutes() {
        assert!(lease().may_appear(1_599) && !lease().may_appear(1_600));
        let known = Lease { token_id: Some(5), ..lease() };
        assert!(!known.may_appear(1_001));
    }

    #[test]
    fn a_lease_is_read_as_it_was_written_and_keeps_what_a_newer_version_wrote() {
        let mut json = serde_json::to_value(lease()).unwrap();
        json["futureField"] = Value::from(7);
        let read: Lease = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), json);
    }

    #[test]
    fn a_deletion_that_keeps_failing_is_left_to_long_pauses() {
        assert_eq!(pause(9), None);
        assert_eq!(pause(10), Some(Duration::from_secs(600)));
    }
}
