//! `auth-state.json`: the documented summary of all profiles, in the format of v1 of the CLI.
//!
//! The agent writes it for people and other programs, and bases no decision on it. Other programs and the agents
//! of other hosts write to it as well, so keys that are not ours stay as they are, at every level.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use seqera_agent_proto::configuration::position;
use seqera_agent_proto::files::{self, Writer};
use serde_json::{Map, Value, json};

use crate::profile::ProfileName;
use crate::storage::durable;
use crate::storage::record::{self, Record};

/// The keys that we write of a profile.
const KEYS: [&str; 9] = [
    "user",
    "last_login",
    "last_refresh",
    "method",
    "domain",
    "audience",
    "client_id",
    "status",
    "explicitly_logged_out",
];

/// Brings the file up to date: `profiles` are listed, `gone` are not any more. For `owner` see [`durable::write`].
///
/// # Errors
/// The same as [`merge`], and why the file could not be written. The old content is left in either case.
pub(crate) fn write(
    path: &Path,
    owner: &str,
    profiles: &BTreeMap<ProfileName, Arc<Record>>,
    gone: &BTreeSet<ProfileName>,
) -> Result<(), String> {
    // Most changes of a session, such as an intent, do not show in the summary.
    let Some(new) = merge(path, profiles, gone)? else { return Ok(()) };
    let text = format!("{new:#}\n");
    durable::write(path, owner, text.as_bytes()).map_err(|error| format!("{}: {error}", path.display()))
}

/// Merges the profiles into the file's content; `None` if that changes nothing.
///
/// # Errors
/// Why the file cannot be read, or is not such a summary; the text names the file, and line and column of bad
/// content.
pub(crate) fn merge(
    path: &Path,
    profiles: &BTreeMap<ProfileName, Arc<Record>>,
    gone: &BTreeSet<ProfileName>,
) -> Result<Option<Value>, String> {
    let shown = path.display();
    let old = match files::read(path, record::LARGEST, Writer::Program) {
        Ok(json) => serde_json::from_slice(&json).map_err(|error| format!("{shown}:{}", position(&error)))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => json!({}),
        Err(error) => return Err(files::sentence(path, &error)),
    };
    let new = merged(old.clone(), profiles, gone);
    let new = new.ok_or_else(|| format!("{shown}:1:1: this is not the summary of sessions"))?;
    Ok((new != old).then_some(new))
}

/// `None` if the old content has another shape.
fn merged(
    mut old: Value,
    profiles: &BTreeMap<ProfileName, Arc<Record>>,
    gone: &BTreeSet<ProfileName>,
) -> Option<Value> {
    let listed: Vec<_> = profiles.iter().filter(|(_, record)| is_listed(record)).collect();
    let top = old.as_object_mut()?;
    if let Some(entries) = top.get_mut("profiles").and_then(Value::as_object_mut) {
        gone.iter().filter(|name| !profiles.contains_key(name)).for_each(|name| forget(entries, name));
    }
    if listed.is_empty() {
        return Some(old);
    }
    let entries = top.entry("profiles").or_insert_with(|| json!({})).as_object_mut()?;
    for (name, record) in listed {
        let entry = entries.entry(name.as_str()).or_insert_with(|| json!({})).as_object_mut()?;
        describe(entry, record);
    }
    Some(old)
}

/// Removes what we have written of a profile, and its entry if nobody else has written there.
fn forget(entries: &mut Map<String, Value>, name: &ProfileName) {
    let Some(entry) = entries.get_mut(name.as_str()).and_then(Value::as_object_mut) else { return };
    KEYS.iter().for_each(|key| drop(entry.remove(*key)));
    if entry.is_empty() {
        entries.remove(name.as_str());
    }
}

/// A profile is listed from its first login on.
fn is_listed(record: &Record) -> bool {
    record.account.is_some() || record.signed_out || record.ended.is_some()
}

/// Sets the documented keys, and removes everything about the account after a sign-out.
fn describe(entry: &mut Map<String, Value>, record: &Record) {
    let account = record.account.as_ref().filter(|_| !record.signed_out);
    let profile = &record.profile;
    let unless_signed_out = |value: Value| if record.signed_out { Value::Null } else { value };
    let status = match record {
        Record { signed_out: true, .. } => "signed_out",
        Record { ended: Some(_), .. } => "expired",
        _ => "signed_in",
    };
    let values = [
        json!(account.map(|account| account.label())),
        unless_signed_out(json!(record.logged_in_at)),
        unless_signed_out(json!(record.last_renewed_at)),
        unless_signed_out(json!(record.method)),
        unless_signed_out(json!(profile.authority)),
        unless_signed_out(json!(profile.audience)),
        unless_signed_out(json!(profile.client_id)),
        json!(status),
        json!(record.signed_out),
    ];
    for (key, value) in KEYS.into_iter().zip(values) {
        match value {
            Value::Null => entry.remove(key),
            value => entry.insert(key.to_owned(), value),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::Account;

    fn record() -> Record {
        let account =
            Account { subject: "42".into(), email: "ada@sandbox.test".into(), ..Account::default() };
        Record { account: Some(account), logged_in_at: Some(1_767_225_600), ..Record::default() }
    }

    fn profiles(record: Record) -> BTreeMap<ProfileName, Arc<Record>> {
        BTreeMap::from([("work".parse().unwrap(), Arc::new(record))])
    }

    #[test]
    fn unknown_keys_survive_at_every_level() {
        let old =
            json!({"x": 1, "profiles": {"other:host": {"user": "bob"}, "work": {"y": [2], "user": "old"}}});
        let new = merged(old, &profiles(record()), &BTreeSet::new()).unwrap();
        assert_eq!((&new["x"], &new["profiles"]["work"]["y"]), (&json!(1), &json!([2])));
        assert_eq!(new["profiles"]["other:host"], json!({"user": "bob"}));
        assert_eq!(new["profiles"]["work"]["user"], "ada@sandbox.test");
        assert_eq!(new["profiles"]["work"]["status"], "signed_in");
    }

    #[test]
    fn after_a_sign_out_the_name_and_the_mark_remain_and_no_account_data() {
        let before = merged(json!({}), &profiles(record()), &BTreeSet::new()).unwrap();
        let out = Record { signed_out: true, ..record() };
        let after = merged(before, &profiles(out), &BTreeSet::new()).unwrap();
        let mark = json!({"status": "signed_out", "explicitly_logged_out": true});
        assert_eq!(after, json!({"profiles": {"work": mark}}));
    }

    #[test]
    fn of_a_profile_that_has_gone_nothing_of_ours_remains() {
        let gone = BTreeSet::from(["work".parse().unwrap(), "lab".parse().unwrap()]);
        let before =
            json!({"profiles": {"work": {"user": "ada"}, "lab": {"user": "ada", "theirs": 1}, "x": {}}});
        let after = merged(before, &BTreeMap::new(), &gone).unwrap();
        assert_eq!(after, json!({"profiles": {"lab": {"theirs": 1}, "x": {}}}));
        let again = merged(after, &profiles(record()), &gone).unwrap();
        assert_eq!(again["profiles"]["work"]["user"], "ada@sandbox.test", "signed in anew");
    }

    #[test]
    fn a_file_of_another_shape_is_refused() {
        for odd in [json!([]), json!({"profiles": 7}), json!({"profiles": {"work": "x"}})] {
            assert_eq!(merged(odd, &profiles(record()), &BTreeSet::new()), None);
        }
    }
}
