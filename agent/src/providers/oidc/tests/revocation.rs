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
    let bench = without_endpoint("").await;
    assert_eq!(bench.oidc.revoke(&both()).await, Revocation::NotOffered);
    assert_eq!(bench.double.seen("GET /.well-known/oauth-authorization-server").len(), 1);
}

/// A provider whose OIDC description names no revocation endpoint, with a path in its issuer.
async fn without_endpoint(path: &str) -> Bench {
    let bench = Bench::with(|profile| profile.authority.push_str(path)).await;
    let mut document = bench.double.discovery();
    document.as_object_mut().unwrap().remove("revocation_endpoint");
    document["issuer"] = json!(format!("{}{path}", bench.double.url));
    bench.double.script(&format!("GET {path}/.well-known/openid-configuration"), json_answer(200, &document));
    bench.double.script("POST /revoke", answer(200, &[], ""));
    bench
}

#[tokio::test]
async fn a_revocation_endpoint_is_looked_for_in_the_metadata_of_rfc_8414_too() {
    for path in ["", "/realms/lab"] {
        let bench = without_endpoint(path).await;
        let route = format!("GET /.well-known/oauth-authorization-server{path}");
        let mut metadata = bench.double.discovery();
        metadata["issuer"] = json!(format!("{}{path}", bench.double.url));
        bench.double.script(&route, json_answer(200, &metadata));
        assert_eq!(bench.oidc.revoke(&both()).await, Revocation::Revoked);
        assert_eq!(bench.double.seen("POST /revoke").len(), 2);
    }
}

#[tokio::test]
async fn metadata_of_another_issuer_or_a_place_that_can_be_overheard_gets_no_token() {
    let bench = without_endpoint("").await;
    let other = |name: &str, value: &str| {
        let mut metadata = bench.double.discovery();
        metadata[name] = json!(value);
        json_answer(200, &metadata)
    };
    for (script, expected) in [
        (other("issuer", "https://other.test"), "NotOffered"),
        (other("revocation_endpoint", "http://192.0.2.1/revoke"), "Refused"),
        (answer(200, &[], "<html>"), "NotOffered"),
        (answer(307, &[("location", "/x")], ""), "NotOffered"),
        (answer(503, &[], ""), "Failed"),
        (Script::Reset, "Failed"),
    ] {
        bench.double.script("GET /.well-known/oauth-authorization-server", script);
        let outcome = format!("{:?}", bench.oidc.revoke(&both()).await);
        assert!(outcome.starts_with(expected), "{expected}: {outcome}");
    }
    assert!(bench.double.seen("POST /revoke").is_empty() && bench.double.seen("GET /x").is_empty());
}
