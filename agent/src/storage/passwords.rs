//! Passwords of proxies. They are kept with the secret of each profile that uses the proxy, and known here
//! once a login has brought them or the store has given them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use crate::lock::lock;
use crate::network::{Network, Password};
use crate::providers::http::Passwords;
use crate::storage::ladder::Ladder;
use crate::storage::state::State;
use crate::storage::store::Stored;

/// One password for each proxy and user: `http://user@host:port`.
pub(crate) struct ProxyPasswords {
    known: Mutex<HashMap<String, Password>>,
    state: State,
    ladder: Arc<Ladder>,
}

impl ProxyPasswords {
    /// Knows none yet.
    pub(crate) fn new(state: State, ladder: Arc<Ladder>) -> Self {
        Self { known: Mutex::default(), state, ladder }
    }

    /// Takes over what a login has brought, once it has shown to be right.
    pub(crate) fn learn(&self, network: &Network) {
        if let Some(password) = &network.password {
            lock(&self.known).insert(network.proxy.clone(), password.clone());
        }
    }

    /// Takes over what the store has given. What a login brought since is newer.
    pub(crate) fn found(&self, network: &Network, stored: &Stored) {
        if let Some(password) = &stored.proxy_password {
            lock(&self.known).entry(network.proxy.clone()).or_insert_with(|| password.clone());
        }
    }

    /// The password that is to be kept with a secret of a profile.
    pub(crate) fn known(&self, network: &Network) -> Option<Password> {
        network.password.clone().or_else(|| lock(&self.known).get(&network.proxy).cloned())
    }

    /// Asks the store of each profile that uses the proxy, the newest login first.
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
