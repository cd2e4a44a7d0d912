//! How long sessions live and what ends them, as the Platform documents it.

use reqwest::{Response, StatusCode};
use seqera_sandbox::{Sandbox, Settings};
use serde_json::{Value, json};

use crate::browser::{Browser, refusal, text};
use crate::person::{JWT_SECRET, Person, platform};
use crate::stand_in::Github;

const HOUR: u32 = 3600;

/// A browser in which Ada has signed in at the front page.
async fn signed_in(tower_yml: &str) -> (Browser, Person, Github) {
    let ada = json!([{ "email": "ada@sandbox.test", "primary": true, "verified": true }]);
    let github = Github::start(ada).await;
    let browser = Browser::start(platform(tower_yml, &github.variables())).await;
    let mut person = Person::at(&browser);
    let front = person.walk(&format!("{}/oauth/login/github", browser.sandbox.url())).await;
    assert!(front.page.contains("Signed in as"), "{}", front.page);
    (browser, person, github)
}

/// The older renewal, which Nextflow uses.
async fn renew(browser: &Browser, token: &str) -> Response {
    let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
    browser.http.post(browser.api("/oauth/access_token")).form(&form).send().await.unwrap()
}

fn handed_over(browser: &Browser, person: &Person) -> String {
    person.cookie(browser.sandbox.url(), "JWT_REFRESH_TOKEN").unwrap().to_owned()
}

/// The Platform at the same address after a restart: nothing is left in memory.
async fn restarted(browser: Browser, secret: &str) -> Browser {
    let Browser { sandbox, http } = browser;
    let listen = sandbox.address();
    sandbox.shutdown().await;
    let settings = Settings { listen, ..platform("", &[("TOWER_JWT_SECRET", secret)]) };
    Browser { sandbox: Sandbox::start(settings).await.unwrap(), http }
}

#[tokio::test]
async fn a_restart_with_the_same_jwt_secret_keeps_every_session() {
    let browser = Browser::start(platform("", &[])).await;
    let tokens = browser.sign_in("ada").await;
    let browser = restarted(browser, JWT_SECRET).await;
    let status = browser.get("/user-info", text(&tokens, "access_token")).await.status();
    assert_eq!(status, StatusCode::OK);
    let again = browser.refresh(text(&tokens, "refresh_token")).await.unwrap();
    assert_eq!(again.status(), StatusCode::OK);
    let reused = browser.refresh(text(&tokens, "refresh_token")).await.unwrap();
    assert_eq!(refusal(reused).await.1, "invalid_grant", "rotation goes on");
}

#[tokio::test]
async fn a_changed_jwt_secret_ends_every_session() {
    let browser = Browser::start(platform("", &[])).await;
    let tokens = browser.sign_in("ada").await;
    let browser = restarted(browser, "another JWT secret, which has 41 characters").await;
    let status = browser.get("/user-info", text(&tokens, "access_token")).await.status();
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let renewal = browser.refresh(text(&tokens, "refresh_token")).await.unwrap();
    assert_eq!(refusal(renewal).await, (StatusCode::BAD_REQUEST, "invalid_grant".into()));
}

#[tokio::test]
async fn the_older_renewal_answers_with_cookies_and_json_and_replaces_the_refresh_token() {
    let (browser, person, _github) = signed_in("").await;
    let first = handed_over(&browser, &person);
    let answer = renew(&browser, &first).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let cookies: Vec<String> = answer
        .headers()
        .get_all("set-cookie")
        .iter()
        .map(|cookie| cookie.to_str().unwrap().to_owned())
        .collect();
    let tokens: Value = answer.json().await.unwrap();
    let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
    assert!(cookies[0].starts_with(&format!("JWT={access};")), "{cookies:?}");
    assert!(cookies[1].starts_with(&format!("JWT_REFRESH_TOKEN={refresh};")), "{cookies:?}");
    assert_ne!(first, refresh);
    assert_eq!(browser.get("/user-info", access).await.status(), StatusCode::OK);
    assert_eq!(refusal(renew(&browser, &first).await).await.1, "invalid_grant");
    assert_eq!(refusal(renew(&browser, refresh).await).await.1, "invalid_grant", "the family is over");
    assert_eq!(browser.sandbox.stats().events.reuses, 1);
}

#[tokio::test]
async fn a_client_s_refresh_token_is_of_no_use_for_the_older_renewal_and_the_other_way_round() {
    let (browser, person, _github) = signed_in("").await;
    let token = handed_over(&browser, &person);
    assert_eq!(refusal(browser.refresh(&token).await.unwrap()).await.1, "invalid_grant");
    assert_eq!(renew(&browser, &token).await.status(), StatusCode::OK, "and it was not spent");
    let plain = Browser::start(Settings::default()).await;
    let tokens = plain.sign_in("ada").await;
    assert_eq!(refusal(renew(&plain, text(&tokens, "refresh_token")).await).await.1, "invalid_grant");
}

#[tokio::test]
async fn after_six_idle_hours_a_session_is_over_and_each_renewal_begins_them_anew() {
    let (browser, person, _github) = signed_in("").await;
    let mut token = handed_over(&browser, &person);
    for _ in 0..3 {
        browser.sandbox.advance(6 * HOUR - 60);
        let answer = renew(&browser, &token).await;
        assert_eq!(answer.status(), StatusCode::OK);
        token = text(&answer.json().await.unwrap(), "refresh_token").to_owned();
    }
    browser.sandbox.advance(6 * HOUR);
    assert_eq!(refusal(renew(&browser, &token).await).await.1, "invalid_grant");
}

#[tokio::test]
async fn a_job_that_waits_longer_than_the_refresh_token_lives_has_no_valid_token_left() {
    let (browser, person, _github) = signed_in("").await;
    let (access, refresh) =
        (person.cookie(browser.sandbox.url(), "JWT").unwrap().to_owned(), handed_over(&browser, &person));
    browser.sandbox.advance(6 * HOUR + 60);
    assert_eq!(browser.get("/user-info", &access).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refusal(renew(&browser, &refresh).await).await.1, "invalid_grant");
}

#[tokio::test]
async fn the_longer_lifetimes_of_the_document_s_example_carry_a_job_over_ten_hours() {
    let yaml = "tower:\n  ephemeral:\n    duration: 12h\nmicronaut:\n  security:\n    token:\n      jwt:\n        \
                signatures:\n          refresh-token:\n            expiration: 12h\n      refresh:\n        \
                cookie:\n          cookie-max-age: 14h\n";
    let (browser, person, _github) = signed_in(yaml).await;
    assert!(browser.sandbox.warnings().is_empty(), "{:?}", browser.sandbox.warnings());
    let made: Value = browser.control("ephemeral", &json!({ "input": "s3://x" })).await.json().await.unwrap();
    browser.sandbox.advance(10 * HOUR);
    assert_eq!(renew(&browser, &handed_over(&browser, &person)).await.status(), StatusCode::OK);
    let handed: Value = browser.http.get(text(&made, "url")).send().await.unwrap().json().await.unwrap();
    assert_eq!(handed, json!({ "input": "s3://x" }));
}

#[tokio::test]
async fn an_open_page_keeps_its_session_for_days_and_a_closed_one_loses_it() {
    let (browser, mut person, _github) = signed_in("").await;
    let front = format!("{}/", browser.sandbox.url());
    for _ in 0..48 {
        let page = person.open(&front).await;
        assert_eq!(page.headers()["refresh"], "60", "it comes back by itself");
        assert!(page.text().await.unwrap().contains("Signed in as"));
        browser.sandbox.advance(HOUR);
    }
    browser.sandbox.advance(6 * HOUR);
    assert!(!person.walk(&front).await.page.contains("Signed in as"));
}

#[tokio::test]
async fn an_access_token_lives_an_hour_or_as_configured() {
    for (yaml, lifetime) in
        [("", HOUR), ("micronaut.security.token.generator.access-token.expiration: 120\n", 120)]
    {
        let (browser, person, _github) = signed_in(yaml).await;
        let token = person.cookie(browser.sandbox.url(), "JWT").unwrap();
        browser.sandbox.advance(lifetime - 30);
        assert_eq!(browser.get("/user-info", token).await.status(), StatusCode::OK);
        browser.sandbox.advance(30);
        assert_eq!(browser.get("/user-info", token).await.status(), StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn cookies_live_as_long_as_configured_out_of_reach_of_scripts() {
    for (yaml, age) in
        [("", 43_200), ("micronaut.security.token.refresh.cookie.cookie-max-age: 10h\n", 36_000)]
    {
        let (browser, person, _github) = signed_in(yaml).await;
        let answer = renew(&browser, &handed_over(&browser, &person)).await;
        let cookie =
            answer.headers().get_all("set-cookie").iter().next_back().unwrap().to_str().unwrap().to_owned();
        for part in [&*format!("Max-Age={age}"), "HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(cookie.contains(part), "{cookie}");
        }
    }
}

#[tokio::test]
async fn an_ephemeral_address_hands_its_parameters_over_once_and_in_time() {
    let browser = Browser::start(platform("", &[])).await;
    let fetch = async |url: &str| browser.http.get(url).send().await.unwrap().status();
    let made = async || -> Value {
        browser.control("ephemeral", &json!({ "genome": "GRCh38" })).await.json().await.unwrap()
    };
    let (used, late) = (made().await, made().await);
    assert!(text(&used, "url").starts_with(&browser.api("/ephemeral/")));
    assert_eq!(fetch(text(&used, "url")).await, StatusCode::OK);
    assert_eq!(fetch(text(&used, "url")).await, StatusCode::NOT_FOUND);
    browser.sandbox.advance(6 * HOUR);
    assert_eq!(fetch(text(&late, "url")).await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_root_user_reaches_all_organisations_and_others_their_own() {
    let browser = Browser::start(platform("", &[("TOWER_ROOT_USERS", "7,GRACE@sandbox.test")])).await;
    let count = async |token: &str| -> Value { browser.get("/orgs", token).await.json().await.unwrap() };
    let grace = browser.sign_in("grace").await;
    let token = text(&grace, "access_token");
    assert_eq!(count(token).await["totalSize"], 2, "one of them is not her own");
    assert_eq!(browser.get("/user/1/workspaces", token).await.status(), StatusCode::OK);
    let ada = browser.sign_in("ada").await;
    assert_eq!(
        browser.get("/user/2/workspaces", text(&ada, "access_token")).await.status(),
        StatusCode::FORBIDDEN
    );

    let plain = Browser::start(platform("", &[("TOWER_ROOT_USERS", "2")])).await;
    let grace = plain.sign_in("grace").await;
    assert_eq!(plain.get("/user/1/workspaces", text(&grace, "access_token")).await.status(), StatusCode::OK);
}
