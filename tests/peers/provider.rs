//! npm's `oidc-provider`: it is certified, knows nothing of Seqera, rotates, and revokes the family on reuse.

use std::time::Duration;

use seqera_tests::oidc_provider::OidcProvider;
use seqera_tests::{Home, Visit, eventually, http};
use serde_json::Value;

const USER: &str = "ada@provider.test";
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn a_login_is_renewed_on_schedule_and_no_refresh_token_is_used_twice() {
    let Some(provider) = OidcProvider::start(6) else { return };
    let home = Home::new();
    let login = home.login_at("other", &provider.authority, "ada");
    assert!(login.stdout.contains(&format!("Successfully authenticated as {USER}")), "{}", login.stdout);
    let status = home.status("other");
    assert_eq!((&status["account"]["email"], &status["organization"]), (&USER.into(), &Value::Null));
    let consumed = || provider.count("refresh_token.consumed");
    eventually(LIMIT, "two renewals with nobody asking", || (consumed() >= 2).then_some(()));
    home.seqera("agent restart").run().ok();
    home.token("other");
    let callers: Vec<_> =
        (0..20).map(|_| home.seqera("token --profile other --min-valid 5s").start()).collect();
    for caller in callers {
        caller.finish(LIMIT).ok();
    }
    assert_eq!((provider.count("grant.revoked"), provider.count("grant.error")), (0, 0));
}

#[test]
fn one_renewal_serves_a_hundred_callers_who_find_no_valid_token() {
    let Some(provider) = OidcProvider::start(3600) else { return };
    let home = Home::new();
    home.login_at("other", &provider.authority, "ada");
    // After a start the agent has no access token, as if the token had expired.
    home.seqera("agent restart").run().ok();
    let callers: Vec<_> = (0..100).map(|_| home.seqera("token --profile other").start()).collect();
    callers.into_iter().for_each(|caller| drop(caller.finish(LIMIT).ok()));
    assert_eq!((provider.count("refresh_token.consumed"), provider.count("grant.error")), (1, 0));
}

#[test]
fn a_person_signs_in_on_another_device() {
    let Some(provider) = OidcProvider::start(3600) else { return };
    let home = Home::new();
    // A script sends the first form, which has the code. The second form asks whether this is the right
    // device.
    let person = |url: &str| {
        let done = Visit::open(url).submit(&[]).submit(&[("confirm", "yes")]);
        assert!(done.page.body.contains("Sign-in Success"), "{done:?}");
    };
    home.login_on_another_device("other", &provider.authority, person).ok();
    assert_eq!(user_info(&provider, &home.token("other")), 200);
}

#[test]
fn a_refresh_token_that_is_too_old_is_the_end_of_the_session() {
    // The refresh token expires before the access token is halfway through its life.
    let Some(provider) = OidcProvider::start_with(8, 2) else { return };
    let home = Home::new();
    home.login_at("other", &provider.authority, "ada");
    let expired = eventually(LIMIT, "the end of the session", || {
        let run = home.seqera("token --profile other -o json").run();
        (run.code != Some(0)).then_some(run)
    });
    assert_eq!(expired.fails_with(3).error_json()["reason"], "LOGIN_EXPIRED");
    assert_eq!(provider.count("grant.error"), 1);
}

#[test]
fn a_sign_out_revokes_at_the_provider() {
    let Some(provider) = OidcProvider::start(3600) else { return };
    let home = Home::new();
    home.login_at("other", &provider.authority, "ada");
    let token = home.token("other");
    assert_eq!(user_info(&provider, &token), 200);
    let out = home.seqera("logout --all").run().ok();
    assert_eq!(out.line(), "other: revoked");
    assert_eq!(user_info(&provider, &token), 401, "the access token died with its grant");
    assert!(provider.count("grant.revoked") + provider.count("refresh_token.destroyed") >= 1);
}

fn user_info(provider: &OidcProvider, token: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    http::get(&format!("{}/me", provider.authority), &[("authorization", &bearer)]).status
}

#[test]
fn a_family_that_somebody_else_killed_ends_the_session_with_a_clear_word() {
    let Some(provider) = OidcProvider::start(3600) else { return };
    let home = Home::new();
    home.login_at("other", &provider.authority, "ada");
    home.seqera("agent stop").run().ok();
    spend(&provider, &home);
    let refused = home.seqera("token --profile other -o json").run().fails_with(3).error_json();
    assert_eq!(refused["reason"], "LOGIN_EXPIRED");
    // A dead token is not sent again, so asking once more does not reach the provider.
    let errors = provider.count("grant.error");
    home.seqera("token --profile other").run().fails_with(3);
    assert_eq!(provider.count("grant.error"), errors);
    home.login_at("other", &provider.authority, "ada");
    home.token("other");
}

/// Spends the stored refresh token, as a thief or a second program with the same file would.
fn spend(provider: &OidcProvider, home: &Home) {
    let record = std::fs::read_to_string(home.config_dir().join("refresh-token.other")).expect("a record");
    let record: Value = serde_json::from_str(&record).expect("it is JSON");
    let secret = record["secret"].as_str().expect("it holds the secret");
    let form =
        format!("grant_type=refresh_token&client_id=seqera_ai_cli&refresh_token={}", http::encode(secret));
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let reply = http::request("POST", &format!("{}/token", provider.authority), &headers, &form);
    assert_eq!(reply.map(|reply| reply.status).ok(), Some(200));
}
