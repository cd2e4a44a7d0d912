use std::time::Duration;

use serde_json::json;

use super::*;
use crate::providers::UserCode;
use crate::sign_in::stage::{Install, LoginOptions, Method, Prompt, SignedIn, Stage};
use crate::testing::double::json_answer;

const PENDING: &str = "authorization_pending";

/// A provider that offers the device flow, with a person who does not enter the code yet.
async fn offering() -> Bench {
    let bench = Bench::new().await;
    let url = &bench.double.url;
    let mut document = bench.double.discovery();
    document["device_authorization_endpoint"] = json!(format!("{url}/device"));
    bench.double.script("GET /.well-known/openid-configuration", json_answer(200, &document));
    let codes = json!({
        "device_code": "device-1", "user_code": "WDJB-MJHT", "verification_uri": format!("{url}/enter"),
        "interval": 1, "expires_in": 900,
    });
    bench.double.script("POST /device", json_answer(200, &codes));
    polls_get(&bench, PENDING);
    bench
}

fn polls_get(bench: &Bench, error: &str) {
    bench.double.script("POST /token", json_answer(400, &json!({ "error": error })));
}

fn begin(bench: &Bench, limit: Option<Duration>) -> LoginHandle {
    let options = LoginOptions { method: Method::Device, limit, ..LoginOptions::default() };
    bench.begin_as("client", options, Box::new(|_| Box::pin(async { Ok(SignedIn::default()) })))
}

async fn shown(handle: &mut LoginHandle) -> UserCode {
    loop {
        match handle.next().await {
            Some(Stage::Waiting { prompt: Prompt::Device(code), .. }) => return code,
            Some(Stage::Preparing) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_device_login_opens_no_port_and_takes_no_paste() {
    let bench = offering().await;
    let port = free_port().await;
    let options = LoginOptions { method: Method::Device, port: Some(port), ..LoginOptions::default() };
    let install: Install = Box::new(|_| Box::pin(async { Ok(SignedIn::default()) }));
    let mut handle = bench.begin_as("client", options, install);
    assert_eq!(shown(&mut handle).await.text, "WDJB-MJHT");
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
    let name = ProfileName::fallback();
    let error = bench.logins.complete(&name, "code=c&state=s".into()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadRequest);
}

#[tokio::test]
async fn a_second_device_login_joins_and_shows_the_same_code() {
    let bench = offering().await;
    let mut first = begin(&bench, None);
    let code = shown(&mut first).await;
    let mut second = begin(&bench, None);
    assert!(second.joined);
    assert_eq!(shown(&mut second).await, code);
    assert_eq!(bench.double.seen("POST /device").len(), 1);
}

#[tokio::test]
async fn a_login_by_another_way_replaces_the_first() {
    let bench = offering().await;
    let mut browser = bench.begin("client", None);
    waiting(&mut browser).await;
    let mut device = begin(&bench, None);
    assert!(!device.joined);
    let error = done(&mut browser).await.unwrap_err();
    assert!(error.kind == ErrorKind::Ended && error.to_string().contains("replaced"), "{error}");
    shown(&mut device).await;
}

#[tokio::test]
async fn the_code_s_own_life_is_the_limit_unless_the_person_set_a_shorter_one() {
    let bench = offering().await;
    let mut handle = begin(&bench, None);
    shown(&mut handle).await;
    bench.clock.jump(301);
    // The limit of a browser login has passed, but the device login still polls.
    bench.double.wait_for("POST /token").await;
    bench.clock.jump(600);
    let error = done(&mut handle).await.unwrap_err();
    assert!(error.kind == ErrorKind::LoginTimedOut && error.to_string().contains("expired"), "{error}");

    let mut handle = begin(&bench, Some(Duration::from_secs(60)));
    shown(&mut handle).await;
    bench.clock.jump(61);
    let error = done(&mut handle).await.unwrap_err();
    assert!(error.kind == ErrorKind::LoginTimedOut && error.to_string().contains("60 s"), "{error}");
}

#[tokio::test]
async fn a_no_on_the_other_device_is_no_time_out() {
    let bench = offering().await;
    polls_get(&bench, "access_denied");
    let mut handle = begin(&bench, None);
    shown(&mut handle).await;
    bench.clock.jump(2);
    assert_eq!(done(&mut handle).await.unwrap_err().kind, ErrorKind::LoginDenied);
}

#[tokio::test]
async fn a_device_login_ends_when_its_last_caller_has_gone() {
    let bench = offering().await;
    let mut handle = begin(&bench, None);
    shown(&mut handle).await;
    assert!(!bench.logins.names().is_empty());
    drop(handle);
    assert!(bench.logins.names().is_empty());
}
