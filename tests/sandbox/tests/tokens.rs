use reqwest::StatusCode;
use seqera_sandbox::{AccessFormat, Settings};
use serde_json::{Value, json};

use crate::browser::{Browser, CLIENT, VERIFIER, parameter, redirected, refusal, text};

#[tokio::test]
async fn a_refresh_token_is_replaced_at_each_renewal() {
    let browser = Browser::start(Settings::default()).await;
    let first = browser.sign_in("ada").await;
    let second: Value = browser.refresh(text(&first, "refresh_token")).await.unwrap().json().await.unwrap();
    assert_ne!(text(&first, "refresh_token"), text(&second, "refresh_token"));
    assert_ne!(text(&first, "access_token"), text(&second, "access_token"));
    assert_eq!(browser.refresh(text(&second, "refresh_token")).await.unwrap().status(), StatusCode::OK);
    let stats = browser.sandbox.stats();
    assert_eq!((stats.refresh_attempts, stats.events.refreshes, stats.events.reuses), (2, 2, 0));
    assert_eq!(stats.tokens_alive, 1);
}

#[tokio::test]
async fn a_replaced_refresh_token_that_comes_again_ends_the_session() {
    let browser = Browser::start(Settings::default()).await;
    let first = browser.sign_in("ada").await;
    let second: Value = browser.refresh(text(&first, "refresh_token")).await.unwrap().json().await.unwrap();
    for token in [&first, &second] {
        let answer = browser.refresh(text(token, "refresh_token")).await.unwrap();
        assert_eq!(refusal(answer).await, (StatusCode::BAD_REQUEST, "invalid_grant".into()));
    }
    let stats = browser.sandbox.stats();
    assert_eq!((stats.events.reuses, stats.events.families_revoked), (1, 1));
    assert_eq!((stats.tokens_alive, stats.access_alive), (0, 0));
    let status = browser.get("/user-info", text(&second, "access_token")).await.status();
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn of_many_renewals_with_one_refresh_token_one_succeeds() {
    let browser = Browser::start(Settings { revoke_family_on_reuse: false, ..Settings::default() }).await;
    let answer = browser.sign_in("ada").await;
    let token = text(&answer, "refresh_token");
    let (a, b, c) = tokio::join!(browser.refresh(token), browser.refresh(token), browser.refresh(token));
    let succeeded =
        [a, b, c].into_iter().filter(|answer| answer.as_ref().unwrap().status().is_success()).count();
    assert_eq!(succeeded, 1);
    assert_eq!(browser.sandbox.stats().events.reuses, 2);
}

#[tokio::test]
async fn the_token_endpoint_answers_mistakes_with_the_codes_of_its_rfc() {
    let browser = Browser::start(Settings::default()).await;
    type Case = (&'static [(&'static str, &'static str)], StatusCode, &'static str);
    let cases: [Case; 6] = [
        (&[("grant_type", "refresh_token")], StatusCode::BAD_REQUEST, "invalid_request"),
        (&[("client_id", CLIENT)], StatusCode::BAD_REQUEST, "invalid_request"),
        (
            &[("client_id", CLIENT), ("grant_type", "password")],
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
        ),
        (
            &[("client_id", CLIENT), ("grant_type", "refresh_token")],
            StatusCode::BAD_REQUEST,
            "invalid_request",
        ),
        (&[("client_id", "x"), ("grant_type", "refresh_token")], StatusCode::UNAUTHORIZED, "invalid_client"),
        (
            &[("client_id", CLIENT), ("grant_type", "refresh_token"), ("refresh_token", "guess")],
            StatusCode::BAD_REQUEST,
            "invalid_grant",
        ),
    ];
    for (form, status, error) in cases {
        let answer = browser.token(form).await.unwrap();
        assert_eq!(refusal(answer).await, (status, error.to_owned()), "{form:?}");
    }
}

#[tokio::test]
async fn without_offline_access_there_is_no_refresh_token() {
    let browser = Browser::start(Settings::default()).await;
    let answer = browser.authorize(&[("scope", "openid"), ("sandbox_user", "ada")]).await;
    let code = parameter(&redirected(&answer), "code").unwrap();
    let answer: Value = browser.exchange(&code, VERIFIER).await.json().await.unwrap();
    assert_eq!((answer.get("refresh_token"), &answer["scope"]), (None, &json!("openid")));
}

#[tokio::test]
async fn settings_shape_the_token_answer() {
    let settings = Settings {
        access_format: AccessFormat::Opaque,
        access_lifetime: 7,
        refresh_lifetime: 70,
        show_refresh_expiry: true,
        id_token: false,
        ..Settings::default()
    };
    let browser = Browser::start(settings).await;
    let answer = browser.sign_in("ada").await;
    assert!(!text(&answer, "access_token").contains('.'));
    assert_eq!((&answer["expires_in"], &answer["refresh_expires_in"]), (&json!(7), &json!(70)));
    assert_eq!(answer.get("id_token"), None);
    assert_eq!(browser.get("/user-info", text(&answer, "access_token")).await.status(), StatusCode::OK);

    let browser = Browser::start(Settings { refresh_token: false, ..Settings::default() }).await;
    assert_eq!(browser.sign_in("ada").await.get("refresh_token"), None);
}

#[tokio::test]
async fn revoking_a_refresh_token_ends_the_session_and_an_unknown_token_is_no_error() {
    let browser = Browser::start(Settings::default()).await;
    let answer = browser.sign_in("ada").await;
    assert_eq!(browser.revoke("unknown").await, StatusCode::OK);
    assert_eq!(browser.revoke(text(&answer, "refresh_token")).await, StatusCode::OK);
    let status = browser.get("/user-info", text(&answer, "access_token")).await.status();
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let renewal = browser.refresh(text(&answer, "refresh_token")).await.unwrap();
    assert_eq!(refusal(renewal).await.1, "invalid_grant");
    let stats = browser.sandbox.stats();
    assert_eq!((stats.events.revocations, stats.tokens_alive, stats.access_alive), (1, 0, 0));
}

#[tokio::test]
async fn ended_sessions_are_refused_at_the_next_renewal_while_access_tokens_live_on() {
    let browser = Browser::start(Settings::default()).await;
    let answer = browser.sign_in("ada").await;
    let ended: Value = browser.control("expire", &json!({ "refresh": "all" })).await.json().await.unwrap();
    assert_eq!(ended, json!({ "refresh": 1, "access": 0 }));
    let renewal = browser.refresh(text(&answer, "refresh_token")).await.unwrap();
    assert_eq!(refusal(renewal).await.1, "invalid_grant");
    assert_eq!(browser.get("/user-info", text(&answer, "access_token")).await.status(), StatusCode::OK);
    let unknown = browser.control("expire", &json!({ "refresh": "nobody" })).await;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
}
