use openidconnect::core::{CoreIdToken, CoreIdTokenVerifier, CoreJsonWebKeySet, CoreProviderMetadata};
use openidconnect::{ClientId, IssuerUrl, Nonce};
use reqwest::StatusCode;
use seqera_sandbox::Settings;
use serde_json::{Value, json};

use crate::browser::{Browser, CLIENT, REDIRECT, VERIFIER, parameter, redirected, refusal, text};

#[tokio::test]
async fn discovery_names_its_issuer_and_what_a_native_client_needs() {
    let browser = Browser::start(Settings::default()).await;
    let document = browser.get("/.well-known/openid-configuration", "").await.text().await.unwrap();
    let metadata: CoreProviderMetadata = serde_json::from_str(&document).unwrap();
    let raw: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(metadata.issuer().as_str(), browser.sandbox.authority());
    assert_eq!(raw["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(raw["authorization_response_iss_parameter_supported"], true);
    assert_eq!(raw["token_endpoint_auth_methods_supported"], json!(["none"]));
    assert_eq!(raw["revocation_endpoint"], browser.api("/oauth2/revoke"));
    assert_eq!(raw["sandbox"], true);
}

#[tokio::test]
async fn settings_take_revocation_away_and_let_the_issuer_lie() {
    let settings =
        Settings { revocation: false, issuer: Some("https://other.test/api".into()), ..Settings::default() };
    let browser = Browser::start(settings).await;
    let raw: Value = browser.get("/.well-known/openid-configuration", "").await.json().await.unwrap();
    assert_eq!(raw.get("revocation_endpoint"), None);
    assert_eq!(raw["issuer"], "https://other.test/api");
    assert_eq!(raw["token_endpoint"], browser.api("/oauth2/token"));
    assert_eq!(browser.revoke("anything").await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_id_token_stands_up_to_a_client_s_checks() {
    let browser = Browser::start(Settings::default()).await;
    let answer = browser.sign_in("ada@sandbox.test").await;
    let keys: CoreJsonWebKeySet = browser.get("/.well-known/jwks.json", "").await.json().await.unwrap();
    let issuer = IssuerUrl::new(browser.sandbox.authority()).unwrap();
    let verifier = CoreIdTokenVerifier::new_public_client(ClientId::new(CLIENT.into()), issuer, keys);
    let token: CoreIdToken = text(&answer, "id_token").parse().unwrap();
    let claims = token.claims(&verifier, &Nonce::new("a nonce".into())).unwrap();
    assert_eq!(claims.subject().as_str(), "1");
    assert_eq!(claims.email().unwrap().as_str(), "ada@sandbox.test");
}

#[tokio::test]
async fn the_page_offers_the_users_and_its_form_leads_back_to_the_client() {
    let browser = Browser::start(Settings::default()).await;
    let page = browser.authorize(&[("scope", "openid \"><script>")]).await;
    assert_eq!(page.status(), StatusCode::OK);
    let page = page.text().await.unwrap();
    assert!(page.contains("ada@sandbox.test") && page.contains("grace@sandbox.test"));
    assert!(page.contains("Sandbox") && !page.contains("<script"));

    let url = browser.authorize_url(&[]);
    let form = [("request", url.query().unwrap()), ("user", "grace@sandbox.test")];
    let answer = browser.http.post(browser.api("/oauth2/consent")).form(&form).send().await.unwrap();
    let back = redirected(&answer);
    assert!(back.as_str().starts_with(REDIRECT));
    assert_eq!(parameter(&back, "state").unwrap(), "a state");
    assert_eq!(parameter(&back, "iss").unwrap(), browser.sandbox.authority());
    let tokens = browser.exchange(&parameter(&back, "code").unwrap(), VERIFIER).await;
    assert_eq!(tokens.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_no_is_told_to_the_client_from_the_page_and_from_the_shortcut() {
    let browser = Browser::start(Settings::default()).await;
    let url = browser.authorize_url(&[]);
    let form = [("request", url.query().unwrap()), ("deny", "1")];
    let page = browser.http.post(browser.api("/oauth2/consent")).form(&form).send().await.unwrap();
    let shortcut = browser.authorize(&[("sandbox_deny", "1")]).await;
    for answer in [page, shortcut] {
        let back = redirected(&answer);
        assert_eq!(parameter(&back, "error").unwrap(), "access_denied");
        assert_eq!(parameter(&back, "state").unwrap(), "a state");
        assert_eq!(parameter(&back, "code"), None);
    }
}

#[tokio::test]
async fn an_unknown_client_and_a_redirect_off_the_loopback_are_never_redirected_to() {
    let browser = Browser::start(Settings::default()).await;
    let cases = [
        ("client_id", "somebody"),
        ("redirect_uri", "https://example.test/cb"),
        ("redirect_uri", "http://localhost:1/cb"),
        ("redirect_uri", "http://127.0.0.1@example.test/cb"),
        ("redirect_uri", "seqera:cb"),
    ];
    for change in cases {
        let answer = browser.authorize(&[change, ("sandbox_user", "ada")]).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{change:?}");
    }
    let v6 = browser.authorize(&[("redirect_uri", "http://[::1]:7/x"), ("sandbox_user", "ada")]).await;
    assert_eq!(redirected(&v6).host_str(), Some("[::1]"));
}

#[tokio::test]
async fn pkce_with_s256_is_required() {
    let browser = Browser::start(Settings::default()).await;
    for change in [("code_challenge", ""), ("code_challenge_method", ""), ("code_challenge_method", "plain")]
    {
        let answer = browser.authorize(&[change, ("sandbox_user", "ada")]).await;
        assert_eq!(parameter(&redirected(&answer), "error").unwrap(), "invalid_request", "{change:?}");
    }
    let code = browser.code("ada").await;
    let other = VERIFIER.replace('d', "e");
    let answer = browser.exchange(&code, &other).await;
    assert_eq!(refusal(answer).await, (StatusCode::BAD_REQUEST, "invalid_grant".into()));
}

#[tokio::test]
async fn a_code_works_once_and_its_second_use_ends_the_session() {
    let browser = Browser::start(Settings::default()).await;
    let code = browser.code("ada").await;
    assert_eq!(browser.exchange(&code, VERIFIER).await.status(), StatusCode::OK);
    assert_eq!(browser.sandbox.stats().tokens_alive, 1);
    let again = browser.exchange(&code, VERIFIER).await;
    assert_eq!(refusal(again).await, (StatusCode::BAD_REQUEST, "invalid_grant".into()));
    let stats = browser.sandbox.stats();
    assert_eq!((stats.events.code_exchanges, stats.tokens_alive), (1, 0));
}
