//! What the backend answers, and what becomes of it.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::json;

use super::*;
use crate::testing::double::{Script, answer, json_answer};

const ADA: &str = "stk_user_ada";

fn now() -> Moment {
    FakeClock::new().now()
}

fn whoami() -> Script {
    let body = json!({"uid": "u-1", "email": "ada@x.test", "name": "Ada", "auth_method": "cli_token"});
    json_answer(200, &body)
}

fn tokens() -> Script {
    json_answer(
        200,
        &json!({"tokens": [
            {"id": "other", "current": false},
            {"id": "a/../b", "current": true, "expires_at": "2030-01-01T00:00:00Z"},
        ]}),
    )
}

async fn given(double: &Double, token: &str) -> Result<Granted, AgentError> {
    scitoolkit(double).finish(Answer::Given(AccessToken::new(token), now())).await
}

fn revocable() -> Revocable {
    Revocable { refresh: None, access: Some(AccessToken::new(ADA)) }
}

#[tokio::test]
async fn a_token_is_checked_and_its_end_is_known() {
    let double = Double::bare().await;
    double.script("GET /api/cli/whoami", whoami());
    double.script("GET /api/cli/tokens", tokens());
    let granted = given(&double, ADA).await.unwrap();
    let account = &granted.account;
    assert_eq!((account.subject.as_str(), account.email.as_str()), ("u-1", "ada@x.test"));
    assert_eq!((account.display_name.as_str(), account.user_id), ("Ada", 0));
    let Credential::Fixed { expires_at, minted, .. } = &granted.credential else { panic!("it renews") };
    assert_eq!((*expires_at, *minted), (Some(UNIX_EPOCH + Duration::from_secs(1_893_456_000)), false));
    assert!(granted.revocable().is_none(), "it is the person's own");
    let head = &double.seen("GET /api/cli/whoami")[0].head;
    assert!(head.contains("authorization: Bearer stk_user_ada"), "{head}");
}

#[tokio::test]
async fn a_backend_that_does_not_list_tokens_signs_in_all_the_same() {
    let double = Double::bare().await;
    double.script("GET /api/cli/whoami", json_answer(200, &json!({"uid": 7, "email": null})));
    let granted = given(&double, ADA).await.unwrap();
    assert_eq!((granted.account.subject.as_str(), granted.account.user_id), ("7", 7));
    let Credential::Fixed { expires_at, .. } = granted.credential else { panic!("it renews") };
    assert_eq!(expires_at, None);
}

#[tokio::test]
async fn an_end_of_any_kind_and_an_id_without_an_end_upset_nobody() {
    let double = Double::bare().await;
    double.script("GET /api/cli/whoami", whoami());
    for (end, known) in [
        (json!("9999-12-30T21:59:59Z"), true),
        (json!("2030-01-01T00:00:00.999999999+14:00"), true),
        (json!("-009999-01-02T01:59:59Z"), false),
        (json!("0001-01-01T00:00:00Z"), false),
        (json!("soon"), false),
        (json!("9".repeat(300_000)), false),
        (json!(""), false),
        (json!(1e300), false),
        (json!(null), false),
    ] {
        let entry = json!({"id": "1", "current": true, "expires_at": end});
        double.script("GET /api/cli/tokens", json_answer(200, &json!({"tokens": [entry]})));
        let granted = given(&double, ADA).await.unwrap();
        let Credential::Fixed { expires_at, .. } = granted.credential else { panic!("it renews") };
        assert_eq!(expires_at.is_some(), known, "{end}");
    }
    for uid in [json!(""), json!("x".repeat(256)), json!("a\u{202e}"), json!([])] {
        double.script("GET /api/cli/whoami", json_answer(200, &json!({"uid": uid})));
        assert_eq!(given(&double, ADA).await.unwrap_err().kind, ErrorKind::Misconfigured, "{uid}");
    }
}

#[tokio::test]
async fn a_token_of_another_kind_is_sent_nowhere() {
    let double = Double::bare().await;
    double.script("GET /api/cli/whoami", whoami());
    for token in ["stk_one_toolkit", "eyJhbGciOiJub25lIn0.e30.", "whatever"] {
        assert_eq!(given(&double, token).await.unwrap_err().kind, ErrorKind::BadRequest, "{token}");
    }
    assert!(double.seen("GET /api/cli/whoami").is_empty());
}

#[tokio::test]
async fn a_refused_token_is_told_from_a_backend_that_is_ill_or_another() {
    let double = Double::bare().await;
    for (status, kind) in [
        (401, ErrorKind::LoginExpired),
        (503, ErrorKind::Unreachable),
        (404, ErrorKind::Misconfigured),
        (302, ErrorKind::Misconfigured),
    ] {
        double
            .script("GET /api/cli/whoami", answer(status, &[("location", "http://127.0.0.1:9/")], "<html>"));
        assert_eq!(given(&double, ADA).await.unwrap_err().kind, kind, "{status}");
        let check = scitoolkit(&double).check(&AccessToken::new(ADA)).await;
        assert_eq!(check == Check::Refused, status == 401, "{status}: {check:?}");
    }
    double.script("GET /api/cli/whoami", answer(401, &[], ""));
    let retired = given(&double, "sct_user_old").await.unwrap_err();
    assert!(retired.hint().contains("prefix of older tokens"), "{}", retired.hint());
}

#[tokio::test]
async fn a_token_that_the_browser_brought_and_that_is_no_good_is_given_back() {
    let double = Double::bare().await;
    double.script("GET /api/cli/whoami", answer(500, &[], ""));
    double.script("GET /api/cli/tokens", json_answer(200, &json!({"tokens": [{"id": 3, "current": true}]})));
    double.script("DELETE /api/cli/tokens/3", answer(204, &[], ""));
    let scitoolkit = scitoolkit(&double);
    let flow = Box::new(flow(&scitoolkit).await);
    let outcome = scitoolkit.finish(Answer::Code(ADA.to_owned().into(), flow)).await;
    assert_eq!(outcome.unwrap_err().kind, ErrorKind::Unreachable);
    assert_eq!(double.seen("DELETE /api/cli/tokens/3").len(), 1);
}

#[tokio::test]
async fn a_revocation_deletes_the_token_by_its_own_id_and_no_other() {
    let double = Double::bare().await;
    double.script("GET /api/cli/tokens", tokens());
    let route = "DELETE /api/cli/tokens/a%2F..%2Fb";
    for (status, expected) in
        [(204, "Revoked"), (404, "Revoked"), (401, "Revoked"), (503, "Failed"), (403, "Refused")]
    {
        double.script(route, answer(status, &[], ""));
        let outcome = format!("{:?}", scitoolkit(&double).revoke(&revocable()).await);
        assert!(outcome.starts_with(expected), "{status}: {outcome}");
    }
    assert_eq!(double.seen(route).len(), 5);
}

#[tokio::test]
async fn a_token_that_is_not_accepted_counts_as_revoked_and_one_without_an_id_does_not() {
    let double = Double::bare().await;
    double.script("GET /api/cli/tokens", answer(401, &[], ""));
    assert_eq!(scitoolkit(&double).revoke(&revocable()).await, Revocation::Revoked);
    double.script("GET /api/cli/tokens", json_answer(200, &json!({"tokens": [{"id": "other"}]})));
    let Revocation::Refused(why) = scitoolkit(&double).revoke(&revocable()).await else { panic!("it lives") };
    assert!(why.contains("CLI Tokens"), "{why}");
}
