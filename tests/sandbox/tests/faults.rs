use std::error::Error as _;
use std::io;
use std::time::Duration;

use openidconnect::core::{CoreIdToken, CoreIdTokenVerifier, CoreJsonWebKeySet};
use openidconnect::{ClientId, IssuerUrl, Nonce};
use reqwest::StatusCode;
use seqera_sandbox::{Call, Fault, IdTokenFault, Kind, Settings, Stage, Target};
use serde_json::{Value, json};

use crate::browser::{Browser, CLIENT, VERIFIER, text};

async fn signed_in() -> (Browser, String) {
    let browser = Browser::start(Settings::default()).await;
    let answer = browser.sign_in("ada").await;
    (browser, text(&answer, "refresh_token").to_owned())
}

fn at_refresh(kind: Kind) -> Fault {
    Fault { on: Target::Only(Call::Refresh), times: 1, after: false, kind }
}

fn after(fault: Fault) -> Fault {
    Fault { after: true, ..fault }
}

fn is_reset(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionReset)
        {
            return true;
        }
        cause = error.source();
    }
    false
}

#[tokio::test]
async fn a_reset_comes_before_the_renewal_or_after_it() {
    let (browser, token) = signed_in().await;
    browser.sandbox.inject([at_refresh(Kind::Reset), after(at_refresh(Kind::Reset))]);
    assert!(is_reset(&browser.refresh(&token).await.unwrap_err()));
    assert_eq!(browser.sandbox.stats().events.refreshes, 0);
    assert!(is_reset(&browser.refresh(&token).await.unwrap_err()));
    let stats = browser.sandbox.stats();
    assert_eq!(
        (stats.refresh_attempts, stats.events.refreshes),
        (2, 1),
        "the token was replaced, nobody knows by what"
    );
    assert_eq!(browser.refresh(&token).await.unwrap().status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn faults_of_a_list_in_json_come_in_order_and_so_many_times() {
    let (browser, token) = signed_in().await;
    let faults = json!([
        { "on": "token", "kind": "status", "code": 503, "headers": { "retry-after": "3" }, "times": 2 },
        { "on": "orgs", "kind": "status", "code": 403, "times": 0 },
        { "on": "refresh", "kind": "status", "code": 400, "body": { "error": "slow_down" } },
        { "on": "any", "kind": "redirect", "location": "http://127.0.0.1:1/x" },
    ]);
    assert_eq!(browser.control("faults", &faults).await.status(), StatusCode::NO_CONTENT);
    for _ in 0..2 {
        let answer = browser.refresh(&token).await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["retry-after"]),
            (503, &"3".parse().unwrap())
        );
    }
    let answer = browser.refresh(&token).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({ "error": "slow_down" }));
    let answer = browser.refresh(&token).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["location"]),
        (307, &"http://127.0.0.1:1/x".parse().unwrap())
    );
    assert_eq!(browser.refresh(&token).await.unwrap().status(), StatusCode::OK);
    for _ in 0..3 {
        assert_eq!(browser.get("/orgs", "").await.status(), StatusCode::FORBIDDEN);
    }
    browser.http.delete(format!("{}/_sandbox/faults", browser.sandbox.url())).send().await.unwrap();
    assert_eq!(browser.get("/orgs", "").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_hanging_call_can_be_waited_for_and_goes_on_when_the_faults_are_cleared() {
    let (browser, token) = signed_in().await;
    browser.sandbox.inject([at_refresh(Kind::Hang)]);
    let test = async {
        let arrived = browser.control("wait", &json!({ "on": "refresh", "count": 1 })).await;
        assert_eq!(arrived.status(), StatusCode::OK);
        assert_eq!(browser.sandbox.stats().events.refreshes, 0);
        browser.sandbox.clear_faults();
    };
    let (answer, ()) = tokio::join!(browser.refresh(&token), test);
    assert_eq!(answer.unwrap().status(), StatusCode::OK);
    let late = browser.control("wait", &json!({ "on": "refresh", "count": 2, "timeout_ms": 1 })).await;
    assert_eq!(late.status(), StatusCode::REQUEST_TIMEOUT);
    assert_eq!(late.json::<Value>().await.unwrap(), json!({ "count": 1 }));
}

#[tokio::test]
async fn a_renewal_in_effect_can_be_waited_for_while_its_answer_is_held_back() {
    let (browser, token) = signed_in().await;
    browser.sandbox.inject([after(at_refresh(Kind::Hang))]);
    let test = async {
        browser.sandbox.wait_for(Target::Only(Call::Refresh), Stage::InEffect, 1).await;
        assert_eq!(browser.sandbox.stats().events.refreshes, 1);
    };
    tokio::select! {
        _ = browser.refresh(&token) => panic!("it hangs"),
        () = test => {}
    }
    let again = browser.refresh(&token).await.unwrap();
    assert_eq!(again.status(), StatusCode::BAD_REQUEST, "the caller has gone, the renewal stands");
}

#[tokio::test]
async fn a_misspelt_fault_is_refused_and_none_of_its_list_is_taken() {
    let browser = Browser::start(Settings::default()).await;
    let good = json!({ "on": "orgs", "kind": "status", "code": 500 });
    let misspelt = [
        json!({ "on": "orgs", "kind": "status", "code": 500, "time": 2 }),
        json!({ "on": "organisations", "kind": "reset" }),
        json!({ "on": "orgs", "kind": "status" }),
        json!({ "on": "code", "kind": "patch", "id_token": { "subject": "x" } }),
    ];
    for fault in misspelt {
        let answer = browser.control("faults", &json!([good, fault])).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{fault}");
    }
    assert_eq!(browser.get("/orgs", "").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_delayed_answer_comes_late_and_whole() {
    let (browser, token) = signed_in().await;
    browser.sandbox.inject([after(at_refresh(Kind::Delay { ms: 100 }))]);
    let begin = tokio::time::Instant::now();
    assert_eq!(browser.refresh(&token).await.unwrap().status(), StatusCode::OK);
    assert!(begin.elapsed() >= Duration::from_millis(100));
}

#[tokio::test]
async fn a_cut_answer_begins_and_breaks_off_while_the_renewal_stands() {
    let (browser, token) = signed_in().await;
    browser.sandbox.inject([at_refresh(Kind::Truncate { bytes: 10 })]);
    let mut answer = browser.refresh(&token).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.chunk().await.unwrap().unwrap().len(), 10);
    assert!(answer.chunk().await.is_err());
    assert_eq!(browser.sandbox.stats().events.refreshes, 1);
}

#[tokio::test]
async fn an_endless_body_goes_on_and_an_oversized_one_is_good_json() {
    let (browser, token) = signed_in().await;
    let oversize = after(at_refresh(Kind::Oversize { bytes: 2_000_000 }));
    browser.sandbox.inject([at_refresh(Kind::EndlessBody), oversize]);
    let mut endless = browser.refresh(&token).await.unwrap();
    for _ in 0..4 {
        assert!(endless.chunk().await.unwrap().is_some());
    }
    drop(endless);
    let big = browser.refresh(&token).await.unwrap().bytes().await.unwrap();
    assert_eq!(big.len(), 2_000_000);
    assert!(serde_json::from_slice::<Value>(&big).unwrap()["refresh_token"].is_string());
}

#[tokio::test]
async fn garbage_has_the_body_and_the_type_that_it_shall() {
    let (browser, token) = signed_in().await;
    browser.control("faults", &json!([{ "on": "refresh", "kind": "garbage", "body": "<html>" }])).await;
    let answer = browser.refresh(&token).await.unwrap();
    assert_eq!(
        (answer.status(), &answer.headers()["content-type"]),
        (StatusCode::OK, &"text/html".parse().unwrap())
    );
    assert_eq!(answer.text().await.unwrap(), "<html>");
}

#[tokio::test]
async fn a_patched_answer_is_the_true_one_but_for_what_is_set_and_removed() {
    let (browser, token) = signed_in().await;
    let (set, remove) = (json!({ "expires_in": "60" }), json!(["token_type"]));
    let fault = json!({ "on": "refresh", "kind": "patch", "set": set, "remove": remove });
    browser.control("faults", &json!([fault])).await;
    let answer: Value = browser.refresh(&token).await.unwrap().json().await.unwrap();
    assert_eq!((&answer["expires_in"], answer.get("token_type")), (&json!("60"), None));
    assert_eq!(browser.refresh(text(&answer, "refresh_token")).await.unwrap().status(), StatusCode::OK);
    browser.control("faults", &json!([fault])).await;
    let refused = browser.refresh("guess").await.unwrap();
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "a refusal stays one");
    assert_eq!(refused.json::<Value>().await.unwrap()["error"], "invalid_grant");
}

#[tokio::test]
async fn each_way_to_spoil_an_id_token_fails_a_client_s_checks() {
    let browser = Browser::start(Settings::default()).await;
    let keys: CoreJsonWebKeySet = browser.get("/.well-known/jwks.json", "").await.json().await.unwrap();
    let issuer = IssuerUrl::new(browser.sandbox.authority()).unwrap();
    let verifier = CoreIdTokenVerifier::new_public_client(ClientId::new(CLIENT.into()), issuer, keys);
    let other = || Some("other".to_owned());
    let faults = [
        IdTokenFault { iss: Some("https://other.test/api".into()), ..IdTokenFault::default() },
        IdTokenFault { aud: other(), ..IdTokenFault::default() },
        IdTokenFault { nonce: other(), ..IdTokenFault::default() },
        IdTokenFault { exp_offset: Some(-1), ..IdTokenFault::default() },
        IdTokenFault { bad_signature: true, ..IdTokenFault::default() },
        IdTokenFault { alg_none: true, ..IdTokenFault::default() },
    ];
    let checked = async |fault: IdTokenFault| {
        let kind = Kind::Patch { set: Default::default(), remove: Vec::new(), id_token: Some(fault) };
        browser.sandbox.inject([Fault { on: Target::Token, times: 1, after: false, kind }]);
        let answer: Value =
            browser.exchange(&browser.code("ada").await, VERIFIER).await.json().await.unwrap();
        let token: CoreIdToken = text(&answer, "id_token").parse().unwrap();
        token.claims(&verifier, &Nonce::new("a nonce".into())).map(|claims| claims.subject().to_string())
    };
    for fault in faults {
        assert!(checked(fault.clone()).await.is_err(), "{fault:?}");
    }
    let stranger = IdTokenFault { sub: other(), ..IdTokenFault::default() };
    assert_eq!(checked(stranger).await.unwrap(), "other", "signed well, but somebody else");
}
