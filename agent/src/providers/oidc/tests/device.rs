use std::time::Duration;

use secrecy::ExposeSecret as _;

use super::*;
use crate::clock::Clock;
use crate::error::ErrorKind;
use crate::outcome::Outcome;
use crate::testing::double::{Script, answer, cut_answer};

const ROUTE: &str = "POST /device";

/// A provider that offers the device flow and answers a request for a code like this.
async fn offering(body: &Value) -> Bench {
    let bench = Bench::new().await;
    let mut document = bench.double.discovery();
    document["device_authorization_endpoint"] = json!(format!("{}/device", bench.double.url));
    bench.double.script("GET /.well-known/openid-configuration", json_answer(200, &document));
    bench.double.script(ROUTE, json_answer(200, body));
    bench
}

fn codes() -> Value {
    json!({
        "device_code": "device-1",
        "user_code": "WDJB-MJHT",
        "verification_uri": "https://x.test/device",
        "verification_uri_complete": "https://x.test/device?user_code=WDJB-MJHT",
        "expires_in": 1800,
        "interval": 7,
    })
}

async fn failure(bench: &Bench) -> AgentError {
    match bench.oidc.start_device().await {
        Err(error) => error,
        Ok(_) => panic!("the device flow begins"),
    }
}

#[tokio::test]
async fn a_device_login_asks_for_a_code_with_pkce() {
    let bench = offering(&codes()).await;
    let flow = bench.oidc.start_device().await.unwrap();
    assert_eq!(flow.code.text, "WDJB-MJHT");
    assert_eq!(flow.code.page.as_str(), "https://x.test/device");
    assert_eq!(
        flow.code.page_with_code.as_ref().unwrap().as_str(),
        "https://x.test/device?user_code=WDJB-MJHT"
    );
    assert_eq!((flow.interval.as_secs(), flow.lifetime.as_secs()), (7, 1800));
    let sent = bench.double.seen(ROUTE).remove(0);
    for (name, expected) in [
        ("client_id", "client"),
        ("scope", "openid profile email offline_access"),
        ("audience", "platform"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(sent.field(name).unwrap(), expected, "{name}");
    }
    assert!(flow.code_verifier.len() >= 43 && sent.field("code_challenge").is_some());
}

#[tokio::test]
async fn numbers_may_come_as_text_or_not_at_all() {
    let mut told = codes();
    (told["interval"], told["expires_in"]) = (json!("9"), json!("60"));
    let flow = offering(&told).await.oidc.start_device().await.unwrap();
    assert_eq!((flow.interval.as_secs(), flow.lifetime.as_secs()), (9, 60));
    let bare = json!({ "device_code": "d", "user_code": "u", "verification_url": "https://x.test/" });
    let flow = offering(&bare).await.oidc.start_device().await.unwrap();
    assert_eq!((flow.interval.as_secs(), flow.lifetime.as_secs()), (5, 300));
}

#[tokio::test]
async fn numbers_of_any_size_and_a_code_of_any_kind_upset_nobody() {
    for odd in [json!(1e300), json!(-1), json!(0), json!(u64::MAX), json!("NaN"), json!([]), json!(null)] {
        let mut told = codes();
        (told["interval"], told["expires_in"]) = (odd.clone(), odd.clone());
        let flow = offering(&told).await.oidc.start_device().await.unwrap();
        let (a_minute, an_hour) = (Duration::from_secs(60), Duration::from_secs(3600));
        assert!(!flow.interval.is_zero() && flow.interval <= a_minute, "{odd}");
        assert!(!flow.lifetime.is_zero() && flow.lifetime <= an_hour, "{odd}");
    }
    let mut told = codes();
    told["user_code"] = json!(format!("\u{202e}WD\u{200b}JB\n{}", "x".repeat(9_000)));
    let code = offering(&told).await.oidc.start_device().await.unwrap().code;
    assert!(code.text.starts_with("WDJB xxx") && code.text.chars().count() == 64, "{}", code.text);
    told["verification_uri"] = json!(format!("https://x.test/{}", "x".repeat(9_000)));
    let error = failure(&offering(&told).await).await.to_string();
    assert!(error.contains("2048 are the limit") && error.len() < 300, "{error}");
}

#[tokio::test]
async fn a_page_that_is_not_https_is_not_shown() {
    for page in [
        "http://x.test/device",
        "javascript:alert(1)",
        "x",
        "https://seqera.io:x@x.test/",
        "https://seqera.io@x.test/",
    ] {
        let mut told = codes();
        told["verification_uri"] = json!(page);
        assert_eq!(failure(&offering(&told).await).await.kind, ErrorKind::Misconfigured, "{page}");
        let mut told = codes();
        told["verification_uri_complete"] = json!(page);
        assert!(offering(&told).await.oidc.start_device().await.unwrap().code.page_with_code.is_none());
    }
}

#[tokio::test]
async fn a_code_that_is_empty_is_the_providers_fault_and_not_shown() {
    for name in ["device_code", "user_code"] {
        for empty in ["", " ", "\t"] {
            let mut told = codes();
            told[name] = json!(empty);
            let error = failure(&offering(&told).await).await;
            assert_eq!(error.kind, ErrorKind::Misconfigured);
            assert!(error.to_string().contains(&format!("{name} is empty")), "{error}");
        }
    }
}

#[tokio::test]
async fn a_provider_without_the_device_flow_has_the_other_ways_named() {
    let error = failure(&Bench::new().await).await;
    assert_eq!(error.kind, ErrorKind::Misconfigured);
    assert!(error.hint().contains("--with-token") && error.hint().contains("paste"), "{}", error.hint());
    let bench = offering(&codes()).await;
    bench.double.script(ROUTE, json_answer(400, &json!({ "error": "unauthorized_client" })));
    let error = failure(&bench).await;
    assert!(error.kind == ErrorKind::Misconfigured && error.hint().contains("--with-token"), "{error}");
}

#[tokio::test]
async fn a_request_for_a_code_that_fails_has_its_reason() {
    for (script, kind) in [
        (answer(503, &[], ""), ErrorKind::Unreachable),
        (answer(403, &[], "<html>"), ErrorKind::Unreachable),
        (Script::Reset, ErrorKind::Unreachable),
        (answer(200, &[], "<html>"), ErrorKind::Unreachable),
        (answer(307, &[("location", "https://x.test/")], ""), ErrorKind::Misconfigured),
        (json_answer(401, &json!({ "error": "invalid_client" })), ErrorKind::Misconfigured),
        (json_answer(400, &json!({ "error": "access_denied" })), ErrorKind::LoginDenied),
    ] {
        let bench = offering(&codes()).await;
        bench.double.script(ROUTE, script);
        let error = failure(&bench).await;
        assert_eq!(error.kind, kind, "{error}");
    }
}

async fn polled(script: Script) -> (Bench, Poll) {
    let bench = offering(&codes()).await;
    let flow = bench.oidc.start_device().await.unwrap();
    bench.double.script("POST /token", script);
    let poll = bench.oidc.poll(&flow).await;
    let sent = bench.double.seen("POST /token").remove(0);
    assert_eq!(sent.field("grant_type").unwrap(), "urn:ietf:params:oauth:grant-type:device_code");
    assert_eq!(sent.field("device_code").unwrap(), flow.device_code.expose_secret());
    assert_eq!(sent.field("code_verifier").unwrap(), flow.code_verifier);
    (bench, poll)
}

#[tokio::test]
async fn a_poll_is_judged_by_its_code_whatever_the_status() {
    for status in [400, 403, 428, 429] {
        let error = |code: &str| json_answer(status, &json!({ "error": code }));
        assert!(matches!(polled(error("authorization_pending")).await.1, Poll::Pending), "{status}");
        assert!(matches!(polled(error("slow_down")).await.1, Poll::SlowDown), "{status}");
        let denied = polled(error("access_denied")).await.1;
        assert!(matches!(&denied, Poll::Ended(error) if error.kind == ErrorKind::LoginDenied), "{denied:?}");
        let expired = polled(error("expired_token")).await.1;
        assert!(
            matches!(&expired, Poll::Ended(error) if error.kind == ErrorKind::LoginTimedOut),
            "{expired:?}"
        );
    }
    let spent = polled(json_answer(400, &json!({ "error": "invalid_grant" }))).await.1;
    assert!(
        matches!(&spent, Poll::Answered(Outcome::Rejected(why)) if !why.contains("device-1")),
        "{spent:?}"
    );
}

#[tokio::test]
async fn a_poll_without_an_answer_goes_on_and_one_with_a_lost_grant_does_not() {
    let busy = polled(answer(503, &[("retry-after", "9")], "")).await.1;
    assert!(
        matches!(busy, Poll::Answered(Outcome::Transient(_, Some(after))) if after == Duration::from_secs(9)),
        "{busy:?}"
    );
    assert!(matches!(polled(Script::Reset).await.1, Poll::Answered(Outcome::Unknown(_))));
    let cut = polled(Script::Bytes(cut_answer(200, r#"{"access_tok"#))).await.1;
    assert!(matches!(&cut, Poll::Ended(error) if error.kind == ErrorKind::Unreachable), "{cut:?}");
}

#[tokio::test]
async fn granted_tokens_sign_in_without_a_nonce_and_count_from_the_poll() {
    let bench = offering(&codes()).await;
    let flow = bench.oidc.start_device().await.unwrap();
    let claims = json!({
        "iss": bench.double.url, "sub": "ada", "aud": "client", "email": "ada@x.test",
        "exp": bench.now() + 300, "iat": bench.now(),
    });
    bench.grant(&jwt(&claims));
    let asked = bench.clock.now();
    let Poll::Answered(Outcome::Granted((tokens, sent))) = bench.oidc.poll(&flow).await else {
        panic!("they are granted")
    };
    bench.clock.jump(60);
    let granted = bench.oidc.finish(Answer::Tokens(tokens, sent)).await.unwrap();
    assert_eq!(granted.account.subject, "ada");
    assert!(granted.sent.since(asked) < Duration::from_secs(60));
}

#[tokio::test]
async fn granted_tokens_that_fail_a_check_are_given_back() {
    let bench = offering(&codes()).await;
    bench.double.script("POST /revoke", answer(200, &[], ""));
    let flow = bench.oidc.start_device().await.unwrap();
    let claims = json!({
        "iss": bench.double.url, "sub": "ada", "aud": "somebody",
        "exp": bench.now() + 300, "iat": bench.now(),
    });
    bench.grant(&jwt(&claims));
    let Poll::Answered(Outcome::Granted((tokens, sent))) = bench.oidc.poll(&flow).await else {
        panic!("they are granted")
    };
    let error = bench.oidc.finish(Answer::Tokens(tokens, sent)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Misconfigured);
    let revoked = bench.double.seen("POST /revoke");
    assert_eq!(revoked[0].field("token").as_deref(), Some("refresh-1"));
}
