//! Personal access tokens: secrets that never expire and are deleted by their id.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

/// The user already has a token of this name.
#[derive(Debug, thiserror::Error)]
#[error("a token of this name exists already")]
pub(crate) struct NameTaken;

#[derive(Debug)]
struct Pat {
    user: u64,
    name: String,
    created: DateTime<Utc>,
    last_used: Option<DateTime<Utc>>,
    access_key: String,
}

/// All personal access tokens of one sandbox, by id.
#[derive(Debug, Default)]
pub(crate) struct Pats {
    last_id: u64,
    tokens: BTreeMap<u64, Pat>,
}

impl Pats {
    /// Adds a token and returns its id. `key` makes the secret from the id.
    pub(crate) fn add(
        &mut self,
        user: u64,
        name: &str,
        key: impl FnOnce(u64) -> String,
        now: DateTime<Utc>,
    ) -> Result<u64, NameTaken> {
        if self.tokens.values().any(|pat| pat.user == user && pat.name == name) {
            return Err(NameTaken);
        }
        self.last_id += 1;
        let id = self.last_id;
        let pat = Pat { user, name: name.into(), created: now, last_used: None, access_key: key(id) };
        self.tokens.insert(id, pat);
        Ok(id)
    }

    /// The owner of `access_key`. Records that it was used.
    pub(crate) fn bearer(&mut self, access_key: &str, now: DateTime<Utc>) -> Option<u64> {
        let pat = self.tokens.values_mut().find(|pat| pat.access_key == access_key)?;
        pat.last_used = Some(now);
        Some(pat.user)
    }

    /// A user's tokens as the Platform lists them, without their secrets.
    pub(crate) fn list(&self, user: u64) -> Vec<Value> {
        self.tokens.iter().filter(|(_, pat)| pat.user == user).map(|(id, pat)| pat.describe(*id)).collect()
    }

    /// The response to creating a token. Only here is its secret shown.
    pub(crate) fn created(&self, id: u64) -> Option<Value> {
        let pat = self.tokens.get(&id)?;
        Some(json!({ "accessKey": pat.access_key, "token": pat.describe(id) }))
    }

    /// Deletes a user's token. Returns false if the user has no token with this id.
    pub(crate) fn delete(&mut self, user: u64, id: u64) -> bool {
        let found = self.tokens.get(&id).is_some_and(|pat| pat.user == user);
        if found {
            self.tokens.remove(&id);
        }
        found
    }
}

impl Pat {
    fn describe(&self, id: u64) -> Value {
        json!({ "id": id, "name": self.name, "dateCreated": self.created, "lastUsed": self.last_used })
    }
}

/// A secret in the shape of the Platform's personal access tokens: base64 of `{"tid": 7}.<hex signature>`.
pub(crate) fn access_key(id: u64, signature: &[u8]) -> String {
    let hex: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
    STANDARD.encode(format!("{{\"tid\": {id}}}.{hex}"))
}
