use secrecy::ExposeSecret;

use super::*;
use crate::error::ErrorKind;
use crate::testing::double::{Script, answer, cut_answer, jwks, strangers_jwks, unsigned};
use crate::token::Credential;

fn is_revoked(bench: &Bench, token: &str) -> bool {
    bench.double.seen("POST /revoke").iter().any(|seen| seen.field("token").as_deref() == Some(token))
}

#[tokio::test]
async fn a_login_brings_tokens_account_organisations_and_workspaces() {
    let bench = Bench::new().await;
    let user = json!({ "user": { "id": 7, "userName": "ada", "email": "ada@platform.test" } });
    let orgs = json!({ "organizations": [{ "orgId": 1, "name": "lab" }, { "orgId": 2, "name": "clinic" }] });
    bench.double.script("GET /user-info", json_answer(200, &user));
    bench.double.script("GET /orgs", json_answer(200, &orgs));
    let rows = json!([{ "orgId": 1, "orgName": "lab", "workspaceId": 8, "workspaceName": "rna" }]);
    let rows = json!({ "orgsAndWorkspaces": rows });
    bench.double.script("GET /user/7/workspaces", json_answer(200, &rows));
    let granted = bench.finish_with(|_| {}).await.unwrap();
    let Credential::Renewable(grant) = granted.credential else { panic!("a login renews") };
    assert_eq!(grant.access.token.expose(), "access-1");
    assert_eq!(grant.refresh.unwrap().open().expose_secret(), "refresh-1");
    assert_eq!(granted.account.subject, "ada");
    assert_eq!(granted.account.email, "ada@platform.test");
    assert_eq!(granted.account.user_id, 7);
    let memberships = granted.memberships.unwrap();
    assert_eq!(memberships.organizations.iter().map(|org| org.id).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(memberships.workspaces.unwrap()[0].name, "rna");
    assert!(granted.notes.is_empty(), "{:?}", granted.notes);
    let sent = bench.double.seen("POST /token").remove(0);
    assert_eq!(sent.field("grant_type").unwrap(), "authorization_code");
    assert_eq!(sent.field("code").unwrap(), "code-1");
    assert_eq!(sent.field("redirect_uri").unwrap(), "http://127.0.0.1:5/callback");
    assert_eq!(sent.field("client_id").unwrap(), "client");
    assert!(sent.field("code_verifier").unwrap().len() >= 43);
}

#[tokio::test]
async fn a_platform_that_does_not_list_organisations_is_signed_in_to_and_that_is_said() {
    let bench = Bench::new().await;
    bench.double.script("GET /user-info", json_answer(200, &json!({ "user": { "id": 7 } })));
    bench.double.script("GET /orgs", answer(503, &[], ""));
    let granted = bench.finish_with(|_| {}).await.unwrap();
    assert_eq!(granted.memberships, None);
    assert!(granted.notes[0].contains("organizations are not known"), "{:?}", granted.notes);
}

#[tokio::test]
async fn a_plain_oidc_provider_signs_in_without_organisations() {
    let bench = Bench::new().await;
    let granted = bench.finish_with(|_| {}).await.unwrap();
    assert_eq!(granted.account.label(), "ada@x.test");
    assert_eq!(granted.memberships, None);
    assert!(granted.notes[0].contains("organizations are skipped"), "{:?}", granted.notes);
}

#[tokio::test]
async fn a_platform_without_id_tokens_tells_the_account_itself() {
    let bench = Bench::new().await;
    bench.double.script("GET /user-info", json_answer(200, &json!({ "user": { "id": 7 } })));
    bench.double.script("POST /token", json_answer(200, &json!({ "access_token": "access-1" })));
    let flow = bench.flow().await;
    let granted = bench.oidc.finish(code(flow)).await.unwrap();
    assert_eq!(granted.account.subject, "7");
    assert!(granted.notes.iter().any(|note| note.contains("as long as its access token")));
}

#[tokio::test]
async fn a_provider_that_names_nobody_gets_its_tokens_back() {
    let bench = Bench::new().await;
    bench.double.script("POST /revoke", answer(200, &[], ""));
    bench.grant("");
    let flow = bench.flow().await;
    let error = bench.oidc.finish(code(flow)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Misconfigured);
    assert!(is_revoked(&bench, "refresh-1"));
}

#[tokio::test]
async fn an_id_token_that_fails_a_check_gives_its_tokens_back() {
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 19] = [
        ("nonce", |claims| claims["nonce"] = json!("other")),
        ("nonce", |claims| drop(claims.as_object_mut().unwrap().remove("nonce"))),
        ("aud", |claims| claims["aud"] = json!("other")),
        ("aud", |claims| claims["aud"] = json!(["client", "other"])),
        ("azp", |claims| claims["azp"] = json!("other")),
        ("iss", |claims| claims["iss"] = json!("https://other.test")),
        ("exp", |claims| claims["exp"] = json!(claims["iat"].as_i64().unwrap() - 700)),
        ("no sub", |claims| drop(claims.as_object_mut().unwrap().remove("sub"))),
        ("no iss", |claims| drop(claims.as_object_mut().unwrap().remove("iss"))),
        ("no aud", |claims| drop(claims.as_object_mut().unwrap().remove("aud"))),
        ("no exp", |claims| drop(claims.as_object_mut().unwrap().remove("exp"))),
        ("no iat", |claims| drop(claims.as_object_mut().unwrap().remove("iat"))),
        ("iat", |claims| claims["iat"] = json!(claims["iat"].as_i64().unwrap() + 700)),
        ("nbf", |claims| claims["nbf"] = json!(claims["iat"].as_i64().unwrap() + 700)),
        ("nbf", |claims| claims["nbf"] = json!("soon")),
        ("sub", |claims| claims["sub"] = json!("")),
        ("sub", |claims| claims["sub"] = json!("x".repeat(256))),
        ("sub", |claims| claims["sub"] = json!("a\u{200b}da")),
        ("sub", |claims| claims["sub"] = json!(7)),
    ];
    for (what, change) in changes {
        let bench = Bench::new().await;
        bench.double.script("POST /revoke", answer(200, &[], ""));
        let Err(error) = bench.finish_with(change).await else { panic!("{what} was accepted") };
        assert_eq!(error.kind, ErrorKind::Misconfigured, "{what}: {error}");
        assert!(is_revoked(&bench, "refresh-1") && is_revoked(&bench, "access-1"), "{what}");
    }
}

#[tokio::test]
async fn a_token_without_a_good_signature_is_refused() {
    let bench = Bench::new().await;
    for kind in ["none", "HS256", "RS256", "changed"] {
        let flow = bench.flow().await;
        let claims = bench.claims(&flow);
        let token = if kind == "changed" {
            let (message, signature) = (unsigned("RS256", &claims), jwt(&json!({ "sub": "eve" })));
            let (message, signature) =
                (message.rsplit_once('.').unwrap(), signature.rsplit_once('.').unwrap());
            format!("{}.{}", message.0, signature.1)
        } else {
            unsigned(kind, &claims)
        };
        bench.grant(&token);
        let error = bench.oidc.finish(code(flow)).await.unwrap_err();
        assert!(error.to_string().contains("ID token"), "{kind}: {error}");
    }
}

#[tokio::test]
async fn a_good_signature_by_an_algorithm_that_the_provider_does_not_announce_is_refused() {
    let bench = Bench::new().await;
    let mut document = bench.double.discovery();
    document["id_token_signing_alg_values_supported"] = json!(["ES256"]);
    bench.double.script("GET /.well-known/openid-configuration", json_answer(200, &document));
    let error = bench.finish_with(|_| {}).await.unwrap_err();
    assert!(error.to_string().contains("ID token"), "{error}");
}

#[tokio::test]
async fn the_audience_of_the_profile_may_stand_beside_the_client() {
    let bench = Bench::new().await;
    let both = |claims: &mut Value| claims["aud"] = json!(["platform", "client"]);
    assert!(bench.finish_with(both).await.is_ok());
}

#[tokio::test]
async fn a_machine_whose_clock_is_ten_minutes_off_can_sign_in() {
    for seconds in [590, -590] {
        let bench = Bench::new().await;
        let flow = bench.flow().await;
        let mut claims = bench.claims(&flow);
        (claims["exp"], claims["nbf"]) = (json!(bench.now() + 60), json!(bench.now()));
        bench.grant(&jwt(&claims));
        bench.clock.jump(seconds);
        let granted = bench.oidc.finish(code(flow)).await;
        assert!(granted.is_ok(), "{seconds}: {granted:?}");
    }
}

#[tokio::test]
async fn a_key_that_the_provider_has_removed_signs_nobody_in_any_more() {
    let bench = Bench::new().await;
    bench.finish_with(|_| {}).await.unwrap();
    bench.double.script("GET /jwks", json_answer(200, &strangers_jwks()));
    let error = bench.finish_with(|_| {}).await.unwrap_err();
    assert!(error.to_string().contains("the ID token is not valid"), "{error}");
    bench.double.script("GET /jwks", json_answer(200, &json!({ "keys": [] })));
    bench.finish_with(|_| {}).await.unwrap_err();
    bench.double.script("GET /jwks", json_answer(200, &jwks()));
    bench.finish_with(|_| {}).await.unwrap();
}

#[tokio::test]
async fn signing_keys_that_cannot_be_read_now_are_no_misconfiguration() {
    let bench = Bench::new().await;
    bench.double.script("GET /jwks", answer(503, &[], ""));
    assert_eq!(bench.finish_with(|_| {}).await.unwrap_err().kind, ErrorKind::Unreachable);
}

#[tokio::test]
async fn a_code_that_is_refused_has_its_reason() {
    let bench = Bench::new().await;
    let error = |code: &str| json_answer(400, &json!({ "error": code }));
    for (script, kind) in [
        (error("invalid_grant"), ErrorKind::LoginDenied),
        (error("invalid_client"), ErrorKind::Misconfigured),
        (answer(307, &[("location", "/x")], ""), ErrorKind::Misconfigured),
        (answer(502, &[], "<html>"), ErrorKind::Unreachable),
        (Script::Reset, ErrorKind::Unreachable),
    ] {
        bench.double.script("POST /token", script);
        let flow = bench.flow().await;
        let error = bench.oidc.finish(code(flow)).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(!error.to_string().contains("code-1"), "{error}");
    }
}

#[tokio::test]
async fn a_refresh_token_in_an_answer_that_was_cut_off_is_given_back() {
    let bench = Bench::new().await;
    bench.double.script("POST /revoke", answer(200, &[], ""));
    let half = cut_answer(200, r#"{"refresh_token":"refresh-1","access_tok"#);
    bench.double.script("POST /token", Script::Bytes(half));
    let flow = bench.flow().await;
    assert_eq!(bench.oidc.finish(code(flow)).await.unwrap_err().kind, ErrorKind::Unreachable);
    assert!(is_revoked(&bench, "refresh-1"));
}
