use super::*;
use crate::error::ErrorKind;
use crate::testing::double::{Script, answer};

const ROUTE: &str = "GET /.well-known/openid-configuration";

async fn start(bench: &Bench) -> Result<Flow, AgentError> {
    bench.oidc.start(&Url::parse("http://127.0.0.1:5/callback").unwrap()).await
}

async fn refused(bench: &Bench, script: Script) -> AgentError {
    bench.double.script(ROUTE, script);
    match start(bench).await {
        Err(error) => error,
        Ok(flow) => panic!("{} was accepted", flow.authorization_url),
    }
}

#[tokio::test]
async fn an_authority_that_is_no_oidc_provider_is_misconfigured() {
    let bench = Bench::new().await;
    let html = answer(200, &[("content-type", "text/html")], "<html>hello</html>");
    for script in [answer(404, &[], ""), answer(302, &[("location", "/x")], ""), html] {
        let error = refused(&bench, script).await;
        assert_eq!(error.kind, ErrorKind::Misconfigured, "{error}");
        assert!(error.to_string().contains("is no OIDC provider"), "{error}");
    }
}

#[tokio::test]
async fn the_api_below_a_host_is_meant_only_if_it_describes_itself_and_the_host_does_not() {
    const BELOW: &str = "GET /api/.well-known/openid-configuration";
    let bench = Bench::new().await;
    let mut document = bench.double.discovery();
    document["issuer"] = json!(format!("{}/api", bench.double.url));
    bench.double.script(BELOW, json_answer(200, &document));
    assert_eq!(bench.oidc.meant().await, None, "the host has a description of its own");
    bench.double.script(ROUTE, answer(503, &[], ""));
    assert_eq!(bench.oidc.meant().await, None, "nothing is known of a host that is not well");
    bench.double.script(ROUTE, answer(404, &[], ""));
    assert_eq!(bench.oidc.meant().await, Some(format!("{}/api", bench.double.url)));
    bench.double.script(BELOW, json_answer(200, &bench.double.discovery()));
    assert_eq!(bench.oidc.meant().await, None, "it calls itself by another name");
    let deep = Bench::with(|profile| profile.authority.push_str("/realm")).await;
    assert_eq!(deep.oidc.meant().await, None);
    assert!(deep.double.seen("GET /realm/.well-known/openid-configuration").is_empty(), "it is no host");
}

#[tokio::test]
async fn a_description_of_another_issuer_is_refused() {
    let bench = Bench::new().await;
    let mut document = bench.double.discovery();
    document["issuer"] = json!("https://other.test");
    let error = refused(&bench, json_answer(200, &document)).await;
    assert_eq!(error.kind, ErrorKind::Misconfigured);
    assert!(error.to_string().contains("https://other.test"), "{error}");
}

#[tokio::test]
async fn an_endpoint_that_is_neither_https_nor_loopback_is_refused() {
    let bench = Bench::new().await;
    for name in ["authorization_endpoint", "token_endpoint", "revocation_endpoint", "jwks_uri"] {
        let mut document = bench.double.discovery();
        document[name] = json!("http://192.0.2.1/x");
        let error = refused(&bench, json_answer(200, &document)).await;
        assert!(error.kind == ErrorKind::Misconfigured && error.to_string().contains(name), "{error}");
    }
}

#[tokio::test]
async fn a_provider_that_is_not_well_is_unreachable_not_misconfigured() {
    let bench = Bench::new().await;
    for script in [answer(503, &[], ""), answer(429, &[], ""), Script::Reset] {
        assert_eq!(refused(&bench, script).await.kind, ErrorKind::Unreachable);
    }
}

#[tokio::test]
async fn the_description_is_fetched_once_an_hour() {
    let bench = Bench::new().await;
    bench.flow().await;
    bench.flow().await;
    assert_eq!(bench.double.seen(ROUTE).len(), 1);
    bench.clock.jump(3601);
    bench.flow().await;
    assert_eq!(bench.double.seen(ROUTE).len(), 2);
}

#[tokio::test]
async fn the_last_good_description_serves_while_discovery_alone_is_down() {
    let bench = Bench::new().await;
    bench.flow().await;
    bench.clock.jump(7200);
    bench.double.script(ROUTE, answer(502, &[], ""));
    assert!(start(&bench).await.is_ok());
    assert_eq!(bench.double.seen(ROUTE).len(), 2);
}

#[tokio::test]
async fn a_slash_at_the_end_of_the_authority_makes_no_difference() {
    let bench = Bench::with(|profile| profile.authority.push('/')).await;
    assert!(start(&bench).await.is_ok());
}
