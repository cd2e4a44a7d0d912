//! Keycloak as a profile's authority: rotation with `revokeRefreshToken`, offline sessions, its own pages.

use std::time::Duration;

use seqera_tests::browser::{authorization_url, parameter};
use seqera_tests::keycloak::{EMAIL, Realm};
use seqera_tests::visit::encoded;
use seqera_tests::{Home, Visit, eventually, http};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(60);
const LIFESPAN: &str = "/accessTokenLifespan";

/// A home that is signed in at the realm.
fn signed_in(realm: &Realm) -> Home {
    let home = Home::new();
    login(&home, realm);
    home
}

fn login(home: &Home, realm: &Realm) {
    let person = |url: &str| assert!(realm.sign_in(url).page.body.contains("Signed in"));
    home.login_by("kc", &realm.authority, person).ok();
}

#[test]
fn a_person_who_mistypes_the_password_is_asked_again_and_signed_in() {
    let Some(realm) = Realm::new(&[]) else { return };
    let home = Home::new();
    let person = |url: &str| {
        let again = Visit::open(url).submit(&[("username", "ada"), ("password", "wrong")]);
        assert!(again.url.starts_with(&realm.authority), "still at Keycloak: {}", again.url);
        realm.fill_in(again);
    };
    let login = home.login_by("kc", &realm.authority, person).ok();
    assert!(login.stdout.contains(&format!("Successfully authenticated as {EMAIL}")), "{}", login.stdout);
    let status = home.status("kc");
    assert_eq!((&status["account"]["email"], &status["organization"]), (&EMAIL.into(), &Value::Null));
    assert_eq!(realm.user_info(&home.token("kc")), 200);
    assert_eq!((realm.count("LOGIN_ERROR"), realm.count("CODE_TO_TOKEN")), (1, 1));
}

#[test]
fn a_person_who_refuses_consent_is_told_apart_from_one_who_agrees() {
    let Some(realm) = Realm::new(&[("/clients/0/consentRequired", json!(true))]) else { return };
    let home = Home::new();
    let refuse = |url: &str| drop(realm.sign_in(url).submit(&[("cancel", "No")]));
    let refused = home.login_by("kc", &realm.authority, refuse).fails_with(3);
    assert!(refused.stderr.contains("access_denied"), "{}", refused.stderr);
    let agree = |url: &str| drop(realm.sign_in(url).submit(&[("accept", "Yes")]));
    home.login_by("kc", &realm.authority, agree).ok();
    assert_eq!(realm.user_info(&home.token("kc")), 200);
}

#[test]
fn a_person_without_the_offline_role_learns_why() {
    let Some(realm) = Realm::new(&[("/users/0/realmRoles", json!([]))]) else { return };
    let refused = Home::new().login_by("kc", &realm.authority, |url| drop(realm.sign_in(url))).fails_with(3);
    assert!(refused.stderr.contains("Offline tokens not allowed"), "{}", refused.stderr);
}

#[test]
fn a_person_signs_in_on_another_device() {
    let Some(realm) = Realm::new(&[]) else { return };
    let home = Home::new();
    let person = |url: &str| {
        let done = realm.sign_in(url).submit(&[("accept", "Yes")]);
        assert!(done.page.body.contains("Device Login Successful"), "{done:?}");
    };
    home.login_on_another_device("kc", &realm.authority, person).ok();
    assert_eq!(realm.user_info(&home.token("kc")), 200);
    let other = Home::new();
    let refuse = |url: &str| drop(realm.sign_in(url).submit(&[("cancel", "No")]));
    let refused = other.login_on_another_device("kc", &realm.authority, refuse).fails_with(3);
    assert!(refused.stderr.contains("LOGIN_DENIED"), "{}", refused.stderr);
}

#[test]
fn one_renewal_serves_a_hundred_callers_who_find_no_valid_token() {
    let Some(realm) = Realm::new(&[]) else { return };
    let home = signed_in(&realm);
    // After a start the agent has no access token, as if the token had expired.
    home.seqera("agent restart").run().ok();
    let callers: Vec<_> = (0..100).map(|_| home.seqera("token --profile kc").start()).collect();
    let tokens: Vec<String> = callers.into_iter().map(|caller| caller.finish(LIMIT).ok().stdout).collect();
    assert!(tokens.iter().all(|token| *token == tokens[0]), "all got one token");
    assert_eq!((realm.count("REFRESH_TOKEN"), realm.count("REFRESH_TOKEN_ERROR")), (1, 0));
    assert_eq!(realm.user_info(tokens[0].trim_end()), 200);
}

#[test]
fn tokens_are_renewed_on_schedule_under_load_and_each_refresh_token_is_spent_once() {
    let Some(realm) = Realm::new(&[(LIFESPAN, json!(6))]) else { return };
    let home = signed_in(&realm);
    eventually(LIMIT, "a renewal with nobody asking", || (realm.count("REFRESH_TOKEN") >= 1).then_some(()));
    while realm.count("REFRESH_TOKEN") < 4 {
        let callers: Vec<_> = (0..10).map(|_| home.seqera("token --profile kc").start()).collect();
        callers.into_iter().for_each(|caller| drop(caller.finish(LIMIT).ok()));
    }
    assert_eq!(realm.count("REFRESH_TOKEN_ERROR"), 0, "Keycloak ends a session whose token is reused");
    assert_eq!(realm.sessions().len(), 1);
}

#[test]
fn the_end_of_the_offline_session_is_the_end_of_the_login_and_a_new_login_heals_it() {
    let short = [(LIFESPAN, json!(4)), ("/offlineSessionMaxLifespan", json!(10))];
    let Some(realm) = Realm::new(&short) else { return };
    let home = signed_in(&realm);
    let expired = eventually(LIMIT, "the end of the session", || {
        let run = home.seqera("token --profile kc -o json").run();
        (run.code != Some(0)).then_some(run)
    });
    assert_eq!(expired.fails_with(3).error_json()["reason"], "LOGIN_EXPIRED");
    login(&home, &realm);
    home.token("kc");
}

#[test]
fn a_session_that_an_administrator_ends_is_not_tried_again() {
    let Some(realm) = Realm::new(&[]) else { return };
    let home = signed_in(&realm);
    realm.end_sessions();
    home.seqera("agent restart").run().ok();
    let refused = home.seqera("token --profile kc -o json").run().fails_with(3).error_json();
    assert_eq!(refused["reason"], "LOGIN_EXPIRED");
    let errors = realm.count("REFRESH_TOKEN_ERROR");
    home.seqera("token --profile kc").run().fails_with(3);
    assert_eq!(realm.count("REFRESH_TOKEN_ERROR"), errors);
    login(&home, &realm);
    assert_eq!(realm.user_info(&home.token("kc")), 200);
}

#[test]
fn a_sign_out_ends_the_session_at_keycloak() {
    let Some(realm) = Realm::new(&[]) else { return };
    let home = signed_in(&realm);
    let token = home.token("kc");
    assert_eq!((realm.user_info(&token), realm.sessions().len()), (200, 1));
    assert_eq!(home.seqera("logout --all").run().ok().line(), "kc: revoked");
    assert_eq!((realm.user_info(&token), realm.sessions().len()), (401, 0));
    // Keycloak no longer knows the access token, which is revoked after the refresh token.
    assert_eq!((realm.count("REVOKE_GRANT"), realm.count("REVOKE_GRANT_ERROR")), (1, 1));
}

#[test]
fn a_refresh_token_that_somebody_else_spent_ends_the_family_and_the_login_with_a_clear_word() {
    let Some(realm) = Realm::new(&[]) else { return };
    let home = signed_in(&realm);
    home.seqera("agent stop").run().ok();
    let thief = spend(&realm, &home);
    assert_eq!(realm.user_info(&thief), 200);
    let refused = home.seqera("token --profile kc").run().fails_with(3);
    assert!(refused.stderr.contains("Maximum allowed refresh token reuse exceeded"), "{}", refused.stderr);
    assert_eq!((realm.user_info(&thief), realm.sessions().len()), (401, 0), "the thief is out, too");
}

#[test]
fn oauth2_without_openid_signs_in_renews_and_is_revoked() {
    let Some(realm) = Realm::new(&[(LIFESPAN, json!(6))]) else { return };
    let home = Home::new()
        .with("SEQERA_AUTH_DOMAIN", &realm.authority)
        .with("SEQERA_AUTH_CLI_CLIENT_ID", "seqera_ai_cli");
    let mut login = home.seqera("login --no-browser --provider oauth2 --profile kc").start();
    let url = login.until("authorization URL", authorization_url);
    assert_eq!((parameter(&url, "scope"), parameter(&url, "nonce")), (None, None), "{url}");
    assert!(realm.sign_in(&url).page.body.contains("Signed in"));
    let login = login.finish(LIMIT).ok();
    assert!(login.stdout.contains(&format!("Successfully authenticated as {EMAIL}")), "{}", login.stdout);
    let first = home.token("kc");
    assert_eq!(realm.user_info(&first), 403, "a good token, and no OpenID Connect");
    eventually(LIMIT, "a renewal with nobody asking", || (realm.count("REFRESH_TOKEN") >= 1).then_some(()));
    // Keycloak counts a renewal before the agent has read the answer.
    let renewed = || (home.token("kc") != first).then_some(());
    eventually(LIMIT, "the token of the renewal", renewed);
    assert_eq!((realm.count("REFRESH_TOKEN_ERROR"), realm.online_sessions().len()), (0, 1));
    assert_eq!(home.seqera("logout --profile kc").run().ok().line(), "kc: revoked");
    assert_eq!((realm.count("REVOKE_GRANT"), realm.online_sessions().len()), (1, 0));
    home.seqera("token --profile kc").run().fails_with(3);
}

/// Spends the stored refresh token, as a thief would, and returns the access token that comes back.
fn spend(realm: &Realm, home: &Home) -> String {
    let record = std::fs::read_to_string(home.config_dir().join("refresh-token.kc")).expect("a record");
    let record: Value = serde_json::from_str(&record).expect("it is JSON");
    let secret = record["secret"].as_str().expect("it holds the secret");
    let form = [("grant_type", "refresh_token"), ("client_id", "seqera_ai_cli"), ("refresh_token", secret)];
    let url = format!("{}/protocol/openid-connect/token", realm.authority);
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let reply = http::request("POST", &url, &headers, &encoded(form)).expect("Keycloak answers").json();
    reply["access_token"].as_str().unwrap_or_else(|| panic!("no access token in {reply}")).to_owned()
}
