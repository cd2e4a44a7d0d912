//! A Platform with Keycloak behind it (`TOWER_OIDC_ISSUER`). The agent signs in at the Platform, which sends
//! the browser on to Keycloak.

use seqera_tests::keycloak::{EMAIL, Realm};
use seqera_tests::{Home, Sandbox, Visit};
use serde_json::json;

/// A person at the Platform's page who goes to Keycloak and comes back.
fn at_keycloak(realm: &Realm, url: &str) -> Visit {
    realm.fill_in(Visit::open(url).click("/oauth/login/oidc"))
}

fn login(home: &Home, realm: &Realm, platform: &Sandbox) {
    let person = |url: &str| {
        let done = at_keycloak(realm, url).submit(&[("user", EMAIL)]);
        assert!(done.page.body.contains("Signed in"), "{done:?}");
    };
    home.login_by("work", &platform.authority, person).ok();
}

#[test]
fn tokens_are_the_platforms_and_keycloak_hears_of_the_login_alone() {
    let Some(realm) = Realm::new(&[]) else { return };
    let (home, platform) = (Home::new(), realm.platform("*@keycloak.test"));
    login(&home, &realm, &platform);
    assert_eq!(home.status("work")["account"]["email"], EMAIL);
    home.seqera("agent restart").run().ok();
    assert_eq!(platform.user_info(&home.token("work")).status, 200);
    assert_eq!((platform.count("refreshes"), realm.count("REFRESH_TOKEN")), (1, 0));
    assert_eq!(realm.count("LOGIN"), 1);
    // The Platform has its own session, so it does not matter to it how Keycloak's ends.
    realm.end_sessions();
    home.seqera("agent restart").run().ok();
    let token = home.token("work");
    assert_eq!(home.seqera("logout --all").run().ok().line(), "work: revoked");
    assert_eq!(platform.user_info(&token).status, 401);
}

#[test]
fn a_person_whom_keycloak_knows_and_the_allow_list_does_not_is_told_so() {
    let Some(realm) = Realm::new(&[]) else { return };
    let platform = realm.platform("*@elsewhere.test");
    let refused = Home::new().login_by("work", &platform.authority, |url| drop(at_keycloak(&realm, url)));
    let refused = refused.fails_with(3);
    assert!(refused.stderr.contains("access_denied"), "{}", refused.stderr);
    assert!(refused.stderr.contains(EMAIL), "{}", refused.stderr);
}

#[test]
fn a_refusal_at_keycloak_comes_through_the_platform() {
    let Some(realm) = Realm::new(&[("/clients/1/consentRequired", json!(true))]) else { return };
    let platform = realm.platform("*@keycloak.test");
    let refuse = |url: &str| drop(at_keycloak(&realm, url).submit(&[("cancel", "No")]));
    let refused = Home::new().login_by("work", &platform.authority, refuse).fails_with(3);
    assert!(refused.stderr.contains("access_denied"), "{}", refused.stderr);
}
