//! Requests of the right page, and of everybody else.

use serde_json::{Value, json};

use super::*;

fn request(method: &str, headers: &[(&str, &str)], body: &str) -> CallbackRequest {
    CallbackRequest {
        method: method.into(),
        target: "/cli-callback".into(),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: body.into(),
    }
}

fn post(origin: &str, body: &Value) -> CallbackRequest {
    request("POST", &[("origin", origin), ("content-type", "application/json")], &body.to_string())
}

fn not_yet(callback: Callback, what: &str) -> Page {
    match callback {
        Callback::NotYet(page) => page,
        other => panic!("{what}: {other:?}"),
    }
}

fn has(page: &Page, name: &str, value: &str) -> bool {
    page.headers.iter().any(|(known, held)| known == name && held == value)
}

fn is_readable(page: &Page) -> bool {
    page.headers.iter().any(|(name, _)| name == "access-control-allow-origin")
}

#[tokio::test]
async fn the_browser_opens_the_documented_page() {
    let double = Double::bare().await;
    let scitoolkit = scitoolkit(&double);
    let first = flow(&scitoolkit).await;
    let url = &first.authorization_url;
    assert_eq!((url.path(), url.origin().ascii_serialization()), ("/cli-auth", double.url.clone()));
    let fields: Vec<_> =
        url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    let callback = "http://127.0.0.1:5/cli-callback".to_owned();
    assert_eq!(fields, [("state".into(), first.state.clone()), ("callback".into(), callback)]);
    assert!(first.state.len() >= 43, "{}", first.state.len());
    assert_ne!(flow(&scitoolkit).await.state, first.state);
}

#[tokio::test]
async fn the_right_page_with_the_right_state_brings_the_token() {
    let double = Double::bare().await;
    let (scitoolkit, origin) = (scitoolkit(&double), &double.url);
    let flow = flow(&scitoolkit).await;
    let sent = json!({"state": flow.state, "token": "stk_user_a"});
    let Callback::Code(token) = scitoolkit.callback(&flow, &post(origin, &sent)) else { panic!("no token") };
    assert_eq!(token.expose_secret(), "stk_user_a");
    let charset = [("origin", origin.as_str()), ("content-type", "application/json; charset=utf-8")];
    assert!(matches!(
        scitoolkit.callback(&flow, &request("POST", &charset, &sent.to_string())),
        Callback::Code(_)
    ));
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused_and_cannot_read_why() {
    let double = Double::bare().await;
    let scitoolkit = scitoolkit(&double);
    let flow = flow(&scitoolkit).await;
    let sent = json!({"state": flow.state, "token": "stk_user_evil"});
    let longer = format!("{}.evil.test", double.url);
    let slash = format!("{}/", double.url);
    for origin in ["https://evil.test", "null", "", &longer, &slash, "http://127.0.0.1"] {
        let page = not_yet(scitoolkit.callback(&flow, &post(origin, &sent)), origin);
        assert_eq!((page.status, is_readable(&page)), (403, false), "{origin}");
        let asks =
            request("OPTIONS", &[("origin", origin), ("access-control-request-private-network", "true")], "");
        let page = not_yet(scitoolkit.callback(&flow, &asks), origin);
        assert_eq!((page.status, is_readable(&page)), (403, false), "preflight of {origin}");
        assert!(!page.headers.iter().any(|(name, _)| name.starts_with("access-control")), "{origin}");
    }
    let without = request("POST", &[("content-type", "application/json")], &sent.to_string());
    assert_eq!(not_yet(scitoolkit.callback(&flow, &without), "no origin").status, 403);
    let twice = [
        ("origin", double.url.as_str()),
        ("origin", "https://evil.test"),
        ("content-type", "application/json"),
    ];
    assert_eq!(
        not_yet(scitoolkit.callback(&flow, &request("POST", &twice, &sent.to_string())), "two").status,
        403
    );
}

#[tokio::test]
async fn a_wrong_state_or_a_body_that_is_none_changes_nothing() {
    let double = Double::bare().await;
    let scitoolkit = scitoolkit(&double);
    let flow = flow(&scitoolkit).await;
    let token = "stk_user_evil";
    for (body, status) in [
        (json!({"state": "", "token": token}), 403),
        (json!({"state": "wrong", "token": token}), 403),
        (json!({"state": format!("{}x", flow.state), "token": token}), 403),
        (json!({"state": "wrong", "denied": true}), 403),
        (json!({"token": token}), 400),
        (json!({"state": 7, "token": token}), 400),
        (json!([]), 400),
        (Value::Null, 400),
    ] {
        let page = not_yet(scitoolkit.callback(&flow, &post(&double.url, &body)), &body.to_string());
        assert_eq!((page.status, is_readable(&page)), (status, true), "{body}");
        assert!(!page.body.contains(&flow.state) && !page.body.contains(token), "{}", page.body);
    }
}

#[tokio::test]
async fn what_any_page_could_send_without_asking_is_refused() {
    let double = Double::bare().await;
    let scitoolkit = scitoolkit(&double);
    let flow = flow(&scitoolkit).await;
    let body = json!({"state": flow.state, "token": "stk_user_a"}).to_string();
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""] {
        let headers = [("origin", double.url.as_str()), ("content-type", kind)];
        assert_eq!(not_yet(scitoolkit.callback(&flow, &request("POST", &headers, &body)), kind).status, 415);
    }
    for method in ["GET", "PUT", "HEAD"] {
        let page =
            not_yet(scitoolkit.callback(&flow, &request(method, &[("origin", &double.url)], &body)), method);
        assert!(page.status == 405 && has(&page, "allow", "POST, OPTIONS"), "{method}: {page:?}");
    }
    let target = format!("/cli-callback?state={}&token=stk_user_a", flow.state);
    let get = CallbackRequest { method: "GET".into(), target, ..CallbackRequest::default() };
    assert_eq!(not_yet(scitoolkit.callback(&flow, &get), "a link").status, 405);
    let elsewhere = CallbackRequest { target: "/other".into(), ..post(&double.url, &json!({})) };
    assert_eq!(not_yet(scitoolkit.callback(&flow, &elsewhere), "another path").status, 404);
}

#[tokio::test]
async fn a_preflight_of_the_right_page_is_answered_that_of_a_private_network_too() {
    let double = Double::bare().await;
    let scitoolkit = scitoolkit(&double);
    let flow = flow(&scitoolkit).await;
    let asks = |headers: &[(&str, &str)]| {
        let all: Vec<_> =
            [("origin", double.url.as_str())].into_iter().chain(headers.iter().copied()).collect();
        not_yet(scitoolkit.callback(&flow, &request("OPTIONS", &all, "")), "preflight")
    };
    let plain = asks(&[("access-control-request-method", "POST")]);
    assert_eq!((plain.status, plain.body.as_str()), (204, ""));
    assert!(has(&plain, "access-control-allow-origin", &double.url), "{plain:?}");
    assert!(has(&plain, "access-control-allow-methods", "POST"), "{plain:?}");
    assert!(has(&plain, "access-control-allow-headers", "content-type"), "{plain:?}");
    assert!(!has(&plain, "access-control-allow-private-network", "true"), "{plain:?}");
    let private = asks(&[("access-control-request-private-network", "true")]);
    assert!(has(&private, "access-control-allow-private-network", "true"), "{private:?}");
}

#[tokio::test]
async fn denied_and_a_token_of_a_wrong_shape_end_the_login_each_with_its_own_reason() {
    let double = Double::bare().await;
    let scitoolkit = scitoolkit(&double);
    let flow = flow(&scitoolkit).await;
    for (body, kind, word) in [
        (json!({"state": flow.state, "denied": true}), ErrorKind::LoginDenied, "denied in the browser"),
        // A no is a no, whatever stands beside it.
        (
            json!({"state": flow.state, "denied": true, "token": "stk_user_a"}),
            ErrorKind::LoginDenied,
            "denied",
        ),
        (json!({"state": flow.state, "token": "stk_canary"}), ErrorKind::Misconfigured, "one toolkit"),
        (json!({"state": flow.state, "token": "canary"}), ErrorKind::Misconfigured, "not a SciToolkit token"),
        (json!({"state": flow.state}), ErrorKind::Misconfigured, "not a SciToolkit token"),
    ] {
        let Callback::Failed(Some(page), error) = scitoolkit.callback(&flow, &post(&double.url, &body))
        else {
            panic!("{body}")
        };
        assert_eq!(error.kind, kind, "{body}");
        assert!(error.to_string().contains(word) && is_readable(&page), "{error} {page:?}");
        assert!(!format!("{error:?}{page:?}").contains("canary"), "{error:?} {page:?}");
    }
}
