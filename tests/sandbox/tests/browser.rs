//! A browser and a client in one, with only what the tests need.

use reqwest::{Client, Response, StatusCode, redirect};
use seqera_sandbox::{Running, Sandbox, Settings};
use serde_json::Value;
use url::Url;

pub(crate) const CLIENT: &str = "seqera_ai_cli";
pub(crate) const REDIRECT: &str = "http://127.0.0.1:53682/callback";
/// The example in RFC 7636, appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub(crate) struct Browser {
    pub(crate) sandbox: Running,
    pub(crate) http: Client,
}

impl Browser {
    pub(crate) async fn start(settings: Settings) -> Self {
        let http = Client::builder().redirect(redirect::Policy::none()).no_proxy().build().unwrap();
        Self { sandbox: Sandbox::start(settings).await.unwrap(), http }
    }

    pub(crate) fn api(&self, path: &str) -> String {
        format!("{}{path}", self.sandbox.authority())
    }

    pub(crate) async fn get(&self, path: &str, bearer: &str) -> Response {
        self.http.get(self.api(path)).bearer_auth(bearer).send().await.unwrap()
    }

    pub(crate) async fn control(&self, path: &str, body: &Value) -> Response {
        let url = format!("{}/_sandbox/{path}", self.sandbox.url());
        self.http.post(url).json(body).send().await.unwrap()
    }

    /// An authorization request with some parameters changed. Empty ones are left out.
    pub(crate) fn authorize_url(&self, changes: &[(&str, &str)]) -> Url {
        let mut parameters = vec![
            ("client_id", CLIENT),
            ("redirect_uri", REDIRECT),
            ("response_type", "code"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("scope", "openid profile email offline_access"),
            ("state", "a state"),
            ("nonce", "a nonce"),
        ];
        parameters.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
        parameters.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
        Url::parse_with_params(&self.api("/oauth2/authorize"), parameters).unwrap()
    }

    pub(crate) async fn authorize(&self, changes: &[(&str, &str)]) -> Response {
        self.http.get(self.authorize_url(changes)).send().await.unwrap()
    }

    pub(crate) async fn code(&self, user: &str) -> String {
        let answer = self.authorize(&[("sandbox_user", user)]).await;
        parameter(&redirected(&answer), "code").unwrap()
    }

    pub(crate) async fn token(&self, form: &[(&str, &str)]) -> reqwest::Result<Response> {
        self.http.post(self.api("/oauth2/token")).form(form).send().await
    }

    pub(crate) async fn exchange(&self, code: &str, verifier: &str) -> Response {
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", CLIENT),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", verifier),
        ];
        self.token(&form).await.unwrap()
    }

    pub(crate) async fn refresh(&self, token: &str) -> reqwest::Result<Response> {
        self.token(&[("grant_type", "refresh_token"), ("client_id", CLIENT), ("refresh_token", token)]).await
    }

    pub(crate) async fn revoke(&self, token: &str) -> StatusCode {
        let form = [("client_id", CLIENT), ("token", token)];
        self.http.post(self.api("/oauth2/revoke")).form(&form).send().await.unwrap().status()
    }

    /// Signs in and returns the token response.
    pub(crate) async fn sign_in(&self, user: &str) -> Value {
        let answer = self.exchange(&self.code(user).await, VERIFIER).await;
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.unwrap()
    }
}

pub(crate) fn redirected(answer: &Response) -> Url {
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap()
}

pub(crate) fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

pub(crate) fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name].as_str().unwrap()
}

/// The status and the OAuth error code of a refusal.
pub(crate) async fn refusal(answer: Response) -> (StatusCode, String) {
    let status = answer.status();
    (status, text(&answer.json().await.unwrap(), "error").to_owned())
}
