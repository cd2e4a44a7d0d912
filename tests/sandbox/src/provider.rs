//! Where people prove who they are: GitHub, Google, or any OIDC provider.

mod github;
mod openid;

use std::time::Duration;

use openidconnect::{Nonce, PkceCodeChallenge, PkceCodeVerifier};
use reqwest::{Client, Response, redirect};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::allow_list::AllowList;
use crate::people::Identity;

/// A person is waiting at a browser.
const PATIENCE: Duration = Duration::from_secs(10);

/// Names a provider in addresses and in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Name {
    Github,
    Google,
    /// Keycloak, Entra ID, Okta and all others.
    Oidc,
}

impl Name {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Github => "GitHub",
            Self::Google => "Google",
            Self::Oidc => "OIDC",
        }
    }

    /// As in `/oauth/callback/oidc`.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Google => "google",
            Self::Oidc => "oidc",
        }
    }
}

/// One provider as it is configured. No `Debug`: it has a secret.
pub(crate) struct Provider {
    pub(crate) name: Name,
    pub(crate) client: String,
    pub(crate) secret: String,
    /// Base address of GitHub, issuer of the others.
    pub(crate) address: String,
    /// Who may sign in; everybody where there is none.
    pub(crate) allow: Option<AllowList>,
}

/// What is kept here while the person is at the provider.
#[derive(Debug)]
pub(crate) struct Departure {
    pub(crate) redirect_uri: String,
    pub(crate) nonce: Nonce,
    pub(crate) verifier: PkceCodeVerifier,
}

/// The provider did not tell who it is.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ProviderError(pub(crate) String);

impl Departure {
    pub(crate) fn new(redirect_uri: String) -> Self {
        let (_, verifier) = PkceCodeChallenge::new_random_sha256();
        Self { redirect_uri, nonce: Nonce::new_random(), verifier }
    }

    fn challenge(&self) -> PkceCodeChallenge {
        PkceCodeChallenge::from_code_verifier_sha256(&self.verifier)
    }
}

impl Provider {
    pub(crate) fn admits(&self, email: &str) -> bool {
        self.allow.as_ref().is_none_or(|list| list.admits(email))
    }

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

    /// Asks the provider whom `code` speaks for.
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

    fn fails(&self, why: impl std::fmt::Display) -> ProviderError {
        ProviderError(format!("{} sign-in failed: {why}", self.name.label()))
    }

    fn url(&self, address: &str) -> Result<Url, ProviderError> {
        Url::parse(address).map_err(|error| self.fails(format_args!("{address}: {error}")))
    }

    /// Sends a request and reads its JSON. Nothing of the answer is repeated, since it may hold tokens.
    async fn json<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T, ProviderError> {
        let request = request.header(reqwest::header::ACCEPT, "application/json");
        let answer = request.send().await.and_then(Response::error_for_status);
        let answer = answer.map_err(|error| self.fails(&error))?;
        let address = answer.url().clone();
        answer.json().await.map_err(|_| self.fails(format_args!("{address} answers with something else")))
    }
}

/// Talks to providers. A token request is never redirected, and the sandbox's neighbours need no proxy.
pub(crate) fn http_client() -> reqwest::Result<Client> {
    let agent = concat!("seqera-sandbox/", env!("CARGO_PKG_VERSION"));
    Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .timeout(PATIENCE)
        .user_agent(agent)
        .build()
}
