//! What version 1 of the CLI has left in the configuration folder: files with bare refresh tokens, and an
//! `auth-state.json` that says where each token belongs
//! ([The earlier CLI](crate::manual::providers#the-earlier-cli)).

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use seqera_agent_proto::files::{Writer, is_refused, read};
use seqera_agent_proto::text::is_deceptive;
use seqera_agent_proto::values::address;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::foreign::{Email, LONGEST_ADDRESS};
use crate::profile::Profile;
use crate::storage::file::{LARGEST, PREFIX, is_bare_token};
use crate::storage::{durable, record};

/// The authority and the account that a token of v1 belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) authority: String,
    pub(super) client_id: String,
    pub(super) audience: String,
    /// The account's name, as v1 recorded it.
    pub(super) account: Email,
    /// When v1 got the token, in Unix seconds, or 0 if v1 did not record it.
    pub(super) since: u64,
}

/// The owners of v1's tokens, by v1's profile names. If the file is missing or unreadable there are none, and
/// a token without an owner is never sent anywhere.
pub(super) fn owners(folder: &Path) -> BTreeMap<String, Owner> {
    let state = read(&folder.join("auth-state.json"), record::LARGEST, Writer::Program).ok();
    let state: Value = state.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
    let profiles = state["profiles"].as_object().cloned().unwrap_or_default();
    profiles.into_iter().filter_map(|(name, entry)| Some((name, owner(entry.as_object()?)?))).collect()
}

fn owner(entry: &Map<String, Value>) -> Option<Owner> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
    let or = |value: &str, default: &str| if value.is_empty() { default } else { value }.to_owned();
    let time = |key: &str| entry.get(key).and_then(Value::as_f64).map_or(0, |seconds| seconds as u64);
    // After a deliberate logout, whatever is left must not be used again.
    if text("domain").is_empty() || entry.get("explicitly_logged_out") == Some(&Value::Bool(true)) {
        return None;
    }
    let is_odd = |key: &str| text(key).len() > LONGEST_ADDRESS || text(key).contains(is_deceptive);
    if ["domain", "client_id", "audience"].into_iter().any(is_odd) {
        return None;
    }
    Some(Owner {
        authority: authority(text("domain")),
        client_id: or(text("client_id"), Profile::CLIENT_ID),
        audience: or(text("audience"), Profile::AUDIENCE),
        account: text("user").into(),
        since: time("last_login").max(time("last_refresh")),
    })
}

fn authority(domain: &str) -> String {
    let domain = domain.trim_end_matches('/');
    address::recorded(&if domain.contains("://") { domain.to_owned() } else { format!("https://{domain}") })
}

/// True for a name that v1 generated: `<domain>:<audience>`. Every other name was given by a person.
pub(super) fn is_generated(name: &str, owner: &Owner) -> bool {
    let domain = owner.authority.trim_start_matches("https://");
    let made = [&owner.authority, domain].map(|domain| file_name(&format!("{domain}:{}", owner.audience)));
    made.contains(&file_name(name))
}

/// The form that a profile's name takes in the name of v1's file.
pub(super) fn file_name(profile: &str) -> String {
    profile.replace(':', "_")
}

/// The path of a file, from the part of its name after the prefix.
pub(super) fn path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{PREFIX}{name}"))
}

/// Lists the files that hold a bare token, by the part of their names after the prefix.
pub(super) fn files(folder: &Path) -> io::Result<Vec<String>> {
    if !durable::check_folder(folder)? {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let file_name = entry?.file_name();
        let Some(name) = file_name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        if durable::is_aside(name) {
            continue;
        }
        match token(folder, name) {
            Ok(Some(_)) => names.push(name.to_owned()),
            Ok(None) => {}
            // What is no file of the user holds no token of the user, and hides no other.
            Err(error) if is_refused(&error) => {}
            Err(error) => return Err(error),
        }
    }
    names.sort();
    Ok(names)
}

/// Reads the token in a file of v1. Returns `None` if the file does not exist, or is ours.
pub(super) fn token(folder: &Path, name: &str) -> io::Result<Option<SecretString>> {
    let bytes = match read(&path(folder, name), LARGEST, Writer::Program) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
    Ok(is_bare_token(&bytes).then(|| SecretString::from(text)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn folder(state: &Value) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("auth-state.json"), state.to_string()).unwrap();
        folder
    }

    #[test]
    fn the_record_says_where_a_token_belongs() {
        let entry = json!({"user": "ada@x.test", "domain": "host.test/api", "client_id": "mine",
            "audience": "platform", "last_login": 100.5, "last_refresh": 200, "status": "active"});
        let folder = folder(&json!({"profiles": {"host.test/api:platform": entry}}));
        let owners = owners(folder.path());
        let owner = &owners["host.test/api:platform"];
        assert_eq!((owner.authority.as_str(), owner.client_id.as_str()), ("https://host.test/api", "mine"));
        assert_eq!((owner.account.as_str(), owner.since), ("ada@x.test", 200));
        assert!(is_generated("host.test/api_platform", owner) && !is_generated("lab", owner));
    }

    #[test]
    fn without_a_domain_or_after_a_logout_there_is_no_owner() {
        let out = json!({"domain": "https://h", "explicitly_logged_out": true});
        let folder = folder(&json!({"profiles": {"a": {"user": "x"}, "b": out, "c": 7}}));
        assert_eq!(owners(folder.path()), BTreeMap::new());
        assert_eq!(super::owners(Path::new("/nowhere")), BTreeMap::new());
    }

    #[test]
    fn what_another_program_wrote_is_cleaned_and_no_owner_where_it_cannot_be_sent() {
        let long = "x".repeat(70_000);
        let entry = |key: &str, value: &str| {
            let mut entry = json!({"domain": "h.test", "user": "a\u{202e}da\n@x.test"});
            entry[key] = json!(value);
            entry
        };
        let profiles = json!({"good": entry("user", "a\u{202e}da\n@x.test"), "a": entry("domain", &long),
            "b": entry("client_id", &long), "c": entry("audience", "x\u{0}"), "d": entry("domain", "h\u{200b}.test")});
        let owners = owners(folder(&json!({"profiles": profiles})).path());
        assert_eq!(owners.keys().collect::<Vec<_>>(), ["good"]);
        assert_eq!(owners["good"].account, "ada @x.test");
    }

    #[test]
    fn only_bare_tokens_are_v1s() {
        let folder = folder(&json!({}));
        let write = |name: &str, text: &str| std::fs::write(path(folder.path(), name), text).unwrap();
        write("lab", "a-refresh-token-of-version-1\n");
        write("ours", r#"{"authority": "https://h", "secret": "x"}"#);
        write("damaged", "tok");
        write("old.corrupt-17", "a-refresh-token-of-version-1");
        #[cfg(unix)]
        crate::testing::odd::named_pipe(&path(folder.path(), "pipe"));
        assert_eq!(files(folder.path()).unwrap(), ["lab"]);
        assert!(token(folder.path(), "ours").unwrap().is_none());
    }
}
