//! What all handlers share: the settings, and state behind locks that are held only briefly.

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
    /// The authority: `{server_url}/api`.
    pub(crate) authority: String,
    pub(crate) tower: Tower,
    pub(crate) people: People,
    /// The address that users see, without a trailing slash.
    pub(crate) url: String,
    /// The client for sign-in providers, if there are any.
    pub(crate) http: Option<Client>,
    /// The issuer that the sandbox claims to be. It differs from the authority only if the settings say so.
    pub(crate) issuer: String,
    pub(crate) metadata: Value,
    pub(crate) key: SigningKey,
    pub(crate) clock: Clock,
    pub(crate) counter: Counter,
    pub(crate) faults: Faults,
    /// People who are at a provider right now.
    pub(crate) away: Once<Away>,
    /// People who have been sent a mail.
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

    /// Adds a personal access token and returns its id. Without a `secret`, one is made up.
    pub(crate) fn add_pat(&self, user: u64, name: &str, secret: Option<String>) -> Result<u64, NameTaken> {
        let key = |id| secret.unwrap_or_else(|| access_key(id, &random_bytes(20)));
        self.pats().add(user, name, key, self.now())
    }

    /// The user that a session's access token belongs to.
    pub(crate) fn bearer(&self, token: &str) -> Option<u64> {
        self.recall(Use::Access, token);
        self.grants().bearer(token, self.now())
    }

    /// Restores a token of an earlier run. A token that is known stays as it is; one that was signed with
    /// another secret stays unknown.
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

/// Settings that no sandbox can start with.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// `server_url` or `issuer` is not a URL.
    #[error("server_url or issuer is not a URL: {0}")]
    Url(#[from] url::ParseError),
    /// The HTTP client for the providers cannot be made.
    #[error("no HTTP client: {0}")]
    Http(#[source] reqwest::Error),
    /// A personal token belongs to somebody who is not among the users.
    #[error("personal_tokens: there is no user {0:?}")]
    UnknownUser(String),
    /// Two personal tokens of one user have the same name.
    #[error("personal_tokens: two are called {0:?}")]
    NameTaken(String),
}
