//! Where people prove who they are: GitHub, Google, any OIDC provider, or a link in a mail.

pub(crate) mod allow_list;
mod configured;
mod github;
pub(crate) mod mail;
mod openid;
pub(crate) mod purpose;

use std::time::Duration;

use reqwest::{Client, redirect};
use url::Url;

use crate::people::Identity;

pub(crate) use configured::{Departure, Name, Provider, ProviderError};

/// How long a provider may take. A person is waiting at the browser.
const PATIENCE: Duration = Duration::from_secs(10);

impl Provider {
    /// Where to send the browser.
    pub(crate) async fn authorization_url(
        &self,
        http: &Client,
        departure: &Departure,
        state: &str,
    ) -> Result<Url, ProviderError> {
        match self.name {
            Name::Github => github::authorization_url(self, departure, state),
            Name::Google | Name::Oidc => openid::authorization_url(self, http, departure, state).await,
        }
    }

    /// Asks the provider who the `code` was issued for.
    pub(crate) async fn identify(
        &self,
        http: &Client,
        departure: Departure,
        code: &str,
    ) -> Result<Identity, ProviderError> {
        match self.name {
            Name::Github => github::identify(self, http, &departure, code).await,
            Name::Google | Name::Oidc => openid::identify(self, http, &departure, code).await,
        }
    }
}

/// The HTTP client for providers. It never follows a redirect of a token request, and needs no proxy to reach
/// them.
pub(crate) fn http_client() -> reqwest::Result<Client> {
    let agent = concat!("seqera-sandbox/", env!("CARGO_PKG_VERSION"));
    Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .timeout(PATIENCE)
        .user_agent(agent)
        .build()
}
