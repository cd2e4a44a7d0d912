//! A provider, or somebody on the way to it, that wants to be taken for another, or to make the agent fail.

use super::*;
use crate::error::ErrorKind;
use crate::testing::double::{
    Double, Script, answer, forged, jwks, jwt_with, signed_with_secret, strangers_jwks, unsigned,
};

/// The public key in the forms that a library could take for a shared secret.
fn public_key() -> Vec<Vec<u8>> {
    let key = jwks()["keys"][0].clone();
    let modulus = key["n"].as_str().unwrap().to_owned();
    vec![key.to_string().into_bytes(), modulus.into_bytes(), jwks().to_string().into_bytes(), Vec::new()]
}

async fn refused(bench: &Bench, what: &str, make: impl FnOnce(&Value) -> String) {
    bench.double.script("POST /revoke", answer(200, &[], ""));
    let flow = bench.flow().await;
    bench.grant(&make(&bench.claims(&flow)));
    let error = bench.oidc.finish(code(flow)).await.err().unwrap_or_else(|| panic!("{what} was accepted"));
    assert!(
        error.kind == ErrorKind::Misconfigured && error.to_string().contains("ID token"),
        "{what}: {error}"
    );
    let revoked = bench.double.seen("POST /revoke").pop().unwrap();
    assert_eq!(revoked.field("token").as_deref(), Some("access-1"), "{what}");
}

#[tokio::test]
async fn an_id_token_proves_itself_by_the_providers_own_keys_alone() {
    let bench = Bench::new().await;
    bench.double.script("GET /evil", json_answer(200, &strangers_jwks()));
    refused(&bench, "none", |claims| unsigned("none", claims)).await;
    for secret in public_key() {
        refused(&bench, "HS256 with the public key", |claims| signed_with_secret(&secret, claims)).await;
    }
    let evil = format!("{}/evil", bench.double.url);
    for (what, header) in [
        ("kid", json!({})),
        ("another kid", json!({ "kid": "../../etc/passwd" })),
        ("no kid", json!({ "kid": null })),
        ("jku", json!({ "jku": evil })),
        ("x5u", json!({ "x5u": evil })),
        ("jwk", json!({ "jwk": strangers_jwks()["keys"][0] })),
    ] {
        refused(&bench, what, |claims| forged(&header, claims)).await;
    }
    for (what, header) in [
        ("a kid that is not there", json!({ "kid": "key-2" })),
        ("crit", json!({ "crit": ["exp"], "exp": 1 })),
        ("crit of nothing", json!({ "crit": [] })),
        ("another algorithm", json!({ "alg": "ES256" })),
        ("none in other letters", json!({ "alg": "nOnE" })),
        ("an access token", json!({ "typ": "at+jwt" })),
        ("a nested token", json!({ "cty": "JWT" })),
    ] {
        refused(&bench, what, |claims| jwt_with(&header, claims)).await;
    }
    assert!(bench.double.seen("GET /evil").is_empty());
    assert!(bench.finish_with(|_| {}).await.is_ok());
}

#[tokio::test]
async fn numbers_of_every_size_in_an_id_token_are_judged() {
    let bench = Bench::new().await;
    let odd = [
        json!(0),
        json!(-1),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1e300),
        json!(-1e300),
        json!(1.5),
        json!("12"),
        json!(null),
        json!([]),
        json!({}),
        json!(true),
    ];
    for claim in ["exp", "iat", "nbf", "auth_time", "updated_at"] {
        for value in &odd {
            let outcome = bench.finish_with(|claims| claims[claim] = value.clone()).await;
            let must_fail = match claim {
                "exp" => !(value.as_f64().is_some_and(|end| end > 1e9)),
                "iat" => !(value.as_f64().is_some_and(|begin| begin < 1e18)),
                "nbf" => value.as_f64().is_none_or(|begin| begin > 1e18) && !value.is_null(),
                _ => false,
            };
            assert!(!(must_fail && outcome.is_ok()), "{claim} {value}");
        }
    }
}

/// Everything that the agent asks a provider and a Platform for.
const ROUTES: [&str; 11] = [
    "GET /.well-known/openid-configuration",
    "GET /.well-known/oauth-authorization-server",
    "GET /jwks",
    "POST /token",
    "POST /revoke",
    "POST /device",
    "GET /userinfo",
    "GET /user-info",
    "GET /orgs",
    "GET /user/7/workspaces",
    "GET /service-info",
];

/// A provider with all of them, which are good as far as the login needs them.
async fn complete(has_revocation: bool) -> Bench {
    let bench = Bench::new().await;
    let mut document = bench.double.discovery();
    let url = bench.double.url.clone();
    document["userinfo_endpoint"] = json!(format!("{url}/userinfo"));
    document["device_authorization_endpoint"] = json!(format!("{url}/device"));
    if !has_revocation {
        document.as_object_mut().unwrap().remove("revocation_endpoint");
    }
    bench.double.script(ROUTES[0], json_answer(200, &document));
    bench.double.script(ROUTES[1], json_answer(200, &bench.double.discovery()));
    bench
}

/// Does everything once, and does not mind what fails. What `route` answers is the test's.
async fn everything(bench: &Bench, route: &str) {
    let (refresh, access) = (RefreshToken::new("refresh-0"), AccessToken::new("access-0"));
    if let Ok(flow) = bench.oidc.start(&Url::parse("http://127.0.0.1:5/callback").unwrap()).await {
        let mut claims = bench.claims(&flow);
        claims.as_object_mut().unwrap().remove("email");
        if route != "POST /token" {
            bench.grant(&jwt(&claims));
        }
        let _ = bench.oidc.finish(code(flow)).await;
    }
    let _ = bench.oidc.start_device().await;
    let _ = bench.oidc.renew(&refresh, "ada").await;
    let _ = bench.oidc.check(&access).await;
    let _ = bench.oidc.describe(&access).await;
    let _ = bench.oidc.organizations(&access).await;
    let _ = bench.oidc.workspaces(&access, 7).await;
    let _ = bench.oidc.revoke(&Revocable { refresh: Some(refresh), access: Some(access) }).await;
}

#[tokio::test]
async fn no_redirect_of_any_endpoint_is_followed() {
    let elsewhere = Double::bare().await;
    for has_revocation in [true, false] {
        for route in ROUTES {
            for status in [302, 307, 308] {
                let bench = complete(has_revocation).await;
                let location = format!("{}/steal", elsewhere.url);
                bench.double.script(route, answer(status, &[("location", &location)], ""));
                everything(&bench, route).await;
            }
        }
    }
    assert!(elsewhere.all_seen().is_empty(), "{:?}", elsewhere.all_seen());
}

#[tokio::test]
async fn no_body_of_any_endpoint_upsets_the_agent() {
    let deep = "[".repeat(1 << 19);
    let objects = "{\"a\":".repeat(1 << 16);
    let long = format!("{{\"error\": \"{}\"}}", "x".repeat(1 << 19));
    for route in ROUTES {
        for script in [
            answer(200, &[], &deep),
            answer(200, &[], &objects),
            answer(400, &[], &deep),
            answer(400, &[], &long),
            answer(200, &[("content-encoding", "gzip")], "\u{1f}\u{8b}\u{8}not unpacked"),
            Script::Endless,
        ] {
            let bench = complete(true).await;
            bench.double.script(route, script);
            everything(&bench, route).await;
            assert!(!bench.double.all_seen().iter().any(|seen| seen.head.contains("accept-encoding")));
        }
    }
}

#[tokio::test]
async fn a_foreign_issuer_of_any_length_is_told_in_one_short_line() {
    let bench = Bench::new().await;
    let mut document = bench.double.discovery();
    for issuer in
        ["x".repeat(9_000), "\u{202e}\n".repeat(300_000 / 4), format!("https://{}", "é".repeat(9_000))]
    {
        document["issuer"] = json!(issuer);
        bench.double.script(ROUTES[0], json_answer(200, &document));
        let error =
            bench.oidc.start(&Url::parse("http://127.0.0.1:5/callback").unwrap()).await.err().unwrap();
        let text = error.to_string();
        assert!(text.chars().count() < 300 && !text.contains(['\n', '\u{202e}']), "{text}");
        assert!(text.contains("which is another issuer"), "{text}");
    }
}
