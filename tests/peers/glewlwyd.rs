//! Glewlwyd: its refusals have no body, a public client may not revoke, `token_type` is in lower case, and
//! redirect addresses are compared including the port.

use std::time::Duration;

use seqera_tests::glewlwyd::{EMAIL, Glewlwyd};
use seqera_tests::visit::encoded;
use seqera_tests::{Home, eventually, http};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(60);

fn login(home: &Home, provider: &Glewlwyd) -> String {
    let person = |url: &str| {
        let end = provider.sign_in(url);
        assert!(end.page.body.contains("Signed in"), "{end:?}");
    };
    home.login_by("glw", &provider.authority, person).ok().stdout
}

#[test]
fn a_login_comes_back_to_the_one_port_that_the_provider_knows() {
    let mut home = Home::new();
    let Some(provider) = Glewlwyd::start(&mut home, &[]) else { return };
    let told = login(&home, &provider);
    assert!(told.contains(&format!("Successfully authenticated as {EMAIL}")), "{told}");
    assert_eq!(provider.user_info(&home.token("glw")), 200);
}

#[test]
fn a_person_signs_in_on_another_device() {
    let mut home = Home::new();
    let Some(provider) = Glewlwyd::start(&mut home, &[]) else { return };
    home.login_on_another_device("glw", &provider.authority, |url| drop(provider.sign_in(url))).ok();
    assert_eq!(provider.user_info(&home.token("glw")), 200);
}

#[test]
fn tokens_are_renewed_on_schedule_and_once_for_a_hundred_callers() {
    let mut home = Home::new();
    let lifetime = [("access-token-duration", json!(12))];
    let Some(provider) = Glewlwyd::start(&mut home, &lifetime) else { return };
    login(&home, &provider);
    let scheduled = || (provider.refresh_tokens().len() == 2).then_some(());
    eventually(LIMIT, "a renewal with nobody asking", scheduled);
    // After a start the agent has no access token, as if the token had expired.
    home.seqera("agent restart").run().ok();
    let callers: Vec<_> = (0..100).map(|_| home.seqera("token --profile glw").start()).collect();
    let tokens: Vec<String> = callers.into_iter().map(|caller| caller.finish(LIMIT).ok().stdout).collect();
    assert_eq!(provider.user_info(tokens[99].trim_end()), 200);
    let known = provider.refresh_tokens();
    let live = known.iter().filter(|live| **live).count();
    assert_eq!(live, 1, "each refresh token but the last was spent: {known:?}");
    let mut distinct = tokens.clone();
    distinct.sort();
    distinct.dedup();
    assert!(known.len() <= 2 + distinct.len(), "{} tokens, {known:?}", distinct.len());
}

#[test]
fn a_provider_that_lets_no_public_client_revoke_is_named_at_the_sign_out() {
    let mut home = Home::new();
    let Some(provider) = Glewlwyd::start(&mut home, &[]) else { return };
    login(&home, &provider);
    let out = home.seqera("logout --all").run().ok();
    assert!(out.line().starts_with("glw: removed here; the provider refused to revoke"), "{}", out.line());
    home.seqera("status --profile glw").run().fails_with(3);
    assert!(!home.config_dir().join("refresh-token.glw").exists());
}

#[test]
fn a_refusal_without_a_word_ends_no_session_at_once_and_loses_no_token() {
    let mut home = Home::new();
    let Some(provider) = Glewlwyd::start(&mut home, &[]) else { return };
    login(&home, &provider);
    home.seqera("agent stop").run().ok();
    let stored = secret(&home);
    // A thief spends the token. The agent's attempt then breaks the chain, so the thief is locked out too.
    assert_eq!(renew(&provider, &stored).status, 200);
    eventually(LIMIT, "the refusal", || {
        let refused = home.seqera("token --profile glw --timeout 1s").run().fails_with(4);
        assert!(refused.stderr.contains("you are still signed in"), "{}", refused.stderr);
        refused.stderr.contains("status 400").then_some(())
    });
    assert_eq!(provider.refresh_tokens(), [false, false]);
    assert_eq!(secret(&home), stored, "nobody said that it is worthless");
    login(&home, &provider);
    assert_eq!(provider.user_info(&home.token("glw")), 200);
}

#[test]
fn a_session_that_its_person_ends_is_not_renewed_and_a_login_heals_it() {
    let mut home = Home::new();
    let Some(provider) = Glewlwyd::start(&mut home, &[]) else { return };
    login(&home, &provider);
    provider.end_sessions();
    home.seqera("agent restart").run().ok();
    home.seqera("token --profile glw --timeout 1s").run().fails_with(4);
    assert_eq!(provider.refresh_tokens(), [false]);
    login(&home, &provider);
    home.token("glw");
}

fn secret(home: &Home) -> String {
    let record = std::fs::read_to_string(home.config_dir().join("refresh-token.glw")).expect("a record");
    let record: Value = serde_json::from_str(&record).expect("it is JSON");
    record["secret"].as_str().expect("it holds the secret").to_owned()
}

fn renew(provider: &Glewlwyd, token: &str) -> http::Reply {
    let form = [("grant_type", "refresh_token"), ("client_id", "seqera_ai_cli"), ("refresh_token", token)];
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let url = format!("{}/token", provider.authority);
    http::request("POST", &url, &headers, &encoded(form)).expect("the provider answers")
}
