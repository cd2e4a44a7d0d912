//! What every client has in common, whichever way it takes.

use std::time::Duration;

use reqwest::{Client, ClientBuilder};

/// A connection that takes longer never carries the request, so its failure is known to be harmless.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// A client without a way yet.
pub(super) fn builder() -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("seqera-agent/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        // A reused connection may have died meanwhile, and whether a refresh went out on it is a guess.
        .pool_max_idle_per_host(0)
        .connect_timeout(CONNECT_LIMIT)
}
