//! What all handlers share: the settings, and the state behind short-lived locks.

mod metadata;

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use reqwest::Client;
use serde_json::Value;

use crate::clock::Clock;
use crate::faults::Faults;
use crate::faults::stats::{Counter, Stats};
use crate::keys::{SigningKey, random_bytes};
use crate::once::Once;
use crate::people::{Identity, People};
use crate::providers;
use crate::providers::purpose::{Away, Mailed};
use crate::settings::Settings;
use crate::tokens::device_codes::DeviceCodes;
use crate::tokens::grant::Grant;
use crate::tokens::grants::Grants;
use crate::tokens::jwt::{Claims, Use};
use crate::tokens::pats::{NameTaken, Pats, access_key};
use crate::tokens::toolkit::ToolkitTokens;
use crate::tower::Tower;

/// One sandbox.
pub(crate) struct App {
    pub(crate) settings: Settings,
    /// Where it is reached: `{server_url}/api`.
    pub(crate) authority: String,
    pub(crate) tower: Tower,
    pub(crate) people: People,
    /// The address that users see, without a trailing slash.
    pub(crate) url: String,
    /// Talks to sign-in providers, if there are any.
    pub(crate) http: Option<Client>,
    /// The issuer as it presents itself; not the authority where the settings want a lie.
    pub(crate) issuer: String,
    pub(crate) metadata: Value,
    pub(crate) key: SigningKey,
    pub(crate) clock: Clock,
    pub(crate) counter: Counter,
    pub(crate) faults: Faults,
    /// People who are at a provider.
    pub(crate) away: Once<Away>,
    /// People who are looking for a mail.
    pub(crate) mailed: Once<Mailed>,
    /// The parameters of runs that have not fetched them yet.
    pub(crate) ephemeral: Once<Value>,
    // Std locks: each is held for a few map operations and never across an await.
    grants: Mutex<Grants>,
    device_codes: Mutex<DeviceCodes>,
    pats: Mutex<Pats>,
    toolkit_tokens: Mutex<ToolkitTokens>,
}

impl App {
    pub(crate) fn new(
        settings: Settings,
        tower: Tower,
        url: String,
        key: SigningKey,
    ) -> Result<Self, SettingsError> {
        let authority = format!("{url}/api");
        let issuer = settings.issuer.clone().unwrap_or_else(|| authority.clone());
        let metadata = metadata::metadata(&settings, &authority, &issuer)?;
        let asks_providers = !tower.providers.is_empty();
        let http = asks_providers.then(providers::http_client).transpose().map_err(SettingsError::Http)?;
        let app = Self {
            issuer,
            authority,
            metadata,
            key,
            clock: Clock::default(),
            counter: Counter::new(),
            faults: Faults::new(),
            away: Once::new(),
            mailed: Once::new(),
            ephemeral: Once::new(),
            grants: Mutex::new(Grants::new(&settings)),
            device_codes: Mutex::new(DeviceCodes::new(&settings.device)),
            pats: Mutex::default(),
            toolkit_tokens: Mutex::default(),
            people: People::new(&settings.users),
            tower,
            url,
            http,
            settings,
        };
        for seed in &app.settings.personal_tokens {
            let user =
                app.people.named(&seed.user).ok_or_else(|| SettingsError::UnknownUser(seed.user.clone()))?;
            app.add_pat(user.id, &seed.name, seed.access_key.clone())
                .map_err(|NameTaken| SettingsError::NameTaken(seed.name.clone()))?;
        }
        Ok(app)
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub(crate) fn grants(&self) -> MutexGuard<'_, Grants> {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn device_codes(&self) -> MutexGuard<'_, DeviceCodes> {
        self.device_codes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn pats(&self) -> MutexGuard<'_, Pats> {
        self.pats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn toolkit_tokens(&self) -> MutexGuard<'_, ToolkitTokens> {
        self.toolkit_tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a personal access token, with a secret of its own where none is given. Returns its id.
    pub(crate) fn add_pat(&self, user: u64, name: &str, secret: Option<String>) -> Result<u64, NameTaken> {
        let key = |id| secret.unwrap_or_else(|| access_key(id, &random_bytes(20)));
        self.pats().add(user, name, key, self.now())
    }

    /// The user that an access token of a session speaks for.
    pub(crate) fn bearer(&self, token: &str) -> Option<u64> {
        self.recall(Use::Access, token);
        self.grants().bearer(token, self.now())
    }

    /// Takes a token of an earlier run back into memory. One that is known stays as it is, and one that
    /// another secret has signed stays unknown.
    pub(crate) fn recall(&self, what: Use, token: &str) {
        if self.grants().knows(token) {
            return;
        }
        let claims = self.tower.secret.verify(what, token).filter(|claims| !claims.email.is_empty());
        let Some(Claims { email, name, client_id, scope, aud, exp, family, .. }) = claims else { return };
        let Some(expires) = DateTime::from_timestamp(exp, 0) else { return };
        let user = self.people.admit(&Identity { email, name: Some(name) }).id;
        let mut grants = self.grants();
        grants.found(family.clone(), Grant { user, client: client_id, scope, audience: aud, nonce: None });
        match what {
            Use::Access => grants.recall_access(token.to_owned(), family, expires),
            Use::Refresh => grants.recall_refresh(token.to_owned(), family, expires),
        }
    }

    pub(crate) fn knows_client(&self, client: &str) -> bool {
        self.settings.clients.iter().any(|known| known == client)
    }

    pub(crate) fn stats(&self) -> Stats {
        let (grants, now) = (self.grants(), self.now());
        self.counter.report(grants.refresh_alive(now), grants.access_alive(now))
    }
}

/// Settings that make no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// `server_url` or `issuer` cannot be understood.
    #[error("server_url or issuer is no URL: {0}")]
    Url(#[from] url::ParseError),
    /// Providers cannot be talked to.
    #[error("no HTTP client: {0}")]
    Http(#[source] reqwest::Error),
    /// A personal token is for somebody who is not among the users.
    #[error("personal_tokens: there is no user {0:?}")]
    UnknownUser(String),
    /// Two personal tokens of one user have the same name.
    #[error("personal_tokens: two are called {0:?}")]
    NameTaken(String),
}
