//! Where the provider tells name and e-mail address at its UserInfo endpoint alone (OIDC Core, section 5.4).

use super::*;
use crate::testing::double::{Script, answer};
use crate::token::Account;

const ROUTE: &str = "GET /userinfo";

/// Signs in at a provider whose ID token has these claims alone, and whose UserInfo answers so.
async fn signed_in(id_token: Value, user_info: Script) -> (Bench, Account) {
    let bench = Bench::new().await;
    let mut document = bench.double.discovery();
    document["userinfo_endpoint"] = json!(format!("{}/userinfo", bench.double.url));
    bench.double.script("GET /.well-known/openid-configuration", json_answer(200, &document));
    bench.double.script(ROUTE, user_info);
    let granted = bench.finish_with(|claims| {
        claims.as_object_mut().unwrap().remove("email");
        for (name, value) in id_token.as_object().unwrap() {
            claims[name] = value.clone();
        }
    });
    let account = granted.await.unwrap().account;
    (bench, account)
}

fn person(sub: &str) -> Value {
    json!({ "sub": sub, "name": "Ada", "preferred_username": "ada", "email": "ada@x.test" })
}

#[tokio::test]
async fn name_and_address_are_asked_for_where_the_id_token_lacks_them() {
    let (bench, account) = signed_in(json!({}), json_answer(200, &person("ada"))).await;
    assert_eq!((account.subject.as_str(), account.label()), ("ada", "ada@x.test"));
    assert_eq!((account.display_name.as_str(), account.user_name.as_str()), ("Ada", "ada"));
    let seen = bench.double.seen(ROUTE);
    assert!(seen[0].head.contains("authorization: Bearer access-1"), "{:?}", seen[0]);
    let (_, account) = signed_in(json!({ "email": "told@x.test" }), json_answer(200, &person("ada"))).await;
    assert_eq!((account.label(), account.display_name.as_str()), ("told@x.test", "Ada"));
}

#[tokio::test]
async fn nobody_is_asked_where_the_id_token_has_them() {
    let told = json!({ "email": "told@x.test", "name": "Told" });
    let (bench, account) = signed_in(told, json_answer(200, &person("ada"))).await;
    assert_eq!(account.display_name, "Told");
    assert!(bench.double.seen(ROUTE).is_empty());
}

#[tokio::test]
async fn whatever_user_info_answers_the_login_succeeds() {
    let jwt = answer(200, &[("content-type", "application/jwt")], &jwt(&person("ada")));
    let deep = format!("{{\"sub\": \"ada\", \"name\": {}", "[".repeat(100_000));
    for script in [
        json_answer(200, &person("eve")),
        json_answer(200, &json!({ "name": "Ada" })),
        json_answer(200, &json!({ "sub": "ada", "name": 7 })),
        json_answer(401, &json!({ "error": "invalid_token" })),
        answer(503, &[], ""),
        answer(307, &[("location", "/elsewhere")], ""),
        answer(200, &[], "<html>"),
        answer(200, &[], &deep),
        Script::Reset,
        Script::Endless,
        jwt,
    ] {
        let (bench, account) = signed_in(json!({}), script).await;
        assert_eq!((account.label(), account.display_name.as_str()), ("ada", ""));
        assert!(bench.double.seen("GET /elsewhere").is_empty());
    }
}

#[tokio::test]
async fn an_endpoint_that_could_be_overheard_gets_no_token() {
    let bench = Bench::new().await;
    for endpoint in ["http://192.0.2.1/userinfo", "no address", ""] {
        let mut document = bench.double.discovery();
        document["userinfo_endpoint"] = json!(endpoint);
        bench.double.script("GET /.well-known/openid-configuration", json_answer(200, &document));
        assert!(bench.finish_with(|_| {}).await.is_ok(), "{endpoint}");
    }
}

#[tokio::test]
async fn what_a_provider_calls_somebody_is_one_line_and_short() {
    let hostile = json!({
        "sub": "ada",
        "name": "\u{202e}ada\u{200b}\n[Login] forged\u{1b}[2J",
        "email": "x".repeat(300_000),
    });
    let (_, account) = signed_in(json!({}), json_answer(200, &hostile)).await;
    assert_eq!(account.display_name, "ada [Login] forged[2J");
    assert_eq!(account.email.chars().count(), 320);
}
