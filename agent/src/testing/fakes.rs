//! The core of an agent on fakes: an in-memory provider that rotates refresh tokens and revokes the whole
//! family when one is used twice, stores that fail on demand, and a clock that the test moves.

use crate::sessions::askers::Askers;
use crate::sessions::shared::{Hold, OtherHosts, Ownership};
use crate::storage::record::SignInMethod;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::ExposeSecret;
use tokio::sync::watch;
use tokio::time::Instant;
use url::Url;

use crate::clock::{Clock, FakeClock, Moment};
use crate::error::AgentError;
use crate::leases::book::TokenSource;
use crate::profile::{Profile, ProfileName};
use crate::providers::browser::{Callback, CallbackRequest, Flow, Landing, Page};
use crate::providers::page::Whose;
use crate::providers::{
    Answer, Check, DeviceFlow, Granted, Issuer, Issuers, Poll, Renewal, Renewed, Revocable, Revocation,
};
use crate::sessions::handle::Handle;
use crate::sessions::install::Login;
use crate::sessions::pending::Pending;
use crate::sessions::registry::Registry;
use crate::sessions::shared::Shared;
use crate::sessions::verdict::Ask;
use crate::sign_in::logins::Logins;
use crate::storage::fake::FakeStore;
use crate::storage::ladder::{Ladder, StoreChoice};
use crate::storage::passwords::ProxyPasswords;
use crate::storage::state::State;
use crate::storage::store::{Store, StoreKind};
use crate::testing::outside::Outside;
use crate::testing::test_places::TestPlaces;
use crate::token::{Access, AccessToken, Account, Credential, Grant, Kind, RefreshToken};

pub(crate) const LIFETIME: Duration = Duration::from_secs(100);

/// Outcomes that the provider returns instead of granting, the last one first.
pub(crate) type Script = Vec<Renewal>;

pub(crate) struct Provider {
    /// How long an access token lives.
    pub(crate) lifetime: Duration,
    /// How long a refresh token lives without being used.
    pub(crate) idle: Duration,
    pub(crate) used: Mutex<Instant>,
    pub(crate) good: Mutex<Option<String>>,
    pub(crate) spent: Mutex<BTreeSet<String>>,
    pub(crate) revoked: Mutex<Vec<String>>,
    pub(crate) script: Mutex<Script>,
    pub(crate) calls: watch::Sender<u32>,
    pub(crate) held: watch::Sender<bool>,
    pub(crate) outside: Arc<Outside>,
    pub(crate) ownership: Arc<FakeOwnership>,
}

impl Provider {
    /// A provider whose first refresh token is `refresh-0`.
    pub(crate) fn new(lifetime: Duration, idle: Duration) -> Self {
        Self {
            lifetime,
            idle,
            used: Mutex::new(Instant::now()),
            good: Mutex::new(Some("refresh-0".into())),
            spent: Mutex::default(),
            revoked: Mutex::default(),
            script: Mutex::default(),
            calls: watch::Sender::new(0),
            held: watch::Sender::new(false),
            outside: Arc::default(),
            ownership: Arc::default(),
        }
    }

    pub(crate) fn calls(&self) -> u32 {
        *self.calls.borrow()
    }

    pub(crate) fn revoked(&self) -> Vec<String> {
        self.revoked.lock().unwrap().clone()
    }

    pub(crate) async fn called(&self, times: u32) {
        self.calls.subscribe().wait_for(|calls| *calls >= times).await.unwrap();
    }

    pub(crate) fn grant(&self, refresh: &RefreshToken) -> Renewal {
        let mut good = self.good.lock().unwrap();
        let idle = std::mem::replace(&mut *self.used.lock().unwrap(), Instant::now()).elapsed();
        if good.as_deref() != Some(refresh.open().expose_secret()) || idle >= self.idle {
            *good = None;
            return Renewal::Rejected("invalid_grant".into());
        }
        self.spent.lock().unwrap().insert(refresh.open().expose_secret().to_owned());
        let next = format!("refresh-{}", self.calls());
        *good = Some(next.clone());
        let token = AccessToken::new(format!("access-{}", self.calls()));
        let access = Ok(Access { token, lifetime: self.lifetime });
        let (refresh, subject) = (Some(RefreshToken::new(next)), Some("ada".to_owned()));
        Renewal::Granted(Renewed {
            refresh,
            refresh_lifetime: None,
            authorization_lifetime: None,
            access,
            subject,
        })
    }
}

#[async_trait]
impl Issuer for Provider {
    fn landing(&self) -> Landing {
        Landing { path: "/callback", ports: 0..0 }
    }

    fn outlives_sign_out(&self) -> bool {
        false
    }

    async fn start(&self, _: &Url) -> Result<Flow, AgentError> {
        Err(AgentError::internal("not played here"))
    }

    async fn start_device(&self) -> Result<DeviceFlow, AgentError> {
        Err(AgentError::internal("not played here"))
    }

    async fn poll(&self, _: &DeviceFlow) -> Poll {
        Poll::Ended(AgentError::internal("not played here"))
    }

    fn callback(&self, _: &Flow, _: &CallbackRequest) -> Callback {
        Callback::NotYet(Page::default())
    }

    fn page(&self, _: Result<&Account, &AgentError>, _: &Whose) -> Page {
        Page::default()
    }

    async fn finish(&self, answer: Answer) -> Result<Granted, AgentError> {
        let Answer::Given(token, sent) = answer else { return Err(AgentError::internal("not played here")) };
        let _ = self.held.subscribe().wait_for(|held| !held).await;
        Ok(granted(Credential::Fixed { token, expires_at: None, minted: false }, sent))
    }

    async fn renew(&self, refresh: &RefreshToken, _: &str) -> Renewal {
        self.calls.send_modify(|calls| *calls += 1);
        // The provider acts as soon as the request arrives; only its answer can be held back.
        let scripted = self.script.lock().unwrap().pop();
        let answer = scripted.unwrap_or_else(|| self.grant(refresh));
        let _ = self.held.subscribe().wait_for(|held| !held).await;
        answer
    }

    async fn check(&self, _: &AccessToken) -> Check {
        Check::Refused
    }

    async fn revoke(&self, what: &Revocable) -> Revocation {
        let refresh = what.refresh.iter().map(|token| token.open().expose_secret().to_owned());
        let access = what.access.iter().map(|token| token.expose().to_owned());
        self.revoked.lock().unwrap().extend(refresh.chain(access));
        Revocation::Revoked
    }
}

/// Says that the sessions are another agent's, while it is set.
#[derive(Default)]
pub(crate) struct FakeOwnership(pub(crate) Mutex<Option<String>>);

#[async_trait]
impl Ownership for FakeOwnership {
    async fn may_spend(&self) -> Result<(), String> {
        self.0.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl OtherHosts for FakeOwnership {
    async fn hold(&self, _: &str) -> Result<Hold, String> {
        self.may_spend().await.map(|()| Box::new(()) as Hold)
    }
}

pub(crate) struct OneProvider(Arc<Provider>);

impl Issuers for OneProvider {
    fn issuer(&self, _: &Profile, _: Kind) -> Arc<dyn Issuer> {
        Arc::clone(&self.0) as Arc<dyn Issuer>
    }
}

/// The core of an agent on fakes.
pub(crate) struct Agent {
    pub(crate) registry: Arc<Registry>,
    pub(crate) provider: Arc<Provider>,
    choice: StoreChoice,
    pub(crate) keychain: Arc<FakeStore>,
    /// The file.
    pub(crate) store: Arc<FakeStore>,
    /// The files of every other host.
    pub(crate) others: Arc<FakeStore>,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) places: TestPlaces,
}

impl Agent {
    pub(crate) fn start() -> Self {
        Self::at(Provider::new(LIFETIME, Duration::MAX))
    }

    pub(crate) fn at(provider: Provider) -> Self {
        Self::over(TestPlaces::new(), FakeStore::new(StoreKind::File), Arc::new(provider), FakeClock::new())
    }

    /// An agent whose stores are the ladder, and that nobody has signed in to.
    pub(crate) fn on_the_ladder() -> Self {
        let stores = [StoreKind::Keychain, StoreKind::File].map(FakeStore::new);
        let provider = Arc::new(Provider::new(LIFETIME, Duration::MAX));
        Self::with(TestPlaces::new(), StoreChoice::Auto, stores, provider, FakeClock::new())
    }

    pub(crate) fn over(
        places: TestPlaces,
        store: Arc<FakeStore>,
        provider: Arc<Provider>,
        clock: Arc<FakeClock>,
    ) -> Self {
        Self::with(places, StoreChoice::File, [FakeStore::new(StoreKind::Keychain), store], provider, clock)
    }

    fn with(
        places: TestPlaces,
        choice: StoreChoice,
        [keychain, store]: [Arc<FakeStore>; 2],
        provider: Arc<Provider>,
        clock: Arc<FakeClock>,
    ) -> Self {
        let memory = FakeStore::new(StoreKind::Memory);
        let time: Arc<dyn Clock> = clock.clone();
        let others = FakeStore::new(StoreKind::File);
        let of_others = Arc::clone(&others);
        let ladder = Ladder::new(choice, vec![keychain.clone(), store.clone(), memory]);
        let ladder =
            Arc::new(ladder.with_others(Box::new(move |_, _| Some(of_others.clone() as Arc<dyn Store>))));
        let state = State::open_inline(places.places());
        let passwords = Arc::new(ProxyPasswords::new(state.clone(), Arc::clone(&ladder)));
        let host = places.places().host_id.clone();
        let outside = Arc::clone(&provider.outside);
        let leases = outside.leases(host, &state, &ladder, &passwords, &time);
        let due_changed = Arc::default();
        let shared = Arc::new(Shared {
            askers: Askers::default(),
            places: places.places().clone(),
            clock: Arc::clone(&time),
            issuers: Arc::new(OneProvider(Arc::clone(&provider))),
            passwords,
            ladder,
            state,
            store_source: "default".into(),
            site: Arc::default(),
            leases,
            pending: Pending::new(Arc::clone(&time), Arc::clone(&due_changed)),
            due_changed,
            crash: |_| {},
            ownership: Arc::clone(&provider.ownership) as Arc<dyn Ownership>,
            other_hosts: Arc::clone(&provider.ownership) as Arc<dyn OtherHosts>,
        });
        let registry = Registry::start(Arc::clone(&shared), Logins::new(time, 3), Default::default());
        tokio::spawn(Arc::clone(&registry).tick());
        tokio::spawn(shared.pending.clone().run());
        shared.leases.resume(&(Arc::clone(&registry) as Arc<dyn TokenSource>));
        Self { registry, provider, choice, keychain, store, others, clock, places }
    }

    /// Stops the agent and starts another one with what is on disk.
    pub(crate) async fn restart(self) -> Self {
        self.registry.drain(Duration::from_secs(1)).await;
        Self::with(self.places, self.choice, [self.keychain, self.store], self.provider, self.clock)
    }

    pub(crate) async fn signed_in() -> Self {
        let agent = Self::start();
        agent.login("work").await;
        agent
    }

    pub(crate) async fn login(&self, name: &str) -> Handle {
        let worker = self.registry.ensure(&name.parse().unwrap());
        let (granted, generation) = (self.granted(), worker.view().generation);
        let login = Login {
            profile: profile(),
            granted,
            method: SignInMethod::Browser,
            generation,
            organization: None,
        };
        worker.install(login).await.unwrap();
        worker
    }

    /// What a login would return now.
    pub(crate) fn granted(&self) -> Granted {
        let grant = Grant {
            access: Access { token: AccessToken::new("access-0"), lifetime: self.provider.lifetime },
            refresh: Some(RefreshToken::new("refresh-0")),
            refresh_lifetime: None,
            authorization_lifetime: None,
        };
        granted(Credential::Renewable(grant), self.clock.now())
    }

    pub(crate) fn worker(&self) -> Handle {
        self.registry.worker(&work()).unwrap()
    }

    pub(crate) async fn token(&self, min_valid: u64, patience: u64) -> Result<String, AgentError> {
        let ask = Ask { min_valid: Duration::from_secs(min_valid), ..Ask::default() };
        let until = self.clock.now().plus(Duration::from_secs(patience));
        self.worker().token(ask, until).await.map(|served| served.held.token.expose().to_owned())
    }

    /// Starts a caller in a separate task.
    pub(crate) fn caller(
        self: &Arc<Self>,
        min_valid: u64,
        patience: u64,
    ) -> tokio::task::JoinHandle<Result<String, AgentError>> {
        let agent = Arc::clone(self);
        tokio::spawn(async move { agent.token(min_valid, patience).await })
    }

    pub(crate) fn stored(&self) -> Option<String> {
        self.store.contents().get(&work()).cloned()
    }
}

fn granted(credential: Credential, sent: Moment) -> Granted {
    let account = Account { subject: "ada".into(), ..Account::default() };
    Granted { credential, account, sent, memberships: None, notes: Vec::new() }
}

pub(crate) fn work() -> ProfileName {
    "work".parse().unwrap()
}

pub(crate) fn profile() -> Profile {
    Profile {
        authority: "https://sandbox.test/api".into(),
        client_id: "seqera_ai_cli".into(),
        ..Profile::default()
    }
}

pub(crate) async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}
