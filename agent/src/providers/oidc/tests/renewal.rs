use secrecy::ExposeSecret;

use super::*;
use crate::testing::double::{Script, answer, cut_answer, unsigned};

async fn renew(bench: &Bench, script: Script) -> Renewal {
    bench.double.script("POST /token", script);
    bench.oidc.renew(&RefreshToken::new("canary-old"), "ada").await
}

fn renewed(renewal: Renewal) -> Renewed {
    match renewal {
        Renewal::Granted(renewed) => renewed,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_renewal_spends_the_token_once_at_the_token_endpoint() {
    let bench = Bench::new().await;
    let body = json!({ "access_token": "access-2", "refresh_token": "refresh-2", "expires_in": "60" });
    let renewed = renewed(renew(&bench, json_answer(200, &body)).await);
    assert_eq!(renewed.refresh.unwrap().open().expose_secret(), "refresh-2");
    assert_eq!(renewed.access.unwrap().lifetime.as_secs(), 60);
    let seen = bench.double.seen("POST /token");
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].field("grant_type").unwrap(), "refresh_token");
    assert_eq!(seen[0].field("refresh_token").unwrap(), "canary-old");
    assert_eq!(seen[0].field("client_id").unwrap(), "client");
}

#[tokio::test]
async fn each_failure_has_its_class_and_none_tells_the_token() {
    let bench = Bench::new().await;
    let error = |code: &str| {
        let body = json!({ "error": code, "error_description": "canary-old was spent" });
        json_answer(400, &body)
    };
    for (script, class) in [
        (answer(503, &[("retry-after", "9")], ""), "Transient(\"status 503\", Some(9s))"),
        (answer(408, &[], ""), "Transient"),
        (answer(502, &[], "<html>bad gateway</html>"), "Transient"),
        (error("invalid_grant"), "Rejected"),
        (error("invalid_client"), "Misconfigured"),
        (error("unauthorized_client"), "Misconfigured"),
        (error("whatever"), "Unclear"),
        (answer(401, &[], ""), "Unclear"),
        (answer(307, &[("location", "/steal")], ""), "Misconfigured"),
        (Script::Reset, "Unknown"),
        (Script::Bytes(b"garbage\r\n\r\n".to_vec()), "Unknown"),
        (Script::Bytes(cut_answer(200, "{\"access_token\":\"a\"")), "Unknown"),
        (Script::Endless, "Unknown"),
        (answer(200, &[], "<html>maintenance</html>"), "Unknown"),
    ] {
        let outcome = format!("{:?}", renew(&bench, script).await);
        assert!(outcome.starts_with(class), "{class}: {outcome}");
        assert!(!outcome.contains("canary"), "{outcome}");
    }
    assert!(bench.double.seen("POST /steal").is_empty());
}

#[tokio::test]
async fn an_answer_of_the_token_endpoint_is_told_from_a_failure_on_the_way_to_it() {
    let bench = Bench::new().await;
    let is_answer = |outcome: &Renewal| match outcome {
        Renewal::Transient(why, _)
        | Renewal::Unknown(why)
        | Renewal::Rejected(why)
        | Renewal::Misconfigured(why)
        | Renewal::Unclear(why) => why.is_answer(),
        Renewal::Granted(_) => true,
    };
    let refusal = |code: &str| json_answer(400, &json!({ "error": code }));
    for discovery in [answer(404, &[], ""), answer(503, &[], ""), Script::Reset] {
        bench.double.script("GET /.well-known/openid-configuration", discovery);
        let outcome = bench.oidc.renew(&RefreshToken::new("old"), "ada").await;
        assert!(!is_answer(&outcome), "{outcome:?}");
    }
    let bench = Bench::new().await;
    for (script, answered) in [
        (answer(503, &[], ""), true),
        (refusal("invalid_grant"), true),
        (refusal("invalid_client"), true),
        (refusal("whatever"), true),
        (answer(200, &[], "<html>maintenance</html>"), true),
        (Script::Reset, false),
    ] {
        let outcome = renew(&bench, script).await;
        assert_eq!(is_answer(&outcome), answered, "{outcome:?}");
    }
}

#[tokio::test]
async fn a_body_that_stops_in_the_middle_ends_at_the_limit_with_the_refresh_token_kept() {
    let bench = Bench::new().await;
    let half = cut_answer(200, r#"{"refresh_token":"refresh-2","access_token":"acc"#);
    bench.double.script("POST /token", Script::Hang(half));
    let suspend = async {
        bench.double.wait_for("POST /token").await;
        bench.clock.jump(60);
    };
    let token = RefreshToken::new("old");
    let (renewal, ()) = tokio::join!(bench.oidc.renew(&token, "ada"), suspend);
    match renewal {
        Renewal::Granted(renewed) => {
            assert_eq!(renewed.refresh.unwrap().open().expose_secret(), "refresh-2");
            assert!(matches!(renewed.access, Err(Unservable::Odd(_))));
        }
        // The clock was moved before the head of the answer was read.
        Renewal::Unknown(_) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_renewal_for_another_account_is_saved_and_never_served() {
    let bench = Bench::new().await;
    let token = |iss: &str, sub: &str| unsigned("RS256", &json!({ "iss": iss, "sub": sub }));
    let url = bench.double.url.clone();
    for (id_token, expected) in [
        (token(&url, "ada"), "Ok("),
        (token(&url, "eve"), "Err(OtherAccount("),
        (token("https://other.test", "ada"), "Err(OtherAccount("),
        ("no.id.token".to_owned(), "Err(Odd("),
        (unsigned("RS256", &json!({ "iss": url, "sub": "ada", "aud": ["x", "client"] })), "Ok("),
        (unsigned("RS256", &json!({ "iss": url, "sub": "ada", "aud": "client", "azp": "client" })), "Ok("),
        (unsigned("RS256", &json!({ "iss": url, "sub": "ada", "aud": "x" })), "Err(Odd("),
        (unsigned("RS256", &json!({ "iss": url, "sub": "ada", "aud": [] })), "Err(Odd("),
        (unsigned("RS256", &json!({ "iss": url, "sub": "ada", "azp": "x" })), "Err(Odd("),
    ] {
        let body = json!({ "access_token": "a", "refresh_token": "refresh-2", "id_token": id_token });
        let renewed = renewed(renew(&bench, json_answer(200, &body)).await);
        assert_eq!(renewed.refresh.unwrap().open().expose_secret(), "refresh-2");
        let access = format!("{:?}", renewed.access);
        assert!(access.starts_with(expected), "{access}");
    }
}

#[tokio::test]
async fn a_token_with_a_control_character_is_saved_around_and_never_served() {
    let bench = Bench::new().await;
    let body = json!({ "access_token": "canary\n", "refresh_token": "re\u{0}fresh\n", "expires_in": 60 });
    let renewed = renewed(renew(&bench, json_answer(200, &body)).await);
    let refresh = renewed.refresh.unwrap();
    assert_eq!(refresh.open().expose_secret(), "re\u{0}fresh\n");
    let Err(Unservable::Odd(why)) = renewed.access else { panic!("{:?}", renewed.access) };
    assert!(why.contains("character 7") && !why.contains("canary"), "{why}");
    let _ = bench.oidc.renew(&refresh, "ada").await;
    assert_eq!(bench.double.seen("POST /token")[1].field("refresh_token").unwrap(), "re\u{0}fresh\n");
}

#[tokio::test]
async fn an_imported_session_needs_a_subject_that_can_be_compared() {
    let bench = Bench::new().await;
    for (sub, expected) in [("ada", "Ok("), ("", "Err(Odd("), ("a\nda", "Err(Odd(")] {
        let id_token = unsigned("RS256", &json!({ "iss": bench.double.url, "sub": sub }));
        let body = json!({ "access_token": "a", "refresh_token": "r", "id_token": id_token });
        bench.double.script("POST /token", json_answer(200, &body));
        let renewed = renewed(bench.oidc.renew(&RefreshToken::new("old"), "").await);
        let access = format!("{:?}", renewed.access);
        assert!(access.starts_with(expected), "{sub:?}: {access}");
    }
}

#[tokio::test]
async fn a_token_is_not_sent_where_discovery_fails() {
    let bench = Bench::new().await;
    let mut other = bench.double.discovery();
    other["issuer"] = json!("https://other.test");
    for (discovery, class) in [
        (answer(404, &[], ""), "Misconfigured"),
        (json_answer(200, &other), "Misconfigured"),
        (
            answer(503, &[("retry-after", "30")], ""),
            "Transient(\"discovery answered with status 503\", Some(30s))",
        ),
        (Script::Reset, "Transient"),
    ] {
        bench.double.script("GET /.well-known/openid-configuration", discovery);
        let outcome = format!("{:?}", bench.oidc.renew(&RefreshToken::new("old"), "ada").await);
        assert!(outcome.starts_with(class), "{class}: {outcome}");
    }
    assert!(bench.double.seen("POST /token").is_empty());
}
