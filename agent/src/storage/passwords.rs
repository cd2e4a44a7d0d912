//! The passwords of proxies. The store keeps one with the secret of each profile that uses the proxy; this
//! process remembers a password once a login has proved it or a store has returned it, and as long as a session, a
//! lease or a revocation needs it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use crate::lock::lock;
use crate::network::{Network, Password};
use crate::providers::http::Passwords;
use crate::storage::ladder::Ladder;
use crate::storage::state::State;
use crate::storage::store::Stored;

/// One password for each proxy and user. The key is the proxy's address, `http://user@host:port`.
pub(crate) struct ProxyPasswords {
    known: Mutex<HashMap<String, Password>>,
    holds: Arc<()>,
    state: State,
    ladder: Arc<Ladder>,
}

/// Needs passwords of proxies although no session says so any more.
pub(crate) struct Hold {
    _count: Arc<()>,
}

impl ProxyPasswords {
    pub(crate) fn new(state: State, ladder: Arc<Ladder>) -> Self {
        Self { known: Mutex::default(), holds: Arc::default(), state, ladder }
    }

    /// Remembers the password that came with a login. Call it once the login has proved it right.
    pub(crate) fn learn(&self, network: &Network) {
        if let Some(password) = &network.password {
            lock(&self.known).insert(network.proxy.clone(), password.clone());
        }
    }

    /// Remembers the password that was stored with a secret, unless a password is known: that one is newer.
    pub(crate) fn found(&self, network: &Network, stored: &Stored) {
        if let Some(password) = &stored.proxy_password {
            lock(&self.known).entry(network.proxy.clone()).or_insert_with(|| password.clone());
        }
    }

    /// The password to use and to store now: the one that came with the login, else the remembered one.
    pub(crate) fn known(&self, network: &Network) -> Option<Password> {
        network.password.clone().or_else(|| lock(&self.known).get(&network.proxy).cloned())
    }

    /// Forgets the passwords of proxies that are not `needed`, unless somebody holds all of them.
    pub(crate) fn retain(&self, needed: impl Fn(&str) -> bool) {
        if Arc::strong_count(&self.holds) == 1 {
            lock(&self.known).retain(|proxy, _| needed(proxy));
        }
    }

    /// While this lives, no password is forgotten.
    pub(crate) fn hold(&self) -> Hold {
        Hold { _count: Arc::clone(&self.holds) }
    }

    /// Loads the secret of each profile that uses the proxy, the newest login first.
    async fn stored(&self, network: &Network) {
        let sessions = self.state.snapshot();
        let users =
            sessions.profiles.iter().filter(|(_, record)| record.profile.network.proxy == network.proxy);
        let mut users: Vec<_> = users.collect();
        users.sort_by_key(|(_, record)| std::cmp::Reverse(record.logged_in_at));
        for (name, record) in users {
            let Some(place) = record.store else { continue };
            match self.ladder.load(name, place).await {
                Ok(Some(stored)) => self.found(network, &stored),
                Ok(None) => {}
                Err(error) => tracing::warn!(profile = %name, %error, "the proxy's password cannot be read"),
            }
        }
    }
}

#[async_trait]
impl Passwords for ProxyPasswords {
    async fn password(&self, network: &Network) -> Option<Password> {
        if let Some(known) = self.known(network) {
            return Some(known);
        }
        self.stored(network).await;
        self.known(network)
    }
}

#[cfg(test)]
mod tests;
