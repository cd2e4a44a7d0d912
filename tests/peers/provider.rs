//! npm's `oidc-provider`: certified, knows nothing of Seqera, rotates, and revokes a family on reuse.

use std::time::Duration;

use seqera_tests::oidc_provider::OidcProvider;
use seqera_tests::{Home, browser, eventually, http};
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
    // A dead token is not sent again: asking once more costs the provider nothing.
    let errors = provider.count("grant.error");
    home.seqera("token --profile other").run().fails_with(3);
    assert_eq!(provider.count("grant.error"), errors);
    home.login_at("other", &provider.authority, "ada");
    home.token("other");
}

/// Spends the stored refresh token, as a thief or a second program over the same file would.
fn spend(provider: &OidcProvider, home: &Home) {
    let record = std::fs::read_to_string(home.config_dir().join("refresh-token.other")).expect("a record");
    let record: Value = serde_json::from_str(&record).expect("it is JSON");
    let secret = record["secret"].as_str().expect("it holds the secret");
    let form =
        format!("grant_type=refresh_token&client_id=seqera_ai_cli&refresh_token={}", browser::encode(secret));
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let reply = http::request("POST", &format!("{}/token", provider.authority), &headers, &form);
    assert_eq!(reply.map(|reply| reply.status).ok(), Some(200));
}
