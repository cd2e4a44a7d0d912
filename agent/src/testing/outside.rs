//! The outside world of leases, for tests: a Platform that creates and deletes tokens, and processes that end
//! when the test says so.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::leases::Leases;
use crate::leases::book::Parts;
use crate::leases::mint::{Mint, MintError, Minted, Mints};
use crate::leases::program::Programs;
use crate::lock::lock;
use crate::profile::Profile;
use crate::providers::platform::{PlatformError, TokenEntry};
use crate::storage::ladder::Ladder;
use crate::storage::passwords::ProxyPasswords;
use crate::storage::record::Program;
use crate::storage::state::State;
use crate::token::AccessToken;

/// The Platform's tokens by id, and the failures that the test has planned.
#[derive(Default)]
pub(crate) struct Outside {
    tokens: Mutex<BTreeMap<i64, String>>,
    last_id: Mutex<i64>,
    /// Errors for the next creations. The flag is true if the token is created nevertheless.
    creations: Mutex<VecDeque<(MintError, bool)>>,
    /// While set, every deletion fails with this error.
    pub(crate) deletions: Mutex<Option<PlatformError>>,
    /// The token that is answered with 401.
    pub(crate) refused: Mutex<Option<String>>,
    /// The tokens that deletions were authorised with.
    pub(crate) deleted_by: Mutex<Vec<String>>,
    ended: watch::Sender<Vec<u32>>,
    /// While true, creations are held back.
    pub(crate) held: watch::Sender<bool>,
    pub(crate) calls: watch::Sender<u32>,
}

impl Outside {
    /// The names of the tokens that exist.
    pub(crate) fn names(&self) -> Vec<String> {
        lock(&self.tokens).values().cloned().collect()
    }

    pub(crate) fn fail_next_creation(&self, error: MintError, made_all_the_same: bool) {
        lock(&self.creations).push_back((error, made_all_the_same));
    }

    pub(crate) fn fail_deletions(&self, error: Option<PlatformError>) {
        *lock(&self.deletions) = error;
    }

    pub(crate) fn end_process(&self, pid: u32) {
        self.ended.send_modify(|ended| ended.push(pid));
    }

    pub(crate) async fn called(&self, times: u32) {
        let _ = self.calls.subscribe().wait_for(|calls| *calls >= times).await;
    }

    /// The leases of an agent in this outside world.
    pub(crate) fn leases(
        self: Arc<Self>,
        host: String,
        state: &State,
        ladder: &Arc<Ladder>,
        passwords: &Arc<ProxyPasswords>,
        clock: &Arc<dyn Clock>,
    ) -> Arc<Leases> {
        Leases::new(Parts {
            state: state.clone(),
            ladder: Arc::clone(ladder),
            clock: Arc::clone(clock),
            passwords: Arc::clone(passwords),
            mints: Arc::new(OneMint(Arc::clone(&self))),
            programs: self,
            host,
            owner: ("ada".into(), "login1".into()),
            longest: None,
            crash: |_| {},
        })
    }

    fn add(&self, name: &str) -> i64 {
        let mut last = lock(&self.last_id);
        *last += 1;
        lock(&self.tokens).insert(*last, name.to_owned());
        *last
    }
}

#[async_trait]
impl Mint for Outside {
    async fn create(&self, _: &AccessToken, name: &str) -> Result<Minted, MintError> {
        self.calls.send_modify(|calls| *calls += 1);
        let _ = self.held.subscribe().wait_for(|held| !held).await;
        let planned = lock(&self.creations).pop_front();
        if planned.as_ref().is_none_or(|(_, made)| *made) {
            let id = self.add(name);
            let minted = Minted { id, token: AccessToken::new(format!("pat-{id}")) };
            return planned.map_or(Ok(minted), |(error, _)| Err(error));
        }
        Err(planned.map_or(MintError::NameTaken, |(error, _)| error))
    }

    async fn list(&self, _: &AccessToken) -> Result<Vec<TokenEntry>, PlatformError> {
        Ok(lock(&self.tokens)
            .iter()
            .map(|(id, name)| TokenEntry { id: *id, name: Some(name.as_str().into()) })
            .collect())
    }

    async fn delete(&self, by: &AccessToken, id: i64) -> Result<(), PlatformError> {
        if lock(&self.refused).as_deref() == Some(by.expose()) {
            return Err(PlatformError::Unauthorized);
        }
        if let Some(error) = lock(&self.deletions).clone() {
            return Err(error);
        }
        lock(&self.deleted_by).push(by.expose().to_owned());
        match lock(&self.tokens).remove(&id) {
            Some(_) => Ok(()),
            None => Err(PlatformError::NotAPlatform("https://sandbox.test/api".into())),
        }
    }
}

/// The only Platform of a test.
struct OneMint(Arc<Outside>);

impl Mints for OneMint {
    fn mint(&self, _: &Profile) -> Arc<dyn Mint> {
        Arc::clone(&self.0) as Arc<dyn Mint>
    }
}

#[async_trait]
impl Programs for Outside {
    fn identify(&self, pid: u32) -> io::Result<Program> {
        Ok(Program { pid, started: "then".into() })
    }

    async fn ended(&self, program: &Program) {
        let pid = program.pid;
        let _ = self.ended.subscribe().wait_for(|ended| ended.contains(&pid)).await;
    }
}
