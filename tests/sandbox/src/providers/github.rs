//! GitHub's web flow, which is OAuth without OIDC.

use reqwest::Client;
use serde::Deserialize;
use url::Url;

use super::configured::{Departure, Provider, ProviderError};
use crate::people::Identity;

/// For the name, and for all e-mail addresses, including private ones.
const SCOPE: &str = "read:user user:email";

/// Success or error. GitHub sends both with status 200.
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Option<String>,
    error_description: Option<String>,
}

#[derive(Deserialize)]
struct Account {
    login: String,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Address {
    email: String,
    primary: bool,
    verified: bool,
}

pub(super) fn authorization_url(
    provider: &Provider,
    departure: &Departure,
    state: &str,
) -> Result<Url, ProviderError> {
    let mut url = provider.url(&at(provider, "/login/oauth/authorize"))?;
    url.query_pairs_mut().extend_pairs([
        ("client_id", &*provider.client),
        ("redirect_uri", &departure.redirect_uri),
        ("scope", SCOPE),
        ("state", state),
    ]);
    Ok(url)
}

pub(super) async fn identify(
    provider: &Provider,
    http: &Client,
    departure: &Departure,
    code: &str,
) -> Result<Identity, ProviderError> {
    let form = [
        ("client_id", &*provider.client),
        ("client_secret", &provider.secret),
        ("code", code),
        ("redirect_uri", &departure.redirect_uri),
    ];
    let request = http.post(at(provider, "/login/oauth/access_token")).form(&form);
    let answer: TokenAnswer = provider.json(request).await?;
    let refused = || provider.fails(answer.error_description.as_deref().unwrap_or("no access token came"));
    let token = answer.access_token.as_deref().ok_or_else(refused)?;
    let account: Account = provider.json(http.get(at(provider, "/api/v3/user")).bearer_auth(token)).await?;
    let addresses: Vec<Address> =
        provider.json(http.get(at(provider, "/api/v3/user/emails")).bearer_auth(token)).await?;
    // An unverified address could be anybody's, and allow lists rely on it.
    let primary = addresses.into_iter().find(|address| address.primary && address.verified);
    let email = primary.ok_or_else(|| provider.fails("the account has no verified primary address"))?.email;
    Ok(Identity { email, name: account.name.or(Some(account.login)) })
}

fn at(provider: &Provider, path: &str) -> String {
    format!("{}{path}", provider.address.trim_end_matches('/'))
}
