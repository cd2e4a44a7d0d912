//! The book of leases: what `leases.jsonl` records about each, and the rules that need no I/O. A lease is
//! recorded before its token is created, so that after any crash the next start finds what to delete.

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

/// How many seconds after an unanswered request its token may still turn up in the Platform's list. Gateways
/// give up after a minute or two, while the Platform goes on with the request.
const MAY_APPEAR: u64 = 600;

/// The number of attempts to delete a token before the long pauses begin. They take about five minutes.
const QUICK_ATTEMPTS: u32 = 10;

/// The pause between the attempts after that: a laptop may be offline for a weekend.
const LONG_PAUSE: Duration = Duration::from_secs(600);

/// Limits on parts of a token's name at the Platform, in characters. The Platform documents no limit and has
/// never refused names of this length.
const LONGEST_USER: usize = 8;
const LONGEST_HOST: usize = 10;

/// Everything that the leases depend on.
pub(crate) struct Parts {
    /// Records the leases.
    pub state: State,
    /// Stores their tokens.
    pub ladder: Arc<Ladder>,
    pub clock: Arc<dyn Clock>,
    pub passwords: Arc<ProxyPasswords>,
    /// Gives access to the Platforms.
    pub mints: Arc<dyn Mints>,
    /// Watches the processes of this host.
    pub programs: Arc<dyn Programs>,
    /// The id of this host.
    pub host: String,
    /// The names of the user and the host, for the names of tokens.
    pub owner: (String, String),
    /// The longest life of a lease, where the site sets one.
    pub longest: Option<Duration>,
    /// Aborts the process at a named point, in debug builds only.
    pub crash: fn(&'static str),
}

/// The source of session tokens. A session token creates the token of a lease, and deletes it if the lease's
/// token cannot delete itself.
#[async_trait]
pub(crate) trait TokenSource: Send + Sync {
    /// Gets a token of the profile's session, as any caller does.
    async fn access(&self, profile: &ProfileName) -> Result<SessionToken, AgentError>;
}

/// An access token of a session, and its account.
pub(crate) struct SessionToken {
    pub token: AccessToken,
    /// Where the session signed in.
    pub profile: Profile,
    /// The account (`sub`), or empty if unknown.
    pub subject: String,
}

/// The records of all leases.
pub(crate) struct Book {
    pub(super) parts: Parts,
}

impl Book {
    /// Every recorded lease by its id.
    pub(crate) fn recorded(&self) -> BTreeMap<String, Lease> {
        self.parts.state.snapshot().leases.clone()
    }

    pub(crate) fn lease(&self, id: &str) -> Option<Lease> {
        self.parts.state.snapshot().leases.get(id).cloned()
    }

    /// How many tokens exist, or may exist, that this host has to delete some day.
    pub(crate) fn count(&self) -> usize {
        let snapshot = self.parts.state.snapshot();
        snapshot.leases.values().filter(|lease| lease.host == self.parts.host).count()
    }

    /// The ids of the leases that programs still use, for one profile or for all.
    pub(crate) fn in_use(&self, profile: Option<&ProfileName>) -> Vec<String> {
        let of_profile = |lease: &Lease| profile.is_none_or(|name| *name == lease.profile);
        let used = |lease: &Lease| lease.host == self.parts.host && !lease.ending && of_profile(lease);
        self.recorded().into_iter().filter(|(_, lease)| used(lease)).map(|(id, _)| id).collect()
    }

    pub(crate) async fn change(&self, id: &str, change: impl FnOnce(&mut Lease)) -> Result<(), StateError> {
        self.parts.state.change(|sessions| sessions.leases.get_mut(id).map(change).unwrap_or_default()).await
    }

    /// A note for the person about the profile's leases, if any are in use.
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
    /// True while the token of an unanswered request may still turn up, although the list does not have it
    /// yet.
    pub(crate) fn may_appear(&self, now: u64) -> bool {
        self.token_id.is_none() && now < self.created_at.saturating_add(MAY_APPEAR)
    }
}

/// A token's name at the Platform. It tells the person who created the token and where. The random part makes
/// it unique, so the agent can find the token when it knows only the name. `time` is in the form
/// `20260102T0304Z`.
pub(crate) fn token_name(user: &str, host: &str, time: &str, id: &str) -> String {
    let plain = |text: &str, most| -> String {
        let known = text.split('.').next().unwrap_or_default();
        known.chars().filter(char::is_ascii_alphanumeric).take(most).collect()
    };
    let parts = [plain(user, LONGEST_USER), plain(host, LONGEST_HOST), time.to_owned(), id.to_owned()];
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    format!("seqera-{}", parts.join("-"))
}

/// A lease's id: its random bytes as eight hexadecimal digits.
pub(crate) fn id(random: u32) -> String {
    format!("{random:08x}")
}

/// The pause after a failed deletion. `None` means the usual back-off.
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
