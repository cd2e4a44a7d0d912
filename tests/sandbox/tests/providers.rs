//! Sign-in as at a Platform: GitHub, Google, OIDC, or several of them.

use reqwest::StatusCode;
use seqera_sandbox::{Configuration, Sandbox, Settings};
use serde_json::{Value, json};

use crate::browser::{Browser, VERIFIER, parameter, refusal, text};
use crate::person::{Landed, Person, link, platform};
use crate::stand_in::{Github, serve};

fn ada() -> Value {
    json!([
        { "email": "private@sandbox.test", "primary": false, "verified": true },
        { "email": "Ada@Sandbox.test", "primary": true, "verified": true },
    ])
}

/// Another sandbox as the OIDC provider. It requires PKCE and signs its ID tokens.
async fn oidc_provider() -> Browser {
    Browser::start(Settings { clients: vec!["sandbox-platform".into()], ..Settings::default() }).await
}

fn oidc(issuer: &str) -> [(&str, &str); 3] {
    let client = ("TOWER_OIDC_CLIENT", "sandbox-platform");
    [client, ("TOWER_OIDC_SECRET", "a secret: with signs/"), ("TOWER_OIDC_ISSUER", issuer)]
}

/// Starts a client's sign-in and takes one of the ways on the page.
async fn sign_in(browser: &Browser, person: &mut Person, way: &str) -> Landed {
    let page = person.walk(browser.authorize_url(&[]).as_str()).await;
    let login = link(&page.page, &format!("/oauth/login/{way}"));
    person.walk(&format!("{}{login}", browser.sandbox.url())).await
}

/// Presses "Allow" and lets the client fetch its tokens.
async fn allow(browser: &Browser, person: &mut Person, consent: &Landed, email: &str) -> Value {
    assert!(consent.page.contains("Allow") && consent.page.contains(email), "{}", consent.page);
    let request = consent.url.query().unwrap();
    let form = [("request", request), ("user", email)];
    let back = person.submit(&browser.api("/oauth2/consent"), &form).await;
    let code = parameter(&back.url, "code").unwrap();
    browser.exchange(&code, VERIFIER).await.json().await.unwrap()
}

async fn email_of(browser: &Browser, tokens: &Value) -> String {
    let about: Value = browser.get("/user-info", text(tokens, "access_token")).await.json().await.unwrap();
    text(&about["user"], "email").to_owned()
}

#[tokio::test]
async fn github_signs_in_who_owns_the_verified_primary_address() {
    let github = Github::start(ada()).await;
    let browser = Browser::start(platform("", &github.variables())).await;
    let mut person = Person::at(&browser);
    let consent = sign_in(&browser, &mut person, "github").await;
    let tokens = allow(&browser, &mut person, &consent, "ada@sandbox.test").await;
    assert_eq!(email_of(&browser, &tokens).await, "ada@sandbox.test");
    let callback = format!("{}/oauth/callback/github", browser.sandbox.url());
    assert_eq!(github.asked.lock().unwrap()["redirect_uri"], callback);

    let unverified = json!([{ "email": "ada@sandbox.test", "primary": true, "verified": false }]);
    let github = Github::start(unverified).await;
    let browser = Browser::start(platform("", &github.variables())).await;
    let back = sign_in(&browser, &mut Person::at(&browser), "github").await;
    assert_eq!(parameter(&back.url, "error").unwrap(), "server_error");
    assert!(parameter(&back.url, "error_description").unwrap().contains("verified"));
}

#[tokio::test]
async fn google_signs_in_through_its_discovery_document() {
    let google = oidc_provider().await;
    let issuer = google.sandbox.authority();
    let variables = [
        ("TOWER_GOOGLE_CLIENT", "sandbox-platform"),
        ("TOWER_GOOGLE_SECRET", "hush"),
        ("SANDBOX_GOOGLE_ISSUER", &*issuer),
    ];
    let browser = Browser::start(platform("", &variables)).await;
    let mut person = Person::at(&browser);
    person.elsewhere = Some((google.sandbox.authority(), "grace"));
    let consent = sign_in(&browser, &mut person, "google").await;
    let tokens = allow(&browser, &mut person, &consent, "grace@sandbox.test").await;
    assert_eq!(email_of(&browser, &tokens).await, "grace@sandbox.test");
}

#[tokio::test]
async fn an_oidc_provider_signs_in_at_the_documented_callback() {
    let provider = oidc_provider().await;
    let browser = Browser::start(platform("", &oidc(&provider.sandbox.authority()))).await;
    let mut person = Person::at(&browser);
    let page = person.walk(browser.authorize_url(&[]).as_str()).await;
    let login = format!("{}{}", browser.sandbox.url(), link(&page.page, "/oauth/login/oidc"));
    let to = person.open(&login).await.headers()["location"].to_str().unwrap().parse().unwrap();
    let callback = format!("{}/oauth/callback/oidc", browser.sandbox.url());
    assert_eq!(parameter(&to, "redirect_uri").unwrap(), callback);

    person.elsewhere = Some((provider.sandbox.authority(), "ada"));
    let consent = sign_in(&browser, &mut person, "oidc").await;
    let tokens = allow(&browser, &mut person, &consent, "ada@sandbox.test").await;
    assert_eq!(email_of(&browser, &tokens).await, "ada@sandbox.test");
    assert_eq!(provider.sandbox.stats().events.code_exchanges, 1);
}

#[tokio::test]
async fn the_issuer_may_be_given_by_the_root_of_its_domain() {
    // The issuer's name has sub-folders, but the bare domain is configured. The document is there.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let domain = format!("http://{}", listener.local_addr().unwrap());
    let lying = Settings {
        issuer: Some(format!("{domain}/realms/main")),
        clients: vec!["sandbox-platform".into()],
        ..Settings::default()
    };
    let provider = Browser::start(lying).await;
    let document: Value = provider.get("/.well-known/openid-configuration", "").await.json().await.unwrap();
    let route = axum::routing::get(|| async move { axum::Json(document) });
    let app = axum::Router::new().route("/.well-known/openid-configuration", route);
    tokio::spawn(async move { axum::serve(listener, app).await });

    let browser = Browser::start(platform("", &oidc(&domain))).await;
    let mut person = Person::at(&browser);
    person.elsewhere = Some((provider.sandbox.authority(), "ada"));
    let consent = sign_in(&browser, &mut person, "oidc").await;
    allow(&browser, &mut person, &consent, "ada@sandbox.test").await;
}

#[tokio::test]
async fn an_issuer_that_claims_another_name_is_not_believed() {
    let lying = Settings { issuer: Some("https://other.test/api".into()), ..Settings::default() };
    let provider = Browser::start(lying).await;
    let browser = Browser::start(platform("", &oidc(&provider.sandbox.authority()))).await;
    let back = sign_in(&browser, &mut Person::at(&browser), "oidc").await;
    assert_eq!(parameter(&back.url, "error").unwrap(), "server_error");
    assert!(parameter(&back.url, "error_description").unwrap().contains("other.test"));
}

#[tokio::test]
async fn providers_of_all_kinds_are_offered_side_by_side_and_the_page_says_sandbox() {
    let github = Github::start(ada()).await;
    let provider = oidc_provider().await;
    let issuer = provider.sandbox.authority();
    let google = [
        ("TOWER_GOOGLE_CLIENT", "x"),
        ("TOWER_GOOGLE_SECRET", "y"),
        ("SANDBOX_GOOGLE_ISSUER", "http://127.0.0.1:1"),
        ("TOWER_SMTP_HOST", "127.0.0.1"),
        ("TOWER_CONTACT_EMAIL", "platform@sandbox.test"),
    ];
    let variables = [&github.variables()[..], &oidc(&issuer), &google].concat();
    let browser = Browser::start(platform("", &variables)).await;
    let page = Person::at(&browser).walk(browser.authorize_url(&[]).as_str()).await.page;
    for way in ["/oauth/login/github", "/oauth/login/google", "/oauth/login/oidc", "/oauth/login/email"] {
        link(&page, way);
    }
    assert!(page.contains("Sandbox.") && !page.contains("ada@sandbox.test"), "{page}");
    let info: Value = browser.get("/service-info", "").await.json().await.unwrap();
    assert_eq!(info["serviceInfo"]["authTypes"], json!(["email", "github", "google", "oidc"]));
}

#[tokio::test]
async fn a_second_oidc_provider_and_a_missing_secret_are_refused_at_the_start() {
    let second = "micronaut.security.oauth2.clients.okta.openid.issuer: http://127.0.0.1:1\n";
    let error = Sandbox::start(platform(second, &oidc("http://127.0.0.1:2"))).await.err().unwrap();
    assert!(error.to_string().contains("only one OIDC provider"), "{error}");
    let configuration = Configuration::read("tower.server-url: http://127.0.0.1:1\n", []).unwrap();
    let settings = Settings { configuration: Some(configuration), ..Settings::default() };
    let error = Sandbox::start(settings).await.err().unwrap();
    assert!(error.to_string().contains("TOWER_JWT_SECRET is required"), "{error}");
}

#[tokio::test]
async fn who_is_not_on_the_allow_list_of_the_provider_is_refused_with_words() {
    let (github, provider) = (Github::start(ada()).await, oidc_provider().await);
    let issuer = provider.sandbox.authority();
    let variables = [&github.variables()[..], &oidc(&issuer)].concat();
    let yaml = "tower:\n  auth:\n    github:\n      allow-list: ['*@other.test']\n    oidc:\n      \
                allow-list:\n        - '*@SANDBOX.test'\n";
    let browser = Browser::start(platform(yaml, &variables)).await;
    let mut person = Person::at(&browser);
    let back = sign_in(&browser, &mut person, "github").await;
    assert_eq!(parameter(&back.url, "error").unwrap(), "access_denied");
    assert_eq!(parameter(&back.url, "state").unwrap(), "a state");
    let words = parameter(&back.url, "error_description").unwrap();
    assert!(words.contains("Ada@Sandbox.test") && words.contains("allow list for GitHub"), "{words}");
    assert_eq!(person.cookie(browser.sandbox.url(), "JWT"), None);

    person.elsewhere = Some((issuer.clone(), "ada"));
    let consent = sign_in(&browser, &mut person, "oidc").await;
    allow(&browser, &mut person, &consent, "ada@sandbox.test").await;

    let front = person.walk(&format!("{}/oauth/login/github", browser.sandbox.url())).await;
    assert_eq!(front.status, StatusCode::FORBIDDEN, "without a client the person is told");
    assert!(front.page.contains("allow list"));
}

#[tokio::test]
async fn a_no_at_the_provider_reaches_the_client_as_access_denied() {
    let provider = oidc_provider().await;
    let browser = Browser::start(platform("", &oidc(&provider.sandbox.authority()))).await;
    let mut person = Person::at(&browser);
    let page = person.walk(browser.authorize_url(&[]).as_str()).await.page;
    let login = format!("{}{}", browser.sandbox.url(), link(&page, "/oauth/login/oidc"));
    let to = person.open(&login).await.headers()["location"].to_str().unwrap().to_owned();
    let back = person.walk(&format!("{to}&sandbox_deny=1")).await;
    assert_eq!(parameter(&back.url, "error").unwrap(), "access_denied");

    let url = browser.authorize_url(&[]);
    let form = [("request", url.query().unwrap()), ("deny", "1")];
    let no = person.submit(&browser.api("/oauth2/consent"), &form).await;
    assert_eq!(parameter(&no.url, "error").unwrap(), "access_denied", "and so does one on the page");
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_ends_the_login_at_once() {
    let gone = serve(axum::Router::new()).await;
    let browser = Browser::start(platform("", &oidc(&gone))).await;
    let back = sign_in(&browser, &mut Person::at(&browser), "oidc").await;
    assert_eq!(parameter(&back.url, "error").unwrap(), "server_error");
    assert!(parameter(&back.url, "error_description").unwrap().contains("OIDC sign-in failed"));
}

#[tokio::test]
async fn a_callback_counts_in_the_browser_that_began_it_and_once() {
    let github = Github::start(ada()).await;
    let browser = Browser::start(platform("", &github.variables())).await;
    let mut person = Person::at(&browser);
    let login = format!("{}/oauth/login/github", browser.sandbox.url());
    let to = person.open(&login).await.headers()["location"].to_str().unwrap().to_owned();
    let callback = person.open(&to).await.headers()["location"].to_str().unwrap().to_owned();
    let stranger = Person::at(&browser).walk(&callback).await;
    assert_eq!(stranger.status, StatusCode::BAD_REQUEST);
    assert_eq!(person.walk(&callback).await.status, StatusCode::OK);
    assert_eq!(person.walk(&callback).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn where_providers_are_configured_nobody_gets_in_by_a_name_alone() {
    let github = Github::start(ada()).await;
    let browser = Browser::start(platform("", &github.variables())).await;
    let mut person = Person::at(&browser);
    let shortcut = person.walk(browser.authorize_url(&[("sandbox_user", "ada")]).as_str()).await;
    assert!(shortcut.page.contains("/oauth/login/github"), "{}", shortcut.page);
    let request = browser.authorize_url(&[]).query().unwrap().to_owned();
    let form = [("request", &*request), ("user", "ada@sandbox.test")];
    let page = person.submit(&browser.api("/oauth2/consent"), &form).await;
    assert!(page.page.contains("/oauth/login/github"));

    sign_in(&browser, &mut person, "github").await;
    let other = [("request", &*request), ("user", "grace@sandbox.test")];
    let page = person.submit(&browser.api("/oauth2/consent"), &other).await;
    assert!(page.page.contains("Allow access?") && page.page.contains("ada@sandbox.test"));
    let out = person.submit(&format!("{}/oauth/logout", browser.sandbox.url()), &form[..1]).await;
    assert!(out.page.contains("/oauth/login/github"), "another account can be used");
}

#[tokio::test]
async fn whoever_comes_for_the_first_time_becomes_a_user() {
    let github =
        Github::start(json!([{ "email": "Alan@new.test", "primary": true, "verified": true }])).await;
    let browser = Browser::start(platform("", &github.variables())).await;
    let mut person = Person::at(&browser);
    let consent = sign_in(&browser, &mut person, "github").await;
    let tokens = allow(&browser, &mut person, &consent, "Alan@new.test").await;
    let orgs: Value = browser.get("/orgs", text(&tokens, "access_token")).await.json().await.unwrap();
    assert_eq!(
        (email_of(&browser, &tokens).await.as_str(), &orgs["totalSize"]),
        ("Alan@new.test", &json!(0))
    );
}

#[tokio::test]
async fn a_sign_in_on_another_device_goes_through_the_provider_and_its_allow_list() {
    let github = Github::start(ada()).await;
    for (list, expected) in [("*@sandbox.test", StatusCode::OK), ("*@other.test", StatusCode::BAD_REQUEST)] {
        let yaml = format!("tower.auth.github.allow-list: ['{list}']\n");
        let browser = Browser::start(platform(&yaml, &github.variables())).await;
        let client = ("client_id", crate::browser::CLIENT);
        let request = browser.http.post(browser.api("/oauth2/device_authorization"));
        let codes: Value = request.form(&[client]).send().await.unwrap().json().await.unwrap();
        let mut person = Person::at(&browser);
        let page = person.walk(text(&codes, "verification_uri_complete")).await.page;
        let login = format!("{}{}", browser.sandbox.url(), link(&page, "/oauth/login/github"));
        person.walk(&login).await;
        let form = [("user_code", text(&codes, "user_code")), ("user", "ada@sandbox.test")];
        person.submit(&browser.api("/device"), &form).await;
        let grant = ("grant_type", "urn:ietf:params:oauth:grant-type:device_code");
        let poll = [grant, client, ("device_code", text(&codes, "device_code"))];
        let answer = browser.token(&poll).await.unwrap();
        assert_eq!(answer.status(), expected, "{list}");
        if expected != StatusCode::OK {
            assert_eq!(refusal(answer).await.1, "access_denied");
        }
    }
}
