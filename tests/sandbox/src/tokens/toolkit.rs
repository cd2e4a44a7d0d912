//! Tokens for SciToolkit's command line. They live until they are revoked, or until a chosen time.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::keys::random_text;

/// Enough random bytes that nobody can guess a token.
const TOKEN_BYTES: usize = 24;

/// What a token may be used for. Its prefix shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `stk_user_…`, a person's token.
    User,
    /// `sct_user_…`, a person's token from before 2026-05.
    RetiredUser,
    /// `stk_…`, a toolkit's token.
    Toolkit,
}

impl Shape {
    /// The shape with this prefix.
    pub(crate) fn of(prefix: &str) -> Option<Self> {
        [Self::User, Self::RetiredUser, Self::Toolkit].into_iter().find(|shape| shape.prefix() == prefix)
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::User => "stk_user_",
            Self::RetiredUser => "sct_user_",
            Self::Toolkit => "stk_",
        }
    }
}

/// Only a hash of the secret is kept, as the documentation promises.
#[derive(Debug)]
struct Entry {
    user: u64,
    name: String,
    shape: Shape,
    hash: [u8; 32],
    created: DateTime<Utc>,
    last_used: Option<DateTime<Utc>>,
    expires: Option<DateTime<Utc>>,
}

/// All tokens, by id.
#[derive(Debug, Default)]
pub(crate) struct ToolkitTokens {
    last_id: u64,
    tokens: BTreeMap<u64, Entry>,
}

/// The owner of a token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bearer {
    pub(crate) id: u64,
    pub(crate) user: u64,
    pub(crate) shape: Shape,
}

impl ToolkitTokens {
    /// Makes a token. Its secret is returned here and never again.
    pub(crate) fn make(
        &mut self,
        user: u64,
        name: &str,
        shape: Shape,
        expires: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> String {
        let secret = format!("{}{}", shape.prefix(), random_text(TOKEN_BYTES));
        self.last_id += 1;
        let hash = Sha256::digest(&secret).into();
        let entry = Entry { user, name: name.into(), shape, hash, created: now, last_used: None, expires };
        self.tokens.insert(self.last_id, entry);
        secret
    }

    /// The owner of `secret`, if it is still valid. Records that it was used.
    pub(crate) fn bearer(&mut self, secret: &str, now: DateTime<Utc>) -> Option<Bearer> {
        let hash: [u8; 32] = Sha256::digest(secret).into();
        let (id, entry) = self.tokens.iter_mut().find(|(_, entry)| entry.hash == hash)?;
        if entry.expires.is_some_and(|end| end <= now) {
            return None;
        }
        entry.last_used = Some(now);
        Some(Bearer { id: *id, user: entry.user, shape: entry.shape })
    }

    /// A user's tokens, without their secrets. The one that the caller uses is marked.
    pub(crate) fn list(&self, user: u64, current: u64) -> Vec<Value> {
        let own = self.tokens.iter().filter(|(_, entry)| entry.user == user);
        let row = |(id, entry): (&u64, &Entry)| {
            json!({
                "id": id, "name": entry.name, "created_at": entry.created, "last_used_at": entry.last_used,
                "expires_at": entry.expires, "current": *id == current,
            })
        };
        own.map(row).collect()
    }

    /// Revokes a user's token at once. Returns false if the user has no token with this id.
    pub(crate) fn revoke(&mut self, user: u64, id: u64) -> bool {
        let found = self.tokens.get(&id).is_some_and(|entry| entry.user == user);
        found && self.tokens.remove(&id).is_some()
    }
}
