use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::error::ErrorKind;
use crate::providers::page::Whose;

fn get(target: String) -> CallbackRequest {
    CallbackRequest { method: "GET".into(), target, ..CallbackRequest::default() }
}

#[tokio::test]
async fn s256_is_sent_although_discovery_does_not_announce_it() {
    let bench = Bench::new().await;
    let flow = bench.flow().await;
    let field = |name: &str| {
        let mut pairs = flow.authorization_url.query_pairs();
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&flow.code_verifier));
    for (name, expected) in [
        ("code_challenge_method", "S256"),
        ("code_challenge", &challenge),
        ("response_type", "code"),
        ("client_id", "client"),
        ("redirect_uri", "http://127.0.0.1:5/callback"),
        ("scope", "openid profile email offline_access"),
        ("audience", "platform"),
        ("state", &flow.state),
        ("nonce", &flow.nonce),
    ] {
        assert_eq!(field(name), expected, "{name}");
    }
    assert!(flow.state.len() >= 43 && flow.nonce.len() >= 43 && flow.code_verifier.len() >= 43);
    assert_ne!(bench.flow().await.state, flow.state);
}

#[tokio::test]
async fn openid_is_always_asked_for_and_an_empty_audience_never() {
    let bench = Bench::with(|profile| {
        profile.scopes = "email".into();
        profile.audience = String::new();
    });
    let url = bench.await.flow().await.authorization_url;
    assert!(url.query().unwrap().contains("scope=openid+email&"), "{url}");
    assert!(!url.query().unwrap().contains("audience"), "{url}");
}

#[tokio::test]
async fn only_the_right_state_is_an_answer() {
    let bench = Bench::new().await;
    let flow = bench.flow().await;
    for (target, status) in [
        ("/callback?code=c".into(), 400),
        ("/callback?code=c&state=".into(), 400),
        (format!("/callback?code=c&state={}x", flow.state), 400),
        ("/callback?error=access_denied&state=wrong".into(), 400),
        (format!("/callback?state={}", flow.state), 400),
        (format!("/other?code=c&state={}", flow.state), 404),
        ("/favicon.ico".into(), 404),
        ("//elsewhere.test/callback".into(), 400),
    ] {
        match bench.oidc.callback(&flow, &get(target.clone())) {
            Callback::NotYet(page) => assert_eq!(page.status, status, "{target}"),
            other => panic!("{target}: {other:?}"),
        }
    }
    let target = format!("/callback?code=c%2B1&state={}", flow.state);
    match bench.oidc.callback(&flow, &get(target.clone())) {
        Callback::Code(code) => assert_eq!(code.expose_secret(), "c+1"),
        other => panic!("{other:?}"),
    }
    let post = CallbackRequest { method: "POST".into(), ..get(target) };
    assert!(matches!(bench.oidc.callback(&flow, &post), Callback::NotYet(page) if page.status == 405));
}

#[tokio::test]
async fn an_answer_of_another_provider_ends_the_login() {
    let bench = Bench::new().await;
    let flow = bench.flow().await;
    let target = |iss: &str| format!("/callback?code=c&state={}&iss={iss}", flow.state);
    for iss in ["https://other.test", ""] {
        match bench.oidc.callback(&flow, &get(target(iss))) {
            Callback::Failed(_, error) => assert_eq!(error.kind, ErrorKind::Misconfigured),
            other => panic!("{iss}: {other:?}"),
        }
    }
    let ours = get(target(&bench.double.url));
    assert!(matches!(bench.oidc.callback(&flow, &ours), Callback::Code(_)));
}

#[tokio::test]
async fn a_provider_that_announces_iss_must_send_it() {
    let bench = Bench::new().await;
    let mut document = bench.double.discovery();
    document["authorization_response_iss_parameter_supported"] = json!(true);
    bench.double.script("GET /.well-known/openid-configuration", json_answer(200, &document));
    let flow = bench.flow().await;
    let without = get(format!("/callback?code=c&state={}", flow.state));
    assert!(matches!(bench.oidc.callback(&flow, &without), Callback::Failed(..)));
}

#[tokio::test]
async fn an_error_of_the_provider_has_its_reason_and_is_shown_as_text() {
    let bench = Bench::new().await;
    let flow = bench.flow().await;
    for (code, kind) in [
        ("access_denied", ErrorKind::LoginDenied),
        ("login_required", ErrorKind::LoginDenied),
        ("unauthorized_client", ErrorKind::Misconfigured),
        ("invalid_scope", ErrorKind::Misconfigured),
        ("temporarily_unavailable", ErrorKind::Unreachable),
    ] {
        let description = "%3Cscript%3Ealert(1)%3C/script%3E";
        let target = format!("/callback?error={code}&error_description={description}&state={}", flow.state);
        match bench.oidc.callback(&flow, &get(target)) {
            Callback::Failed(None, error) => {
                assert_eq!(error.kind, kind, "{code}");
                let page = bench.oidc.page(Err(&error), &Whose::default());
                assert!(page.body.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{}", page.body);
                assert!(!page.body.contains("<script"), "{}", page.body);
            }
            other => panic!("{code}: {other:?}"),
        }
    }
}
