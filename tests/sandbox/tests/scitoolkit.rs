use reqwest::{Client, Response, StatusCode};
use seqera_sandbox::Settings;
use serde_json::{Value, json};

use crate::browser::{Browser, text};

async fn made(browser: &Browser, wish: &Value) -> String {
    let made: Value = browser.control("scitoolkit", wish).await.json().await.unwrap();
    text(&made, "token").to_owned()
}

async fn page(browser: &Browser, state: &str, callback: &str) -> Response {
    let url = format!("{}/cli-auth", browser.sandbox.url());
    let url = url::Url::parse_with_params(&url, [("state", state), ("callback", callback)]).unwrap();
    browser.http.get(url).send().await.unwrap()
}

#[tokio::test]
async fn a_token_stands_for_a_person_and_dies_at_once_when_it_is_revoked() {
    let browser = Browser::start(Settings::default()).await;
    let token = made(&browser, &json!({"user": "ada"})).await;
    let other = made(&browser, &json!({"user": "ada", "prefix": "sct_user_"})).await;
    let who: Value = browser.get("/cli/whoami", &token).await.json().await.unwrap();
    assert_eq!((text(&who, "email"), text(&who, "name")), ("ada@sandbox.test", "Ada Sandbox-Lovelace"));
    let listed: Value = browser.get("/cli/tokens", &token).await.json().await.unwrap();
    let rows = listed["tokens"].as_array().unwrap();
    assert_eq!(rows.iter().filter(|row| row["current"] == true).count(), 1, "{listed}");
    assert!(!listed.to_string().contains(&token), "the secret is not told again");
    let id = rows.iter().find(|row| row["current"] == true).unwrap()["id"].as_u64().unwrap();
    let delete = |bearer: &str| {
        browser.http.delete(browser.api(&format!("/cli/tokens/{id}"))).bearer_auth(bearer).send()
    };
    let strangers = made(&browser, &json!({"user": "grace"})).await;
    assert_eq!(delete(&strangers).await.unwrap().status(), StatusCode::NOT_FOUND);
    assert_eq!(delete(&token).await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(browser.get("/cli/whoami", &token).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(browser.get("/cli/whoami", &other).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_token_ends_in_time_and_one_of_a_toolkit_is_nobody() {
    let browser = Browser::start(Settings::default()).await;
    let short = made(&browser, &json!({"user": "ada", "expires_in": 60})).await;
    assert_eq!(browser.get("/cli/whoami", &short).await.status(), StatusCode::OK);
    browser.sandbox.advance(60);
    assert_eq!(browser.get("/cli/whoami", &short).await.status(), StatusCode::UNAUTHORIZED);
    let toolkit = made(&browser, &json!({"user": "ada", "prefix": "stk_"})).await;
    assert_eq!(browser.get("/cli/whoami", &toolkit).await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_page_sends_tokens_to_listeners_on_this_machine_only() {
    let browser = Browser::start(Settings::default()).await;
    for callback in [
        "https://evil.test/cli-callback",
        "http://evil.test/cli-callback",
        "http://127.0.0.1.evil.test/cli-callback",
        "http://127.0.0.1:5/other",
        "javascript:alert(1)",
        "",
    ] {
        assert_eq!(page(&browser, "s", callback).await.status(), StatusCode::BAD_REQUEST, "{callback}");
    }
    let good = page(&browser, "s", "http://127.0.0.1:5/cli-callback").await;
    assert_eq!(good.status(), StatusCode::OK);
    let policy = good.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("connect-src 'self' http://127.0.0.1:5;"), "{policy}");
    assert!(good.text().await.unwrap().contains("Sandbox"));
}

#[tokio::test]
async fn what_comes_with_the_address_cannot_leave_its_place_in_the_page() {
    let browser = Browser::start(Settings::default()).await;
    let evil = "\"><script>alert(1)</script>{{nonce}}";
    let text = page(&browser, evil, "http://127.0.0.1:5/cli-callback").await.text().await.unwrap();
    assert!(!text.contains("<script>alert"), "{text}");
}

#[tokio::test]
async fn a_token_made_by_hand_is_shown_once_and_works() {
    let browser = Browser::start(Settings::default()).await;
    let generate = |http: &Client, days: &str| {
        let form = [("user", "ada@sandbox.test"), ("name", "laptop"), ("days", days)];
        http.post(format!("{}/cli-tokens", browser.sandbox.url())).form(&form).send()
    };
    let page = generate(&browser.http, "30").await.unwrap().text().await.unwrap();
    let token = page.split("<code id=\"token\">").nth(1).unwrap().split('<').next().unwrap();
    assert_eq!(browser.get("/cli/whoami", token).await.status(), StatusCode::OK);
    assert_eq!(generate(&browser.http, "soon").await.unwrap().status(), StatusCode::BAD_REQUEST);
}
