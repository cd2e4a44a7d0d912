//! A real browser signs in: everything that a person sees between the command and the closing page.

use seqera_tests::chromium::Chromium;
use seqera_tests::keycloak::{self, Realm};
use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Sandbox, http};
use serde_json::json;

#[test]
fn a_browser_signs_in_at_the_sandbox_and_ends_at_a_page_that_can_be_closed() {
    let Some(chromium) = Chromium::find() else { return };
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let steps = json!([
        {"shot": "sandbox"}, {"click": format!("button:has-text({ADA:?})")},
        {"until": "Signed in"}, {"shot": "signed-in"},
    ]);
    let person = |url: &str| {
        let page = chromium.visit(url, &steps);
        assert!(page.text().contains(ADA), "the page names who signed in: {page:?}");
        assert!(page.text().contains("close"), "{page:?}");
    };
    home.login_by("work", &sandbox.authority, person).ok();
    assert_eq!(sandbox.user_info(&home.token("work")).status, 200);
}

#[test]
fn a_browser_that_says_no_at_the_sandbox_ends_at_a_page_that_says_so() {
    let Some(chromium) = Chromium::find() else { return };
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let steps = json!([{"click": "button[name=deny]"}, {"until": "access_denied"}, {"shot": "refused"}]);
    let refused = home.login_by("work", &sandbox.authority, |url| drop(chromium.visit(url, &steps)));
    assert!(refused.fails_with(3).stderr.contains("access_denied"));
}

#[test]
fn a_browser_signs_in_at_keycloak_and_agrees() {
    let Some(chromium) = Chromium::find() else { return };
    let Some(realm) = Realm::new(&[("/clients/0/consentRequired", json!(true))]) else { return };
    let home = Home::new();
    let steps = json!([
        {"fill": "#username", "with": keycloak::USER}, {"fill": "#password", "with": keycloak::PASSWORD},
        {"shot": "keycloak"}, {"click": "#kc-login"}, {"until": "Grant Access"}, {"shot": "keycloak-consent"}, {"click": "#kc-login"},
        {"until": "Signed in"},
    ]);
    home.login_by("kc", &realm.authority, |url| drop(chromium.visit(url, &steps))).ok();
    assert_eq!(realm.user_info(&home.token("kc")), 200);
}

#[test]
fn a_browser_signs_in_at_a_platform_with_keycloak_behind_it() {
    let Some(chromium) = Chromium::find() else { return };
    let Some(realm) = Realm::new(&[]) else { return };
    let (home, platform) = (Home::new(), realm.platform("*@keycloak.test"));
    let steps = json!([
        {"shot": "platform"}, {"click": "a:has-text('single sign-on')"},
        {"fill": "#username", "with": keycloak::USER}, {"fill": "#password", "with": keycloak::PASSWORD},
        {"click": "#kc-login"}, {"until": "Allow access?"}, {"shot": "platform-consent"},
        {"click": "button[name=user]"}, {"until": "Signed in"},
    ]);
    home.login_by("work", &platform.authority, |url| drop(chromium.visit(url, &steps))).ok();
    assert_eq!(platform.user_info(&home.token("work")).status, 200);
}

#[test]
fn a_browser_signs_another_device_in() {
    let Some(chromium) = Chromium::find() else { return };
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let steps = json!([
        {"shot": "device"}, {"click": format!("button:has-text({ADA:?})")},
        {"until": "go back to your terminal"}, {"shot": "device-signed-in"},
    ]);
    let person = |url: &str| {
        let (page, code) = url.split_once("?user_code=").expect("an address with a code");
        chromium.visit(page, &json!([
            {"shot": "device-code"}, {"fill": "input[name=user_code]", "with": "WRONG-ONE"}, {"click": "button"},
            {"until": "No sign-in waits"}, {"shot": "device-wrong-code"},
            {"fill": "input[name=user_code]", "with": code}, {"click": "button"}, {"until": code},
        ]));
        chromium.visit(url, &steps);
    };
    home.login_on_another_device("work", &sandbox.authority, person).ok();
    assert_eq!(sandbox.user_info(&home.token("work")).status, 200);
}

#[test]
fn a_browser_with_an_old_link_is_told_so_and_the_login_goes_on() {
    let Some(chromium) = Chromium::find() else { return };
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let person = |url: &str| {
        let callback = seqera_tests::browser::callback_url(url, ADA);
        let stale = callback.replace("state=", "state=old");
        assert_eq!(http::get(&stale, &[]).status, 400);
        chromium.visit(&stale, &json!([{"shot": "stray"}]));
        chromium.visit(&callback, &json!([{"until": "Signed in"}]));
    };
    home.login_by("work", &sandbox.authority, person).ok();
}
