//! A provider as it is configured, and what all kinds of providers share.

use openidconnect::{Nonce, PkceCodeChallenge, PkceCodeVerifier};
use reqwest::Response;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use url::Url;

use super::allow_list::AllowList;

/// The name of a provider in URLs and in the configuration.
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

/// One provider as it is configured. No `Debug`, because it has a secret.
pub(crate) struct Provider {
    pub(crate) name: Name,
    pub(crate) client: String,
    pub(crate) secret: String,
    /// The base URL of GitHub, or the issuer of the others.
    pub(crate) address: String,
    /// Who may sign in. Without a list, everybody may.
    pub(crate) allow: Option<AllowList>,
}

/// What is kept while the person is at the provider.
#[derive(Debug)]
pub(crate) struct Departure {
    pub(crate) redirect_uri: String,
    pub(crate) nonce: Nonce,
    pub(crate) verifier: PkceCodeVerifier,
}

/// The provider did not say who the person is.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ProviderError(pub(crate) String);

impl Departure {
    pub(crate) fn new(redirect_uri: String) -> Self {
        let (_, verifier) = PkceCodeChallenge::new_random_sha256();
        Self { redirect_uri, nonce: Nonce::new_random(), verifier }
    }

    pub(super) fn challenge(&self) -> PkceCodeChallenge {
        PkceCodeChallenge::from_code_verifier_sha256(&self.verifier)
    }
}

impl Provider {
    pub(crate) fn admits(&self, email: &str) -> bool {
        self.allow.as_ref().is_none_or(|list| list.admits(email))
    }

    pub(super) fn fails(&self, why: impl std::fmt::Display) -> ProviderError {
        ProviderError(format!("{} sign-in failed: {why}", self.name.label()))
    }

    pub(super) fn url(&self, address: &str) -> Result<Url, ProviderError> {
        Url::parse(address).map_err(|error| self.fails(format_args!("{address}: {error}")))
    }

    /// Sends a request and reads the JSON of the answer. Errors never quote the answer, because it may
    /// contain tokens.
    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<T, ProviderError> {
        let request = request.header(reqwest::header::ACCEPT, "application/json");
        let answer = request.send().await.and_then(Response::error_for_status);
        let answer = answer.map_err(|error| self.fails(&error))?;
        let address = answer.url().clone();
        answer.json().await.map_err(|_| self.fails(format_args!("{address} answers with something else")))
    }
}
