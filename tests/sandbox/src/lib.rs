//! A small Seqera Platform to develop and test against: sign-in, tokens, the Platform's REST API, and
//! failures on demand. Everything in it is invented, and it says "sandbox" where it could be mistaken.
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
//! How a request goes: `serve` reads it, `call` names it, `stats` counts it, `faults` tells whether
//! something shall go wrong (`distort` then does it), `app` has the routes. Behind them are `oidc`,
//! `authorize` with its `page`, `device` with its own, `token`, `revoke` and `platform`, over the state in `grants` and `pats`.
//! `control` has the routes under `/_sandbox`, and their description.

mod account;
mod app;
mod authorize;
mod call;
mod clock;
mod control;
mod device;
mod device_codes;
mod device_page;
mod distort;
mod faults;
mod grant;
mod grants;
mod keys;
mod oauth_error;
mod oidc;
mod page;
mod pats;
mod platform;
mod revoke;
mod serve;
mod settings;
mod stats;
mod token;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::{JoinHandle, spawn_blocking};

pub use account::{Organization, User, Workspace};
pub use app::SettingsError;
pub use call::{Call, Target};
pub use device::DeviceFlow;
pub use faults::{Fault, IdTokenFault, Kind};
pub use keys::KeyError;
pub use settings::{AccessFormat, PersonalToken, Settings};
pub use stats::{Events, Stage, Stats};

use app::App;
use keys::SigningKey;

/// Starts sandboxes.
#[derive(Debug)]
pub struct Sandbox;

/// A sandbox that serves. It stops when it is dropped.
pub struct Running {
    address: SocketAddr,
    url: String,
    app: Arc<App>,
    server: JoinHandle<()>,
}

/// Why a sandbox does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// As it was set.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// No signing key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The settings contradict themselves.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The task that makes the key did not come back.
    #[error("the signing key was not made: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl Sandbox {
    /// Makes a key, listens and serves. Returns when connections are accepted.
    pub async fn start(settings: Settings) -> Result<Running, StartError> {
        let address = settings.listen;
        let listen = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let url = settings.server_url.clone().unwrap_or_else(|| format!("http://{address}"));
        let key = spawn_blocking(SigningKey::generate).await??;
        let app = Arc::new(App::new(settings, &authority(&url), key)?);
        let server = tokio::spawn(serve::serve(listener, app.clone()));
        Ok(Running { address, url, app, server })
    }
}

impl Running {
    /// The address that is listened on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address for users and for `/_sandbox`, without a trailing slash.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The OIDC authority, which is the base of the REST API too: `{url}/api`.
    pub fn authority(&self) -> String {
        authority(&self.url)
    }

    /// What happened so far.
    pub fn stats(&self) -> Stats {
        self.app.stats()
    }

    /// Adds faults behind those that are still to come.
    pub fn inject(&self, faults: impl IntoIterator<Item = Fault>) {
        self.app.faults.add(faults.into_iter().collect());
    }

    /// Forgets all faults and lets hanging calls go on.
    pub fn clear_faults(&self) {
        self.app.faults.clear();
    }

    /// Waits, without a limit, until so many calls are so far, counted from the start or the last reset.
    pub async fn wait_for(&self, target: Target, stage: Stage, count: u64) {
        self.app.counter.wait_for(target, stage, count).await;
    }

    /// Lets so many seconds pass at once.
    pub fn advance(&self, seconds: u32) {
        self.app.clock.advance(seconds);
    }

    /// Stops at once, running requests included, and returns when the port is free.
    pub async fn shutdown(mut self) {
        self.server.abort();
        // The only outcome of an aborted task is that it was cancelled.
        let _ = (&mut self.server).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn authority(url: &str) -> String {
    format!("{url}/api")
}
