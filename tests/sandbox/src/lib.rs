//! A small Seqera Platform to develop and test against: sign-in, tokens, the Platform's REST API, and
//! failures on demand. Everything in it is invented, and it says "sandbox" wherever somebody could mistake it
//! for the real thing.
//!
//! ```no_run
//! # async fn example() -> Result<(), seqera_sandbox::StartError> {
//! use seqera_sandbox::{Call, Fault, Kind, Sandbox, Settings, Target};
//!
//! let sandbox = Sandbox::start(Settings { access_lifetime: 5, ..Settings::default() }).await?;
//! let on = Target::Only(Call::Refresh);
//! sandbox.inject([Fault { on, times: 2, after: false, kind: Kind::Reset }]);
//! // … a client renews at `sandbox.authority()` …
//! assert_eq!(sandbox.stats().events.reuses, 0);
//! # Ok(()) }
//! ```
//!
//! # The map
//!
//! A wing imports only the wings below it.
//!
//! | wing | what it holds |
//! |---|---|
//! | `serve` | accepts connections, counts calls, applies faults (`distort`), and finds who answers (`routes`) |
//! | `sign_in` | how a person signs in at the web host: through a provider, or with a link in a mail |
//! | `oauth` | the authorization server and the sessions of browsers |
//! | `platform` | the Platform's REST API and its ephemeral endpoints |
//! | `scitoolkit` | the site of that name: its consent page and its tokens |
//! | `control` | the sandbox's own routes under `/_sandbox` |
//! | `app` | what all handlers share: the settings and the state |
//! | `page` | the HTML that a person sees |
//! | `faults` | which call a request is, what goes wrong with it, and how many there were |
//! | `tower` | the Platform that a [`Configuration`] describes |
//! | `providers` | how people prove who they are: GitHub, OIDC, mail, and the allow lists |
//! | `tokens` | codes and tokens as data |
//! | `settings` | what can be set, and `tower.yml` with its `TOWER_*` variables |
//! | `people` | users, their organisations and workspaces |
//!
//! `clock`, `keys` and `once` lie below all of them.
//!
//! The path of a token request: `serve` reads it, `faults::call` names it, `faults::stats` counts it, and
//! `faults` decides whether it goes wrong. `serve::routes` passes it to `oauth::token`, which redeems the
//! code or the refresh token in `tokens::grants`, through `app`, and signs the new tokens with `tokens::jwt`.
//!
//! With a [`Configuration`] people sign in as they do at a Platform. Without one, the page has a button for
//! each user.

mod app;
mod clock;
mod control;
mod faults;
mod keys;
mod oauth;
mod once;
mod page;
mod people;
mod platform;
mod providers;
mod scitoolkit;
mod serve;
mod settings;
mod sign_in;
mod tokens;
mod tower;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::{JoinHandle, spawn_blocking};

pub use app::SettingsError;
pub use faults::call::{Call, Target};
pub use faults::stats::{Events, Stage, Stats};
pub use faults::{Fault, IdTokenFault, Kind};
pub use keys::KeyError;
pub use people::account::{Organization, User, Workspace};
pub use providers::mail::SmtpError;
pub use settings::configuration::{Configuration, ConfigurationError, ValueError};
pub use settings::{AccessFormat, DeviceFlow, PersonalToken, Settings};
pub use tower::TowerError;

use app::App;
use keys::SigningKey;
use tower::Tower;

/// Starts sandboxes.
#[derive(Debug)]
pub struct Sandbox;

/// A sandbox that is running. It stops when it is dropped.
pub struct Running {
    address: SocketAddr,
    app: Arc<App>,
    server: JoinHandle<()>,
}

/// Why a sandbox does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The sandbox cannot listen on the address.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address from the settings.
        address: SocketAddr,
        /// The error of the system.
        source: io::Error,
    },
    /// There is no signing key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The settings contradict themselves.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The Platform's configuration is wrong.
    #[error(transparent)]
    Tower(#[from] TowerError),
    /// The task that makes the key has failed.
    #[error("the signing key was not made: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl Sandbox {
    /// Makes a key, listens and serves. Returns once connections are accepted.
    pub async fn start(mut settings: Settings) -> Result<Running, StartError> {
        let tower = match settings.configuration.take() {
            Some(configuration) => Tower::read(&configuration, &mut settings)?,
            None => Tower::plain(),
        };
        let address = settings.listen;
        let listen = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let url = settings.server_url.clone().unwrap_or_else(|| format!("http://{address}"));
        let key = spawn_blocking(SigningKey::generate).await??;
        let app = Arc::new(App::new(settings, tower, url, key)?);
        let server = tokio::spawn(serve::serve(listener, app.clone()));
        Ok(Running { address, app, server })
    }
}

impl Running {
    /// The address that the sandbox listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL for users and for `/_sandbox`, without a trailing slash.
    pub fn url(&self) -> &str {
        &self.app.url
    }

    /// The OIDC authority, which is also the base of the REST API: `{url}/api`.
    pub fn authority(&self) -> String {
        format!("{}/api", self.app.url)
    }

    /// What works but is not what the Platform's document recommends. Each warning is one sentence.
    pub fn warnings(&self) -> &[String] {
        &self.app.tower.warnings
    }

    /// What has happened so far.
    pub fn stats(&self) -> Stats {
        self.app.stats()
    }

    /// Adds faults after those that are still to come.
    pub fn inject(&self, faults: impl IntoIterator<Item = Fault>) {
        self.app.faults.add(faults.into_iter().collect());
    }

    /// Removes all faults and lets hanging calls go on.
    pub fn clear_faults(&self) {
        self.app.faults.clear();
    }

    /// Waits, without a time limit, until so many calls have reached the stage, counted from the start or the
    /// last reset.
    pub async fn wait_for(&self, target: Target, stage: Stage, count: u64) {
        self.app.counter.wait_for(target, stage, count).await;
    }

    /// Moves the clock forward by so many seconds.
    pub fn advance(&self, seconds: u32) {
        self.app.clock.advance(seconds);
    }

    /// Stops at once, even in the middle of a request, and returns when the port is free.
    pub async fn shutdown(mut self) {
        self.server.abort();
        // An aborted task can only end as cancelled.
        let _ = (&mut self.server).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.server.abort();
    }
}
