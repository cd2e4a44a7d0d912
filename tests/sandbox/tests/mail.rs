//! Magic links, with a mail server that the test provides.

use reqwest::StatusCode;

use crate::browser::{Browser, VERIFIER, parameter};
use crate::person::{Landed, Person, platform};
use crate::stand_in::{Mail, MailServer};

/// The link as a mail reader sees it, after it has removed the soft line breaks (RFC 2045, 6.7).
fn link_in(mail: &Mail) -> String {
    let text = mail.text.replace("=\n", "").replace("=3D", "=");
    let found = text.lines().find(|line| line.starts_with("http://"));
    found.unwrap_or_else(|| panic!("no link in {text}")).to_owned()
}

async fn ask_for_link(browser: &Browser, person: &mut Person, email: &str) -> Landed {
    let request = browser.authorize_url(&[]).query().unwrap().to_owned();
    let form = [("email", email), ("request", &*request)];
    person.submit(&format!("{}/oauth/login/email", browser.sandbox.url()), &form).await
}

#[tokio::test]
async fn a_magic_link_comes_by_mail_and_signs_in_once() {
    let server = MailServer::start().await;
    let browser = Browser::start(platform("", &server.variables())).await;
    let mut person = Person::at(&browser);
    let page = ask_for_link(&browser, &mut person, "grace@sandbox.test").await;
    assert!(page.page.contains("Look into your mail"), "{}", page.page);
    let mail = server.mail(1).await;
    assert_eq!((&*mail.from, &*mail.to), ("platform@sandbox.test", "grace@sandbox.test"));
    assert!(mail.text.contains("Sandbox"), "it says what it is");
    assert_eq!(mail.login, None);

    // People may read their mail in another browser.
    let mut reader = Person::at(&browser);
    let consent = reader.walk(&link_in(&mail)).await;
    assert!(consent.page.contains("Allow access?"), "{}", consent.page);
    let form = [("request", consent.url.query().unwrap()), ("user", "grace@sandbox.test")];
    let back = reader.submit(&browser.api("/oauth2/consent"), &form).await;
    let tokens = browser.exchange(&parameter(&back.url, "code").unwrap(), VERIFIER).await;
    assert_eq!(tokens.status(), StatusCode::OK);
    assert_eq!(Person::at(&browser).walk(&link_in(&mail)).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_magic_link_is_dead_after_a_quarter_of_an_hour() {
    let server = MailServer::start().await;
    let browser = Browser::start(platform("", &server.variables())).await;
    let mut person = Person::at(&browser);
    ask_for_link(&browser, &mut person, "ada@sandbox.test").await;
    let link = link_in(&server.mail(1).await);
    browser.sandbox.advance(15 * 60);
    assert_eq!(person.walk(&link).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_mail_server_is_told_user_and_password_where_they_are_set() {
    let server = MailServer::start().await;
    let login = [
        ("TOWER_SMTP_AUTH", "true"),
        ("TOWER_SMTP_USER", "platform"),
        ("TOWER_SMTP_PASSWORD", "a mail password"),
    ];
    let browser = Browser::start(platform("", &[&server.variables()[..], &login].concat())).await;
    ask_for_link(&browser, &mut Person::at(&browser), "ada@sandbox.test").await;
    assert_eq!(server.mail(1).await.login.as_deref(), Some("platform:a mail password"));
}

#[tokio::test]
async fn a_mail_that_cannot_be_sent_is_told_to_the_person() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let variables = [
        ("TOWER_SMTP_HOST", "127.0.0.1"),
        ("TOWER_SMTP_PORT", &*gone),
        ("TOWER_CONTACT_EMAIL", "platform@sandbox.test"),
    ];
    let browser = Browser::start(platform("", &variables)).await;
    let mut person = Person::at(&browser);
    let page = ask_for_link(&browser, &mut person, "ada@sandbox.test").await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.page.contains("could not be sent"), "{}", page.page);
    let page = ask_for_link(&browser, &mut person, "ada\r\nBcc: all").await;
    assert!(page.page.contains("no e-mail address"), "{}", page.page);
}

#[tokio::test]
async fn switched_off_beside_another_provider_email_is_neither_offered_nor_taken() {
    let server = MailServer::start().await;
    let oidc = [
        ("TOWER_OIDC_CLIENT", "id"),
        ("TOWER_OIDC_SECRET", "hush"),
        ("TOWER_OIDC_ISSUER", "http://127.0.0.1:1"),
    ];
    let yaml = "tower:\n  auth:\n    disable-email: true\n";
    let browser = Browser::start(platform(yaml, &[&server.variables()[..], &oidc].concat())).await;
    let mut person = Person::at(&browser);
    let page = person.walk(browser.authorize_url(&[]).as_str()).await;
    assert!(!page.page.contains("/oauth/login/email") && page.page.contains("/oauth/login/oidc"));
    let refused = ask_for_link(&browser, &mut person, "ada@sandbox.test").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);

    let alone = Browser::start(platform(yaml, &server.variables())).await;
    assert!(alone.sandbox.warnings()[0].contains("TOWER_AUTH_DISABLE_EMAIL"));
    let page = Person::at(&alone).walk(alone.authorize_url(&[]).as_str()).await;
    assert!(page.page.contains("/oauth/login/email"), "without another way in it has no effect");
}
