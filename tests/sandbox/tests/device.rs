use reqwest::StatusCode;
use seqera_sandbox::{DeviceFlow, Settings};
use serde_json::Value;

use crate::browser::{Browser, CLIENT, refusal, text};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A sandbox that accepts quick polls.
async fn patient() -> Browser {
    let device = DeviceFlow { interval: 0, ..DeviceFlow::default() };
    Browser::start(Settings { device, ..Settings::default() }).await
}

impl Browser {
    async fn device(&self) -> Value {
        let form = [("client_id", CLIENT), ("scope", "openid offline_access")];
        let answer =
            self.http.post(self.api("/oauth2/device_authorization")).form(&form).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.unwrap()
    }

    async fn poll(&self, device: &Value) -> reqwest::Response {
        let code = text(device, "device_code");
        self.token(&[("grant_type", GRANT), ("client_id", CLIENT), ("device_code", code)]).await.unwrap()
    }

    async fn press(&self, device: &Value, button: (&str, &str)) -> StatusCode {
        let form = [("user_code", text(device, "user_code")), button];
        self.http.post(text(device, "verification_uri")).form(&form).send().await.unwrap().status()
    }
}

#[tokio::test]
async fn a_code_that_is_allowed_on_the_page_becomes_tokens_once() {
    let browser = patient().await;
    let device = browser.device().await;
    let pending = refusal(browser.poll(&device).await).await;
    assert_eq!(pending, (StatusCode::BAD_REQUEST, "authorization_pending".into()));

    let page = browser.http.get(text(&device, "verification_uri_complete")).send().await.unwrap();
    let page = page.text().await.unwrap();
    assert!(page.contains("ada@sandbox.test") && page.contains(text(&device, "user_code")), "{page}");
    assert!(page.contains("Sandbox") && !page.contains("<script"), "{page}");

    assert_eq!(browser.press(&device, ("user", "ada@sandbox.test")).await, StatusCode::OK);
    let tokens: Value = browser.poll(&device).await.json().await.unwrap();
    assert!(tokens["refresh_token"].is_string() && tokens["id_token"].is_string(), "{tokens}");
    assert_eq!(browser.get("/user-info", text(&tokens, "access_token")).await.status(), StatusCode::OK);
    assert_eq!(refusal(browser.poll(&device).await).await.1, "invalid_grant");
    assert_eq!(browser.sandbox.stats().events.device_grants, 1);
}

#[tokio::test]
async fn a_no_and_a_code_that_has_expired_are_told_apart() {
    let browser = patient().await;
    let device = browser.device().await;
    browser.press(&device, ("deny", "1")).await;
    assert_eq!(refusal(browser.poll(&device).await).await.1, "access_denied");
    let late = browser.device().await;
    browser.sandbox.advance(600);
    assert_eq!(browser.press(&late, ("user", "ada")).await, StatusCode::BAD_REQUEST);
    assert_eq!(refusal(browser.poll(&late).await).await.1, "expired_token");
}

#[tokio::test]
async fn a_poll_within_the_interval_is_told_to_slow_down() {
    let browser = Browser::start(Settings::default()).await;
    let device = browser.device().await;
    assert_eq!(refusal(browser.poll(&device).await).await.1, "authorization_pending");
    assert_eq!(refusal(browser.poll(&device).await).await.1, "slow_down");
}

#[tokio::test]
async fn a_wrong_code_gets_the_form_again() {
    let browser = patient().await;
    let page = browser.http.get(browser.api("/device?user_code=%3Cb%3E")).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::BAD_REQUEST);
    let page = page.text().await.unwrap();
    assert!(page.contains("&lt;b&gt;") && page.contains("name=\"user_code\""), "{page}");
}

#[tokio::test]
async fn settings_take_the_device_flow_away() {
    let device = DeviceFlow { offered: false, ..DeviceFlow::default() };
    let browser = Browser::start(Settings { device, ..Settings::default() }).await;
    let raw: Value = browser.get("/.well-known/openid-configuration", "").await.json().await.unwrap();
    assert_eq!(raw.get("device_authorization_endpoint"), None);
    let form = [("client_id", CLIENT)];
    let answer = browser.http.post(browser.api("/oauth2/device_authorization")).form(&form).send().await;
    assert_eq!(refusal(answer.unwrap()).await.1, "unauthorized_client");
}
