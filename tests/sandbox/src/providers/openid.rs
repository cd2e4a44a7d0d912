//! An OIDC provider, found through its discovery document: authorization code with PKCE, and an ID token that
//! is validated.

use openidconnect::core::{
    CoreIdToken, CoreIdTokenVerifier, CoreJsonWebKeySet, CoreJwsSigningAlgorithm, CoreProviderMetadata,
};
use openidconnect::{ClientId, ClientSecret, IssuerUrl};
use reqwest::Client;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::configured::{Departure, Provider, ProviderError};
use crate::people::Identity;

const DOCUMENT: &str = "/.well-known/openid-configuration";

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    id_token: CoreIdToken,
}

/// Claims in the ID token, or, at some providers, only at the user-info endpoint.
#[derive(Default, Deserialize)]
struct UserInfo {
    sub: String,
    email: Option<String>,
    name: Option<String>,
}

pub(super) async fn authorization_url(
    provider: &Provider,
    http: &Client,
    departure: &Departure,
    state: &str,
) -> Result<Url, ProviderError> {
    let metadata = discover(provider, http).await?;
    let mut url = provider.url(metadata.authorization_endpoint().as_str())?;
    url.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", &provider.client),
        ("redirect_uri", &departure.redirect_uri),
        ("scope", "openid profile email"),
        ("state", state),
        ("nonce", departure.nonce.secret()),
        ("code_challenge", departure.challenge().as_str()),
        ("code_challenge_method", "S256"),
    ]);
    Ok(url)
}

pub(super) async fn identify(
    provider: &Provider,
    http: &Client,
    departure: &Departure,
    code: &str,
) -> Result<Identity, ProviderError> {
    let metadata = discover(provider, http).await?;
    let answer = exchange(provider, http, &metadata, departure, code).await?;
    let keys: CoreJsonWebKeySet = provider.json(http.get(metadata.jwks_uri().url().clone())).await?;
    let verifier = CoreIdTokenVerifier::new_confidential_client(
        ClientId::new(provider.client.clone()),
        ClientSecret::new(provider.secret.clone()),
        metadata.issuer().clone(),
        keys,
    )
    .set_allowed_algs(public_key_algorithms(&metadata));
    let claims = answer.id_token.claims(&verifier, &departure.nonce);
    let claims =
        claims.map_err(|error| provider.fails(format_args!("the ID token does not hold: {error}")))?;
    let mut about = UserInfo {
        sub: claims.subject().to_string(),
        email: claims.email().map(|email| email.to_string()),
        name: claims.name().and_then(|name| name.get(None)).map(|name| name.to_string()),
    };
    if let (None, Some(endpoint)) = (&about.email, metadata.userinfo_endpoint()) {
        let request = http.get(endpoint.url().clone()).bearer_auth(&answer.access_token);
        let told: UserInfo = provider.json(request).await?;
        // OIDC Core, 5.3.2: a response about somebody else must not be used.
        about = if told.sub == about.sub { told } else { about };
    }
    let email = about.email.ok_or_else(|| provider.fails("the provider tells no e-mail address"))?;
    Ok(Identity { email, name: about.name })
}

/// The algorithms that the provider announces, since Keycloak or Entra ID may sign with elliptic curves.
/// Never one with a shared secret, and never `none`.
fn public_key_algorithms(metadata: &CoreProviderMetadata) -> Vec<CoreJwsSigningAlgorithm> {
    use CoreJwsSigningAlgorithm as Alg;
    let secret = [Alg::None, Alg::HmacSha256, Alg::HmacSha384, Alg::HmacSha512];
    let announced = metadata.id_token_signing_alg_values_supported().iter();
    announced.filter(|alg| !secret.contains(alg)).cloned().collect()
}

/// Every provider must support basic authentication (RFC 6749, 2.3.1). If one does not offer it, the form is
/// used.
async fn exchange(
    provider: &Provider,
    http: &Client,
    metadata: &CoreProviderMetadata,
    departure: &Departure,
    code: &str,
) -> Result<TokenAnswer, ProviderError> {
    let endpoint = metadata.token_endpoint().ok_or_else(|| provider.fails("it has no token endpoint"))?;
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("client_id", &provider.client),
        ("code", code),
        ("redirect_uri", &departure.redirect_uri),
        ("code_verifier", departure.verifier.secret()),
    ];
    let offered = json_list(metadata.token_endpoint_auth_methods_supported());
    let takes = |method: &str| offered.iter().any(|known| known == method);
    let mut request = http.post(endpoint.url().clone());
    if takes("client_secret_post") && !takes("client_secret_basic") {
        form.push(("client_secret", &provider.secret));
    } else {
        request = request.basic_auth(encode(&provider.client), Some(encode(&provider.secret)));
    }
    provider.json(request.form(&form)).await
}

fn json_list(methods: Option<&Vec<openidconnect::core::CoreClientAuthMethod>>) -> Vec<Value> {
    methods.into_iter().flatten().map(|method| serde_json::json!(method)).collect()
}

/// Basic authentication needs both parts form-encoded (RFC 6749, 2.3.1).
fn encode(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Reads the document of the configured issuer, which may claim an issuer in a sub-folder of it.
async fn discover(provider: &Provider, http: &Client) -> Result<CoreProviderMetadata, ProviderError> {
    let configured = configured_issuer(&provider.address);
    let metadata: CoreProviderMetadata = provider.json(http.get(format!("{configured}{DOCUMENT}"))).await?;
    if !is_issuer_of(configured, metadata.issuer()) {
        let claimed = metadata.issuer().as_str();
        return Err(provider.fails(format_args!("{configured} claims to be the issuer {claimed}")));
    }
    Ok(metadata)
}

/// The address without the parts that people often paste along with it.
fn configured_issuer(address: &str) -> &str {
    address.trim().trim_end_matches(DOCUMENT).trim_end_matches('/')
}

/// OIDC Discovery, 4.3: the two must be the same text. Some providers want only the root of the SSO domain to
/// be configured; then the claimed issuer may be in a sub-folder of exactly that domain.
fn is_issuer_of(configured: &str, claimed: &IssuerUrl) -> bool {
    if claimed.as_str().trim_end_matches('/') == configured {
        return true;
    }
    let Ok(root) = Url::parse(configured) else { return false };
    root.path() == "/" && root.query().is_none() && root.origin() == claimed.url().origin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_accepted_whole_or_by_the_root_of_its_domain() {
        let claimed = IssuerUrl::new("https://sso.test/realms/main".into()).unwrap();
        for good in ["https://sso.test/realms/main", "https://sso.test/realms/main/", "https://sso.test"] {
            assert!(is_issuer_of(configured_issuer(good), &claimed), "{good}");
        }
        let pasted = "https://sso.test/realms/main/.well-known/openid-configuration";
        assert!(is_issuer_of(configured_issuer(pasted), &claimed));
        for bad in
            ["https://sso.test/realms", "http://sso.test", "https://other.test", "https://sso.test:8443"]
        {
            assert!(!is_issuer_of(configured_issuer(bad), &claimed), "{bad}");
        }
    }
}
