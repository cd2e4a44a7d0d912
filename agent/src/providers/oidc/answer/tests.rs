use proptest::prelude::*;
use secrecy::ExposeSecret;
use serde_json::json;

use super::*;
use crate::testing::double::unsigned;

fn reply(status: u16, body: &str) -> Reply {
    Reply { status, retry_after: None, date: None, body: body.as_bytes().to_vec(), cut: None }
}

fn tokens(body: &Value) -> Tokens {
    match judge(&reply(200, &body.to_string()), &["old"]) {
        Outcome::Granted(tokens) => tokens,
        other => panic!("{body} is {}", name(&other)),
    }
}

fn name(verdict: &Outcome<Tokens>) -> &'static str {
    match verdict {
        Outcome::Granted(_) => "granted",
        Outcome::Unknown(_) => "unknown",
        Outcome::Transient(..) => "transient",
        Outcome::Rejected(_) => "rejected",
        Outcome::Misconfigured(_) => "misconfigured",
        Outcome::Unclear(_) => "unclear",
    }
}

fn lifetime(body: &Value) -> Duration {
    tokens(body).access.unwrap().lifetime
}

#[test]
fn each_answer_has_its_class() {
    let error = |code: &str| json!({ "error": code }).to_string();
    for (status, body, class) in [
        (400, error("invalid_grant"), "rejected"),
        (401, error("invalid_grant"), "rejected"),
        (503, error("invalid_grant"), "transient"),
        (400, error("invalid_client"), "misconfigured"),
        (401, error("invalid_client"), "misconfigured"),
        (400, error("unauthorized_client"), "misconfigured"),
        (400, error("invalid_scope"), "misconfigured"),
        (400, error("temporarily_unavailable"), "transient"),
        (400, error("invalid_request"), "unclear"),
        (400, error("out_of_cheese"), "unclear"),
        (401, String::new(), "unclear"),
        (400, "<html>invalid_grant</html>".into(), "unclear"),
        (400, "\"invalid_grant\"".into(), "unclear"),
        (403, String::new(), "transient"),
        (403, error("invalid_grant"), "rejected"),
        (404, String::new(), "misconfigured"),
        (405, "<html>".into(), "misconfigured"),
        (302, String::new(), "misconfigured"),
        (307, String::new(), "misconfigured"),
        (408, String::new(), "transient"),
        (429, error("slow_down"), "transient"),
        (500, String::new(), "transient"),
        (502, "<html>bad gateway</html>".into(), "transient"),
        (504, String::new(), "transient"),
        (599, String::new(), "transient"),
        (200, String::new(), "unknown"),
        (200, "<html>please wait</html>".into(), "unknown"),
        (200, "{}".into(), "unknown"),
        (204, String::new(), "unknown"),
        (200, error("invalid_grant"), "unknown"),
    ] {
        assert_eq!(name(&judge(&reply(status, &body), &["old"])), class, "{status} {body}");
    }
}

#[test]
fn a_refusal_that_was_cut_off_is_no_refusal() {
    let mut cut = reply(400, "{\"error\":\"invalid_grant\"}");
    cut.cut = Some("reset".into());
    assert_eq!(name(&judge(&cut, &["old"])), "transient");
}

#[test]
fn retry_after_is_handed_on() {
    let mut busy = reply(429, "");
    busy.retry_after = Some(Duration::from_secs(7));
    assert!(matches!(judge(&busy, &["old"]), Outcome::Transient(_, Some(after)) if after.as_secs() == 7));
}

#[test]
fn an_odd_answer_never_loses_the_refresh_token() {
    for body in [
        r#"{"access_token":"a","refresh_token":"new","expires_in":"3600"}"#,
        r#"{"access_token":"a","refresh_token":"new","expires_in":{"odd":true}}"#,
        r#"{"access_token":"a","refresh_token":"new","token_type":"BEARER","scope":7}"#,
        r#"{"access_token":"a","refresh_token":"new","token_type":"DPoP"}"#,
        r#"{"access_token":"a","refresh_token":"new","id_token":"not.a.jwt"}"#,
        r#"{"access_token":42,"refresh_token":"new"}"#,
        r#"{"refresh_token":"new"}"#,
        r#"{"data":{"refresh_token":"new","access_token":"a"}}"#,
        r#"{"refresh_token" : "new","access_token":"a","#,
        r#"{"access_token":"a","expires_in":3600,"refresh_token":"new""#,
        r#"<html><script>{"refresh_token":"n\u0065w"}</script></html>"#,
        r#"[{"refresh_token":"new"}]"#,
    ] {
        let Outcome::Granted(tokens) = judge(&reply(200, body), &["old"]) else { panic!("{body}") };
        assert_eq!(tokens.refresh.unwrap().open().expose_secret(), "new", "{body}");
    }
}

#[test]
fn half_a_refresh_token_is_not_taken_for_one() {
    let mut cut = reply(200, r#"{"access_token":"a","refresh_token":"ne"#);
    cut.cut = Some("reset".into());
    assert_eq!(name(&judge(&cut, &["old"])), "unknown");
}

#[test]
fn an_answer_that_was_cut_off_is_not_served() {
    let mut cut = reply(200, r#"{"access_token":"a","refresh_token":"new","expires_in":36"#);
    cut.cut = Some("reset".into());
    let Outcome::Granted(tokens) = judge(&cut, &["old"]) else { panic!("the refresh token is whole") };
    assert!(matches!(tokens.access, Err(NoAccess::Missing(why)) if why.contains("reset")));
}

#[test]
fn a_missing_refresh_token_means_keep_the_old_one() {
    for body in [json!({ "access_token": "a" }), json!({ "access_token": "a", "refresh_token": null })] {
        assert!(tokens(&body).refresh.is_none(), "{body}");
    }
    assert!(tokens(&json!({ "access_token": "a", "refresh_token": "" })).refresh.is_none());
}

#[test]
fn the_lifetime_is_what_is_told_else_the_tokens_own_else_five_minutes() {
    let own = unsigned("RS256", &json!({ "iat": 1000, "exp": 1600 }));
    for (body, seconds) in [
        (json!({ "access_token": "a", "expires_in": 3600 }), 3600),
        (json!({ "access_token": "a", "expires_in": "3600" }), 3600),
        (json!({ "access_token": "a", "expires_in": 60.9 }), 60),
        (json!({ "access_token": "a" }), 300),
        (json!({ "access_token": "a", "expires_in": "soon" }), 300),
        (json!({ "access_token": own, "expires_in": null }), 600),
        (json!({ "access_token": own, "expires_in": 60 }), 60),
        (json!({ "access_token": "a", "expires_in": 0 }), 0),
        (json!({ "access_token": "a", "expires_in": -5 }), 0),
        (json!({ "access_token": "a", "expires_in": 1e300 }), LONGEST.as_secs()),
        (json!({ "access_token": unsigned("RS256", &json!({ "iat": 9, "exp": 3 })) }), 0),
    ] {
        assert_eq!(lifetime(&body).as_secs(), seconds, "{body}");
    }
}

#[test]
fn a_refresh_lifetime_of_zero_is_none_told() {
    let with = |life: Value| tokens(&json!({ "access_token": "a", "refresh_expires_in": life }));
    assert_eq!(with(json!(0)).refresh_lifetime, None);
    assert_eq!(with(Value::Null).refresh_lifetime, None);
    assert_eq!(with(json!("1800")).refresh_lifetime, Some(Duration::from_secs(1800)));
}

#[test]
fn a_message_repeats_neither_the_secret_nor_control_characters() {
    let body = json!({ "error": "invalid_grant", "error_description": "token canary-1 is\u{1b}[2J spent\n" });
    let Outcome::Rejected(why) = judge(&reply(400, &body.to_string()), &["canary-1"]) else { panic!() };
    assert_eq!(why, "status 400, invalid_grant, token … is[2J spent".into());
}

#[test]
fn an_access_token_that_no_header_takes_is_refused_and_the_refresh_token_kept_as_it_came() {
    let refresh = "r\n\u{0}\u{202e}é \t\"'&+%00";
    let long = format!("canary{}", "x".repeat(16 * 1024));
    for token in ["canary\n", "canary\r\nx: y", "canary\u{7f}", "canary\u{202e}", "canaré", "\tcanary", &long]
    {
        let body = json!({ "access_token": token, "refresh_token": refresh, "expires_in": 60 });
        let tokens = tokens(&body);
        assert_eq!(tokens.refresh.unwrap().open().expose_secret(), refresh);
        let Err(NoAccess::Odd(why)) = tokens.access else { panic!("{token:?} was accepted") };
        assert!(!why.contains("canar"), "{why}");
    }
}

#[test]
fn a_life_of_any_size_is_a_time_of_at_most_ten_years() {
    for life in [
        "0",
        "-0",
        "-0.0",
        "1e-300",
        "1e308",
        "-1e308",
        "9007199254740993",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
        "\"1e400\"",
        "\"-1e400\"",
        "\"inf\"",
        "\"NaN\"",
        "\"\"",
        "\" 60 \"",
        "[]",
        "{}",
        "true",
        "null",
    ] {
        let body = format!(
            r#"{{"access_token":"a","refresh_token":"r","expires_in":{life},"refresh_expires_in":{life}}}"#
        );
        let Outcome::Granted(tokens) = judge(&reply(200, &body), &["old"]) else { panic!("{life}") };
        assert!(tokens.access.unwrap().lifetime <= LONGEST, "{life}");
        assert!(tokens.refresh_lifetime.is_none_or(|life| life <= LONGEST && !life.is_zero()), "{life}");
    }
    // No number of JSON for this library: the answer counts as damaged, and the refresh token is kept.
    let Outcome::Granted(tokens) =
        judge(&reply(200, r#"{"access_token":"a","refresh_token":"r","expires_in":1e400}"#), &["old"])
    else {
        panic!("it was granted")
    };
    assert_eq!((tokens.refresh.unwrap().open().expose_secret(), tokens.access.is_err()), ("r", true));
}

#[test]
fn what_a_provider_says_is_cut_and_is_one_line() {
    let said = format!("\u{202e}so\nrry\u{200b} {}", "x".repeat(900_000));
    let body = json!({ "error": "e".repeat(9_000), "error_description": said });
    let Outcome::Unclear(why) = judge(&reply(400, &body.to_string()), &["old"]) else { panic!() };
    assert!(why.chars().count() < 420 && why.contains(", so rry xxx") && why.ends_with("…"), "{why}");
}

proptest! {
    #[test]
    fn no_time_upsets_the_reader(life in proptest::num::f64::ANY, text in ".*") {
        for value in [json!(life), json!(life.to_string()), json!(text)] {
            prop_assert!(seconds(&value).is_none_or(|life| life <= LONGEST));
        }
    }

    #[test]
    fn no_body_upsets_the_reader(status in 200_u16..600, body in ".*") {
        judge(&reply(status, &body), &["old"]);
    }

    #[test]
    fn wherever_an_answer_is_cut_a_whole_refresh_token_is_kept(at in 0_usize..200) {
        let body = r#"{"token_type":"bearer","refresh_token":"new","access_token":"a","expires_in":60}"#;
        let at = at.min(body.len());
        let mut cut = reply(200, &body[..at]);
        cut.cut = Some("reset".into());
        let whole = at >= body.find("new").unwrap() + "new\"".len();
        let kept = match judge(&cut, &["old"]) {
            Outcome::Granted(tokens) => tokens.refresh.is_some_and(|token| token.open().expose_secret() == "new"),
            _ => false,
        };
        prop_assert_eq!(kept, whole);
    }
}
