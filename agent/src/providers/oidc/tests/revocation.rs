use super::*;
use crate::testing::double::{Script, answer};

fn both() -> Revocable {
    Revocable { refresh: Some(RefreshToken::new("refresh-1")), access: Some(AccessToken::new("access-1")) }
}

#[tokio::test]
async fn the_refresh_token_goes_first() {
    let bench = Bench::new().await;
    bench.double.script("POST /revoke", answer(200, &[], ""));
    assert_eq!(bench.oidc.revoke(&both()).await, Revocation::Revoked);
    let sent = |seen: &crate::testing::double::Seen| {
        (seen.field("token").unwrap(), seen.field("token_type_hint").unwrap())
    };
    let seen: Vec<_> = bench.double.seen("POST /revoke").iter().map(sent).collect();
    let expected = [("refresh-1", "refresh_token"), ("access-1", "access_token")];
    assert_eq!(seen, expected.map(|(token, hint)| (token.to_owned(), hint.to_owned())));
}

#[tokio::test]
async fn each_answer_has_its_outcome() {
    let bench = Bench::new().await;
    let unsupported = json_answer(400, &json!({ "error": "unsupported_token_type" }));
    for (script, expected) in [
        (answer(200, &[], ""), "Revoked"),
        (answer(503, &[], ""), "Failed(\"status 503\")"),
        (answer(429, &[], ""), "Failed"),
        (Script::Reset, "Failed"),
        (unsupported, "Refused(\"status 400, unsupported_token_type\")"),
        (answer(401, &[], ""), "Refused(\"status 401\")"),
        (answer(307, &[("location", "/x")], ""), "Refused"),
    ] {
        bench.double.script("POST /revoke", script);
        let outcome = format!("{:?}", bench.oidc.revoke(&both()).await);
        assert!(outcome.starts_with(expected), "{expected}: {outcome}");
    }
    assert!(bench.double.seen("POST /x").is_empty());
}

#[tokio::test]
async fn a_provider_that_keeps_access_tokens_has_still_revoked_the_session() {
    let bench = Bench::new().await;
    bench.double.scripts("POST /revoke", [answer(200, &[], ""), answer(400, &[], "")]);
    assert_eq!(bench.oidc.revoke(&both()).await, Revocation::Revoked);
}

#[tokio::test]
async fn a_provider_without_the_endpoint_offers_no_revocation() {
    let bench = Bench::new().await;
    let mut document = bench.double.discovery();
    document.as_object_mut().unwrap().remove("revocation_endpoint");
    bench.double.script("GET /.well-known/openid-configuration", json_answer(200, &document));
    assert_eq!(bench.oidc.revoke(&both()).await, Revocation::NotOffered);
}
