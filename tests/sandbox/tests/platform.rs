use base64::Engine as _;
use reqwest::StatusCode;
use seqera_sandbox::{PersonalToken, Settings};
use serde_json::{Value, json};

use crate::browser::{Browser, text};

#[tokio::test]
async fn user_info_refuses_expired_revoked_and_forged_tokens_without_a_body() {
    let browser = Browser::start(Settings { access_lifetime: 60, ..Settings::default() }).await;
    let first = browser.sign_in("ada").await;
    let good = browser.get("/user-info", text(&first, "access_token")).await;
    let about: Value = good.json().await.unwrap();
    assert_eq!(about["user"]["email"], "ada@sandbox.test");
    browser.sandbox.advance(60);
    let second = browser.sign_in("grace").await;
    browser.revoke(text(&second, "access_token")).await;
    let third = browser.sign_in("grace").await;
    let forged = format!("{}x", text(&third, "access_token"));
    for token in [text(&first, "access_token"), text(&second, "access_token"), &forged, ""] {
        let answer = browser.get("/user-info", token).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert!(answer.bytes().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn organisations_and_workspaces_are_the_caller_s_own() {
    let browser = Browser::start(Settings::default()).await;
    let answer = browser.sign_in("grace").await;
    let bearer = text(&answer, "access_token");
    let orgs: Value = browser.get("/orgs", bearer).await.json().await.unwrap();
    assert_eq!(orgs["totalSize"], 1);
    assert_eq!(orgs["organizations"][0]["name"], "sandbox-genomics");
    let rows: Value = browser.get("/user/2/workspaces", bearer).await.json().await.unwrap();
    let ids: Vec<&Value> =
        rows["orgsAndWorkspaces"].as_array().unwrap().iter().map(|row| &row["workspaceId"]).collect();
    assert_eq!(ids, [&Value::Null, &json!(1001), &json!(1002)]);
    assert_eq!(browser.get("/user/1/workspaces", bearer).await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_personal_access_token_is_created_used_listed_and_deleted() {
    let browser = Browser::start(Settings::default()).await;
    let answer = browser.sign_in("ada").await;
    let bearer = text(&answer, "access_token");
    let create =
        || browser.http.post(browser.api("/tokens")).bearer_auth(bearer).json(&json!({ "name": "ci" }));
    let created: Value = create().send().await.unwrap().json().await.unwrap();
    assert_eq!(create().send().await.unwrap().status(), StatusCode::CONFLICT);
    let key = text(&created, "accessKey");
    let id = created["token"]["id"].as_u64().unwrap();
    let plain = base64::engine::general_purpose::STANDARD.decode(key).unwrap();
    assert!(plain.starts_with(format!("{{\"tid\": {id}}}.").as_bytes()));

    browser.sandbox.advance(100_000);
    assert_eq!(browser.get("/user-info", key).await.status(), StatusCode::OK, "it does not expire");
    let listed: Value = browser.get("/tokens", key).await.json().await.unwrap();
    assert_eq!(listed["tokens"][0]["name"], "ci");
    assert!(!listed.to_string().contains(key));

    let delete = |path: String| browser.http.delete(browser.api(&path)).bearer_auth(key).send();
    assert_eq!(delete("/tokens/delete-all".into()).await.unwrap().status(), StatusCode::NOT_FOUND);
    assert_eq!(delete(format!("/tokens/{id}")).await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(browser.get("/user-info", key).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn personal_access_tokens_can_be_there_from_the_start_or_made_without_a_sign_in() {
    let seed = PersonalToken {
        user: "grace".into(),
        name: "seed".into(),
        access_key: Some("a-known-secret".into()),
    };
    let browser = Browser::start(Settings { personal_tokens: vec![seed], ..Settings::default() }).await;
    assert_eq!(browser.get("/user-info", "a-known-secret").await.status(), StatusCode::OK);
    let made: Value = browser.control("tokens", &json!({ "user": "ada" })).await.json().await.unwrap();
    let about: Value = browser.get("/user-info", text(&made, "accessKey")).await.json().await.unwrap();
    assert_eq!(about["user"]["userName"], "ada");
}

#[tokio::test]
async fn service_info_needs_no_token_and_says_sandbox() {
    let browser = Browser::start(Settings::default()).await;
    let answer = browser.http.get(browser.api("/service-info")).send().await.unwrap();
    assert_eq!(answer.headers()["server"], "seqera-sandbox");
    let answer: Value = answer.json().await.unwrap();
    assert!(text(&answer["serviceInfo"], "version").starts_with("sandbox"));
}
