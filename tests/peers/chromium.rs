//! A real browser signs in: everything that a person sees, from the command to the final page.

use seqera_tests::chromium::Chromium;
use seqera_tests::keycloak::{self, Realm};
use seqera_tests::sandbox::ADA;
use seqera_tests::scitoolkit::{self, consent_url};
use seqera_tests::{Home, Sandbox, eventually, http};
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

/// A login at SciToolkit with its page open in the browser.
#[track_caller]
fn scitoolkit_login(
    chromium: Chromium,
    home: &Home,
    steps: &serde_json::Value,
) -> (seqera_tests::Run, String) {
    let mut login = home.seqera("login --provider scitoolkit --no-browser").start();
    let url = login.until("page to open", consent_url);
    let page = chromium.visit(&url, steps).text().to_owned();
    (login.finish(std::time::Duration::from_secs(30)), page)
}

#[test]
fn the_script_of_scitoolkit_s_page_brings_the_token_to_the_listener() {
    let Some(chromium) = Chromium::find() else { return };
    let sandbox = Sandbox::calm();
    let home = scitoolkit::home(&sandbox);
    let steps = json!([
        {"shot": "scitoolkit"}, {"click": format!("button:has-text({ADA:?})")},
        {"until": "The tool is signed in as"}, {"shot": "scitoolkit-signed-in"},
    ]);
    let (run, page) = scitoolkit_login(chromium, &home, &steps);
    run.ok();
    assert!(page.contains(ADA) && page.contains("close this tab"), "{page}");
    let token = home.token("scitoolkit");
    assert_eq!(scitoolkit::whoami(&sandbox, &token), 200);
    home.seqera("logout --profile scitoolkit").run().ok();
    eventually(std::time::Duration::from_secs(5), "the revocation", || {
        (scitoolkit::whoami(&sandbox, &token) == 401).then_some(())
    });
}

#[test]
fn the_deny_button_of_scitoolkit_s_page_ends_the_login_at_once() {
    let Some(chromium) = Chromium::find() else { return };
    let sandbox = Sandbox::calm();
    let home = scitoolkit::home(&sandbox);
    let steps = json!([{"click": "button[data-deny]"}, {"until": "Nothing was given away"}]);
    let (run, _) = scitoolkit_login(chromium, &home, &steps);
    assert!(run.fails_with(3).stderr.contains("denied in the browser"));
}

#[test]
fn a_page_of_another_site_cannot_answer_for_scitoolkit_in_a_real_browser() {
    let Some(chromium) = Chromium::find() else { return };
    let (sandbox, stranger) = (Sandbox::calm(), Sandbox::calm());
    let home = scitoolkit::home(&sandbox);
    let mut login = home.seqera("login --provider scitoolkit --no-browser").start();
    let url = login.until("page to open", consent_url);
    // The same page with the same state, but from another server: the browser is not allowed to send.
    let theirs = url.replace(&sandbox.url, &stranger.url);
    let steps = json!([{"click": format!("button:has-text({ADA:?})")}, {"until": "This did not work"}]);
    chromium.visit(&theirs, &steps);
    let page = scitoolkit::ConsentPage::open(&url);
    assert_eq!(page.sign_in(ADA).status, 200);
    login.finish(std::time::Duration::from_secs(30)).ok();
}
