//! Tokens of SciToolkit's command line: they live until they are revoked or a chosen end has come.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::keys::random_text;

/// As many random bytes as make a token that nobody guesses.
const TOKEN_BYTES: usize = 24;

/// What a token may be used for, by its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `stk_user_…`, for a person.
    User,
    /// `sct_user_…`, the same before 2026-05.
    RetiredUser,
    /// `stk_…`, for one toolkit.
    Toolkit,
}

impl Shape {
    /// By the prefix as it is written.
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

/// The secret is not kept, as the documentation promises: its hash is.
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

/// Whom a token stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bearer {
    pub(crate) id: u64,
    pub(crate) user: u64,
    pub(crate) shape: Shape,
}

impl ToolkitTokens {
    /// Makes a token. The secret is shown here and never again.
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

    /// Whom `secret` stands for, if it is alive. Notes that it was used.
    pub(crate) fn bearer(&mut self, secret: &str, now: DateTime<Utc>) -> Option<Bearer> {
        let hash: [u8; 32] = Sha256::digest(secret).into();
        let (id, entry) = self.tokens.iter_mut().find(|(_, entry)| entry.hash == hash)?;
        if entry.expires.is_some_and(|end| end <= now) {
            return None;
        }
        entry.last_used = Some(now);
        Some(Bearer { id: *id, user: entry.user, shape: entry.shape })
    }

    /// A user's tokens without their secrets; the one that asks is marked.
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

    /// Revokes a user's token at once; false if the user has none of this id.
    pub(crate) fn revoke(&mut self, user: u64, id: u64) -> bool {
        let found = self.tokens.get(&id).is_some_and(|entry| entry.user == user);
        found && self.tokens.remove(&id).is_some()
    }
}
