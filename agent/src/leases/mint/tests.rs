//! What the Platform's answers mean for a token that is to be made.

use super::*;
use crate::clock::FakeClock;
use crate::providers::http::{Http, Limits};
use crate::testing::double::{Double, Script, answer, json_answer};

async fn create(script: Script) -> (Result<Minted, MintError>, Double) {
    let double = Double::bare().await;
    double.script("POST /tokens", script);
    let platform = Platform::new(Http::new(FakeClock::new(), Limits::default()), &double.url);
    (platform.create(&AccessToken::new("access-0"), "seqera-1").await, double)
}

#[tokio::test]
async fn a_token_is_made_under_its_name_by_the_session() {
    let answer = json!({"accessKey": "canary", "token": {"id": 7, "name": "seqera-1"}});
    let (made, double) = create(json_answer(200, &answer)).await;
    let made = made.unwrap();
    assert_eq!((made.id, made.token.expose()), (7, "canary"));
    assert!(!format!("{made:?}").contains("canary"));
    let seen = &double.seen("POST /tokens")[0];
    assert_eq!(seen.body, r#"{"name":"seqera-1"}"#);
    assert!(seen.head.contains("authorization: Bearer access-0"), "{}", seen.head);
}

#[tokio::test]
async fn a_taken_name_and_a_refusal_are_told_from_an_answer_that_was_lost() {
    assert_eq!(create(answer(409, &[], "")).await.0.unwrap_err(), MintError::NameTaken);
    for status in [400, 401, 403, 404, 422, 429] {
        let error = create(answer(status, &[], "")).await.0.unwrap_err();
        assert!(matches!(error, MintError::Refused(_)), "{status}: {error}");
    }
    for lost in [
        answer(502, &[], "<html>"),
        answer(504, &[], ""),
        answer(408, &[], ""),
        json_answer(200, &json!({"token": {"id": 7}})),
        Script::Bytes(crate::testing::double::cut_answer(200, "{\"accessKey\":")),
        Script::Reset,
    ] {
        let error = create(lost).await.0.unwrap_err();
        assert!(matches!(error, MintError::Unknown(_)), "{error}");
    }
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_made() {
    let double = Double::bare().await;
    let platform = Platform::new(Http::new(FakeClock::new(), Limits::default()), "http://127.0.0.1:1");
    let error = platform.create(&AccessToken::new("t"), "seqera-1").await.unwrap_err();
    assert!(matches!(error, MintError::Refused(PlatformError::Unreachable(_))), "{error}");
    drop(double);
}
