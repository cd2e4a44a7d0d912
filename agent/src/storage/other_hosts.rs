//! The records of other hosts that share the home folder, and of hosts whose disk this once was. They are read
//! only, unless a person takes a session over.

use std::path::PathBuf;
use std::sync::Arc;
use std::{fs, io};

use seqera_agent_proto::files::{self, Writer};
use seqera_agent_proto::place::Places;
use serde_json::Value;

use crate::clock::from_unix;
use crate::profile::ProfileName;
use crate::storage::record::{self, Lease, Record, Sessions, read};
use crate::storage::{durable, journal};

/// A session in the records of another host.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Elsewhere {
    pub profile: ProfileName,
    /// Id of the host.
    pub host: String,
    /// What the host called itself; older versions did not say.
    pub host_name: Option<String>,
    /// The host id in the names of its secrets.
    pub kept_under: String,
    pub record: Record,
}

impl Elsewhere {
    /// The host, and when its session was last alive, for people.
    pub(crate) fn in_words(&self) -> String {
        let short: String = self.host.chars().take(8).collect();
        let who = match &self.host_name {
            Some(name) => format!("host '{name}'"),
            None => format!("a host whose name is not recorded (id {short})"),
        };
        let seen = self.record.last_seen().map(|at| prost_types::Timestamp::from(from_unix(at)));
        seen.map_or_else(|| who.clone(), |seen| format!("{who}, last renewed {seen}"))
    }
}

/// The other hosts that have a folder in `run/`. `kept_under` is this host as well. Blocks on the file system.
pub(crate) fn hosts(places: &Places, kept_under: &str) -> Vec<String> {
    let entries = fs::read_dir(places.config_dir.join("run")).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| *name != places.host_id && name != kept_under).collect()
}

/// What another host has recorded; nothing where it cannot be read. Blocks on the file system.
fn sessions_of(places: &Places, host: &str) -> Sessions {
    read(&sessions_path(places, host)).unwrap_or_default()
}

fn run_folder(places: &Places, host: &str) -> PathBuf {
    places.config_dir.join("run").join(host)
}

pub(crate) fn sessions_path(places: &Places, host: &str) -> PathBuf {
    run_folder(places, host).join("sessions.json")
}

/// The profiles that are signed in on other hosts, the one that was last alive first. Blocks on the file system.
pub(crate) fn sessions(places: &Places, kept_under: &str) -> Vec<Elsewhere> {
    let mut found = Vec::new();
    for host in hosts(places, kept_under) {
        let Sessions { profiles, host_name, kept_under, .. } = sessions_of(places, &host);
        let kept_under = kept_under.unwrap_or_else(|| host.clone());
        let signed_in = profiles.into_iter().filter(|(_, record)| record.is_signed_in());
        found.extend(signed_in.map(|(profile, record)| {
            let (host, host_name, kept_under) = (host.clone(), host_name.clone(), kept_under.clone());
            let record = Arc::unwrap_or_clone(record);
            Elsewhere { profile, host, host_name, kept_under, record }
        }));
    }
    found.sort_by_key(|session| std::cmp::Reverse(session.record.last_seen()));
    found
}

/// The leases of other hosts as (name of the host, lease id, lease). Only their own host can tell whether their
/// processes are still running. Blocks on the file system.
pub(crate) fn leases(places: &Places, kept_under: &str) -> Vec<(String, String, Lease)> {
    let of_host = |id: String| {
        let Sessions { mut leases, host_name, .. } = sessions_of(places, &id);
        let _ = journal::replay(&journal::path(&run_folder(places, &id)), &mut leases);
        let name = host_name.unwrap_or(id);
        leases.into_iter().map(move |(id, lease)| (name.clone(), id, lease))
    };
    hosts(places, kept_under).into_iter().flat_map(of_host).collect()
}

/// A lease in the records of another host.
#[derive(Debug, Clone)]
pub(crate) struct LeaseElsewhere {
    /// Id of the host.
    pub host: String,
    /// What people call it.
    pub host_name: String,
    /// The host id in the names of its secrets.
    pub kept_under: String,
    pub lease: Lease,
}

/// The lease of this id, if another host has it. Blocks on the file system.
pub(crate) fn lease(places: &Places, kept_under: &str, id: &str) -> Option<LeaseElsewhere> {
    hosts(places, kept_under).into_iter().find_map(|host| {
        let Sessions { mut leases, host_name, kept_under, .. } = sessions_of(places, &host);
        let _ = journal::replay(&journal::path(&run_folder(places, &host)), &mut leases);
        let lease = leases.remove(id)?;
        let host_name = host_name.unwrap_or_else(|| host.clone());
        Some(LeaseElsewhere {
            kept_under: kept_under.unwrap_or_else(|| host.clone()),
            host,
            host_name,
            lease,
        })
    })
}

/// Takes a lease out of the records of another host, whose right to be the agent the caller holds. Blocks on the file
/// system.
///
/// # Errors
/// Why it could not be written; the other host still has it then.
pub(crate) fn forget_lease(places: &Places, host: &str, id: &str) -> io::Result<()> {
    let path = journal::path(&run_folder(places, host));
    let mut leases = sessions_of(places, host).leases;
    let elsewhere = leases.keys().cloned().collect();
    let found = journal::replay(&path, &mut leases).map_err(io::Error::other)?;
    let mut left = leases.clone();
    left.remove(id);
    journal::Journal::new(path, places.host_id.clone(), leases, elsewhere, found).write(&left).map(drop)
}

/// The other hosts as (id, name); where the name is not recorded, the id. Blocks on the file system.
pub(crate) fn named(places: &Places, kept_under: &str) -> Vec<(String, String)> {
    let name = |id: &String| sessions_of(places, id).host_name.unwrap_or_else(|| id.clone());
    hosts(places, kept_under).into_iter().map(|id| (id.clone(), name(&id))).collect()
}

/// Takes a session out of the records of another host, whose right to be the agent the caller holds. Nothing
/// happens if that host does not have this very session any more. Blocks on the file system.
///
/// # Errors
/// Why it could not be written; the other host still has it then.
pub(crate) fn take(places: &Places, host: &str, profile: &ProfileName) -> io::Result<()> {
    let path = sessions_path(places, host);
    let mut sessions = read(&path).map_err(io::Error::other)?;
    if sessions.profiles.remove(profile).is_none() {
        return Ok(());
    }
    let mut json = serde_json::to_vec_pretty(&sessions)?;
    json.push(b'\n');
    durable::write(&path, &places.host_id, &json)
}

/// True if this very session is in the records of the other host. Blocks on the file system.
pub(crate) fn still_has(places: &Places, adopting: &record::Adopting) -> bool {
    let there = sessions_of(places, &adopting.from).profiles.remove(&adopting.profile);
    there.is_some_and(|there| there.logged_in_at == adopting.record.logged_in_at)
}

/// True if this host has records under the id of earlier versions alone. Blocks on the file system.
pub(crate) fn has_former(places: &Places) -> bool {
    let former = places.former_id.as_ref().map(|former| sessions_path(places, former));
    former.is_some_and(|former| former.exists()) && !sessions_path(places, &places.host_id).exists()
}

/// Moves the records of this host from its id of earlier versions to the one of now: the sessions in one step, and
/// before it a copy of the leases. The secrets stay where they are: the records say under which id. The caller holds
/// the right to be the agent of both. Blocks on the file system.
///
/// # Errors
/// Why it could not be done; the earlier id has everything still.
pub(crate) fn move_former(places: &Places, former: &str) -> io::Result<()> {
    let (from, to) = (sessions_path(places, former), sessions_path(places, &places.host_id));
    let json = files::read(&from, record::LARGEST, Writer::Program)?;
    // What cannot be parsed is moved as it is, and named when it is read.
    if let Ok(Value::Object(mut sessions)) = serde_json::from_slice(&json) {
        sessions.entry("keptUnder").or_insert_with(|| former.into());
        durable::write(&from, former, format!("{:#}\n", Value::Object(sessions)).as_bytes())?;
    }
    durable::private_folder(&places.run_dir())?;
    let (old, new) = (journal::path(&run_folder(places, former)), journal::path(&places.run_dir()));
    match files::read(&old, record::LARGEST, Writer::Program) {
        Ok(leases) => durable::write(&new, &places.host_id, &leases)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    durable::rename(&from, &to)?;
    // The copy counts from here on. Nobody reads the old file any more, whether it can be removed or not.
    let _ = durable::remove(&old);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test_places::TestPlaces;
    use crate::token::Account;

    fn signed_in(at: u64) -> Record {
        Record { account: Some(Account::default()), logged_in_at: Some(at), ..Record::default() }
    }

    fn record(places: &Places, host: &str, sessions: &Sessions) {
        let path = sessions_path(places, host);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, serde_json::to_vec(sessions).unwrap()).unwrap();
    }

    fn of(profile: &str, record: Record, name: Option<&str>) -> Sessions {
        let profiles = [(profile.parse().unwrap(), Arc::new(record))].into();
        Sessions { profiles, host_name: name.map(str::to_owned), ..Sessions::default() }
    }

    #[test]
    fn hosts_are_named_in_words_with_their_last_renewal_and_the_latest_comes_first() {
        let home = TestPlaces::new();
        let places = home.places();
        record(places, "3abda07c0f3d1c55", &of("work", signed_in(1_767_225_600), None));
        record(places, "h2", &of("work", signed_in(1_767_229_200), Some("node7")));
        record(places, "h3", &of("work", Record { signed_out: true, ..signed_in(9) }, Some("gone")));
        let words: Vec<_> = sessions(places, "").iter().map(Elsewhere::in_words).collect();
        assert_eq!(
            words,
            [
                "host 'node7', last renewed 2026-01-01T01:00:00Z",
                "a host whose name is not recorded (id 3abda07c), last renewed 2026-01-01T00:00:00Z"
            ]
        );
        assert_eq!(sessions(places, "h2").len(), 1, "an earlier id of this host is no other host");
    }

    #[test]
    fn a_lease_is_taken_out_of_the_records_of_another_host_wherever_they_have_it() {
        let home = TestPlaces::new();
        let places = home.places();
        let lease = Lease {
            name: "seqera-1".into(),
            profile: "work".parse().unwrap(),
            settings: Default::default(),
            subject: "ada".into(),
            host: "h2".into(),
            program: "sh".into(),
            ends: record::Ends::At(9),
            created_at: 1,
            token_id: Some(5),
            store: None,
            ending: false,
            other: Default::default(),
        };
        // An older version's, one of the journal, and one that a crash has cut off.
        let mut sessions = of("work", signed_in(7), Some("node7"));
        sessions.leases.insert("old".into(), lease.clone());
        record(places, "h2", &sessions);
        let path = journal::path(&run_folder(places, "h2"));
        let line = format!("{{\"id\":\"new\",\"lease\":{}}}\n", serde_json::to_string(&lease).unwrap());
        fs::write(&path, format!("{line}{}", &line[..20])).unwrap();
        let there = |id: &str| super::lease(places, "", id).map(|there| (there.host_name, there.lease));
        for id in ["old", "new"] {
            assert_eq!(there(id), Some(("node7".into(), lease.clone())), "{id}");
            forget_lease(places, "h2", id).unwrap();
            assert_eq!(there(id), None, "{id}");
        }
        assert!(leases(places, "").is_empty());
        assert_eq!(super::sessions(places, "").len(), 1, "the session is there still");
        forget_lease(places, "h2", "nobody's").unwrap();
    }

    #[test]
    fn the_records_of_an_earlier_id_are_moved_whole_and_say_where_the_secrets_are() {
        let home = TestPlaces::new();
        let places = Places { former_id: Some("old".into()), ..home.places().clone() };
        assert!(!has_former(&places));
        let mut sessions = of("work", signed_in(7), None);
        sessions.other.insert("later".into(), true.into());
        record(&places, "old", &sessions);
        let lease = b"{\"id\":\"lse_1\",\"lease\":null}\n";
        let (old, new) = (run_folder(&places, "old"), places.run_dir());
        fs::write(journal::path(&old), lease).unwrap();
        assert!(has_former(&places));
        move_former(&places, "old").unwrap();
        assert_eq!(fs::read(journal::path(&new)).unwrap(), lease, "the leases come along");
        assert!(!journal::path(&old).exists());
        assert!(!has_former(&places));
        let moved = read(&sessions_path(&places, &places.host_id)).unwrap();
        assert_eq!(moved, Sessions { kept_under: Some("old".into()), ..sessions });
        // Records of now are never replaced.
        record(&places, "old", &of("work", signed_in(8), None));
        assert!(!has_former(&places));
    }

    #[test]
    fn a_session_is_taken_out_of_the_records_of_its_host_and_the_others_stay() {
        let home = TestPlaces::new();
        let places = home.places();
        let mut both = of("work", signed_in(7), None);
        both.profiles.insert("home".parse().unwrap(), Arc::new(signed_in(8)));
        record(places, "h2", &both);
        let adopting = |at| record::Adopting {
            from: "h2".into(),
            profile: "work".parse().unwrap(),
            record: Box::new(signed_in(at)),
        };
        assert!(still_has(places, &adopting(7)) && !still_has(places, &adopting(6)));
        take(places, "h2", &"work".parse().unwrap()).unwrap();
        assert!(!still_has(places, &adopting(7)));
        assert_eq!(sessions(places, "").iter().map(|one| one.profile.as_str()).collect::<Vec<_>>(), ["home"]);
    }
}
