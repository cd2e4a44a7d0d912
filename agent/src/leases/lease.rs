//! A lease: one personal access token that the agent has made at the Platform for one program, and the rules
//! of its life. Pure: no clock, no network, no disk.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::profile::{Profile, ProfileName};
use crate::storage::store::StoreKind;

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

/// A process, told apart from a later one of the same number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Program {
    /// Process id.
    pub pid: u32,
    /// When it started, as the system tells it; to be compared and for nothing else.
    pub started: String,
}

/// What ends a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Ends {
    /// The end of a process of the lease's own host.
    With(Program),
    /// A time, in Unix seconds.
    At(u64),
}

/// What is written down of a lease, before its token is made. No secret is in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Lease {
    /// The token's name at the Platform.
    pub name: String,
    /// Whose account it is.
    pub profile: ProfileName,
    /// Where the token was made: the session may be gone when it has to be deleted.
    pub settings: Profile,
    /// The account (`sub`): another one's list would not show the token.
    pub subject: String,
    /// Id of the host that made it. No other host can judge its process.
    pub host: String,
    /// What the person called the program.
    pub program: String,
    /// What ends it.
    pub ends: Ends,
    /// Unix seconds.
    pub created_at: u64,
    /// The token's id at the Platform; missing: its creation was not answered, or the answer was not
    /// recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<i64>,
    /// Which store has the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreKind>,
    /// It has ended, and its token is to be deleted.
    #[serde(default)]
    pub ending: bool,
    /// What we do not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
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
    use super::*;

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
