use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use url::Url;

use super::*;
use crate::clock::{SystemClock, WallOffset};
use crate::providers::http::{Http, Limits};
use crate::testing::double::{Double, answer, json_answer};

fn pat(double: &Double) -> Pat {
    let http = Http::new(Arc::new(SystemClock::new(WallOffset::default())), Limits::default());
    let profile = Profile { authority: double.url.clone(), ..Profile::default() };
    Pat::new(Platform::new(http, &double.url), &profile)
}

#[tokio::test]
async fn only_401_is_a_verdict_against_a_token() {
    let double = Double::bare().await;
    let token = AccessToken::new("pat");
    for (status, refused) in [(401, true), (403, false), (404, false), (500, false), (302, false)] {
        double.script("GET /user-info", answer(status, &[], ""));
        let check = pat(&double).check(&token).await;
        assert_eq!(check == Check::Refused, refused, "{status}: {check:?}");
        assert!(!matches!(check, Check::Valid(_)), "{status}");
    }
    double.script("GET /user-info", json_answer(200, &json!({ "user": { "id": 5, "email": "ada@x.test" } })));
    let Check::Valid(account) = pat(&double).check(&token).await else { panic!("the token is good") };
    assert_eq!((account.user_id, account.label()), (5, "ada@x.test"));
}

#[tokio::test]
async fn a_token_is_deleted_by_the_id_in_it() {
    let double = Double::bare().await;
    let token = AccessToken::new(STANDARD.encode("{\"tid\":17}.0f0f"));
    let what = Revocable { refresh: None, access: Some(token) };
    for (status, expected) in [(204, "Revoked"), (401, "Revoked"), (503, "Failed"), (403, "Refused")] {
        double.script("DELETE /tokens/17", answer(status, &[], ""));
        let outcome = format!("{:?}", pat(&double).revoke(&what).await);
        assert!(outcome.starts_with(expected), "{status}: {outcome}");
    }
    assert_eq!(double.seen("DELETE /tokens/17").len(), 4);
}

#[tokio::test]
async fn a_token_of_another_shape_cannot_be_deleted() {
    let double = Double::bare().await;
    let what = Revocable { refresh: None, access: Some(AccessToken::new("opaque")) };
    assert_eq!(pat(&double).revoke(&what).await, Revocation::NotOffered);
}

#[tokio::test]
async fn neither_browser_nor_device_login_is_offered() {
    let double = Double::bare().await;
    let redirect = Url::parse("http://127.0.0.1:1/callback").unwrap();
    let Err(error) = pat(&double).start(&redirect).await else { panic!("there is nothing to start") };
    assert_eq!(error.kind, ErrorKind::BadRequest);
    let Err(error) = pat(&double).start_device().await else { panic!("there is nothing to start") };
    assert_eq!(error.kind, ErrorKind::BadRequest);
}
