//! One profile and an authorization server whose issuer has a path, on a real socket.

use std::sync::Arc;

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::*;
use crate::clock::FakeClock;
use crate::outcome::Outcome;
use crate::providers::http::{Http, Limits};
use crate::providers::{Check, Untold};
use crate::testing::double::{Double, Script, answer, json_answer, jwt};
use crate::token::Credential;

const METADATA: &str = "GET /.well-known/oauth-authorization-server/realms/lab";

struct Bench {
    double: Double,
    issuer: Arc<dyn Issuer>,
}

impl Bench {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// The profile may be changed first.
    async fn with(change: impl FnOnce(&mut Profile)) -> Self {
        let double = Double::bare().await;
        let authority = format!("{}/realms/lab", double.url);
        let mut profile = Profile { authority, client_id: "client".into(), ..OAuth2Provider.defaults() };
        change(&mut profile);
        let clock = FakeClock::new();
        let means = Means { http: Http::new(clock.clone(), Limits::default()), clock };
        let bench = Self { double, issuer: OAuth2Provider.issuer(means, &profile, Kind::Renewable) };
        bench.double.script(METADATA, json_answer(200, &bench.metadata()));
        bench
    }

    /// What the authorization server says of itself: nothing of OpenID Connect.
    fn metadata(&self) -> Value {
        let url = &self.double.url;
        json!({
            "issuer": format!("{url}/realms/lab"),
            "authorization_endpoint": format!("{url}/authorize"),
            "token_endpoint": format!("{url}/token"),
            "revocation_endpoint": format!("{url}/revoke"),
            "device_authorization_endpoint": format!("{url}/device"),
            "response_types_supported": ["code"],
            "authorization_response_iss_parameter_supported": true,
        })
    }

    async fn start(&self) -> Result<Flow, AgentError> {
        self.issuer.start(&Url::parse("http://127.0.0.1:5/callback").unwrap()).await
    }

    /// Signs in, and gets this access token.
    async fn finish(&self, access_token: &str) -> Result<Granted, AgentError> {
        let grant = json!({ "access_token": access_token, "refresh_token": "refresh-1", "expires_in": 60 });
        self.double.script("POST /token", json_answer(200, &grant));
        let flow = self.start().await?;
        self.issuer.finish(Answer::Code("code-1".to_owned().into(), Box::new(flow))).await
    }

    async fn renew(&self, script: Script) -> Renewal {
        self.double.script("POST /token", script);
        self.issuer.renew(&RefreshToken::new("canary-old"), "ada").await
    }
}

#[test]
fn the_description_lies_between_host_and_path_of_the_issuer() {
    for (authority, expected) in [
        ("https://x.test", "https://x.test/.well-known/oauth-authorization-server"),
        ("https://x.test/", "https://x.test/.well-known/oauth-authorization-server"),
        ("https://x.test:8443/a/b", "https://x.test:8443/.well-known/oauth-authorization-server/a/b"),
        ("https://x.test/a/", "https://x.test/.well-known/oauth-authorization-server/a"),
    ] {
        assert_eq!(by_rfc_8414(authority).unwrap().as_str(), expected);
    }
    assert!(by_rfc_8414("x.test").is_err());
}

#[tokio::test]
async fn neither_openid_nor_a_nonce_nor_a_scope_of_nobody_is_asked_for() {
    let bench = Bench::new().await;
    let flow = bench.start().await.unwrap();
    let names: Vec<_> = flow.authorization_url.query_pairs().map(|(name, _)| name.into_owned()).collect();
    let expected =
        ["response_type", "client_id", "redirect_uri", "state", "code_challenge", "code_challenge_method"];
    assert_eq!(names, expected);
    assert!(flow.authorization_url.query().unwrap().ends_with("code_challenge_method=S256"));
    assert!(flow.nonce.is_empty() && flow.state.len() >= 43 && flow.offers_device && flow.can_be_pasted);
    let named = Bench::with(|profile| {
        profile.scopes = "read write".into();
        profile.audience = "api".into();
    });
    let url = named.await.start().await.unwrap().authorization_url;
    assert!(url.query().unwrap().ends_with("&scope=read+write&audience=api"), "{url}");
    assert!(bench.double.seen("GET /realms/lab/.well-known/openid-configuration").is_empty());
}

#[tokio::test]
async fn a_description_of_another_issuer_is_refused() {
    let bench = Bench::new().await;
    for issuer in ["https://other.test/realms/lab", &bench.double.url] {
        let mut metadata = bench.metadata();
        metadata["issuer"] = json!(issuer);
        bench.double.script(METADATA, json_answer(200, &metadata));
        let Err(error) = bench.start().await else { panic!("{issuer} was accepted") };
        assert!(error.kind == ErrorKind::Misconfigured && error.to_string().contains(issuer), "{error}");
    }
}

#[tokio::test]
async fn an_authority_that_does_not_describe_itself_is_no_authorization_server() {
    let bench = Bench::new().await;
    for script in [answer(404, &[], ""), answer(200, &[], "<html>")] {
        bench.double.script(METADATA, script);
        let Err(error) = bench.start().await else { panic!("it was accepted") };
        assert_eq!(error.kind, ErrorKind::Misconfigured);
        assert!(error.to_string().contains("is no OAuth 2.0 authorization server"), "{error}");
    }
    let probes = bench.issuer.probes();
    let [probe] = &probes[..] else { panic!("one address tells: {probes:?}") };
    assert!(probe.url.ends_with("/.well-known/oauth-authorization-server/realms/lab"), "{}", probe.url);
    assert!(matches!(probe.otherwise, Otherwise::Wrong(_)));
}

#[tokio::test]
async fn a_client_id_has_to_be_given_before_a_browser_opens() {
    let bench = Bench::with(|profile| profile.client_id.clear()).await;
    let in_browser = bench.start().await.err().unwrap();
    let on_device = bench.issuer.start_device().await.err().unwrap();
    for error in [in_browser, on_device] {
        assert_eq!(error.kind, ErrorKind::Misconfigured, "{error}");
        assert!(error.hint().contains("clientId") && error.hint().contains("SEQERA_AUTH_CLI_CLIENT_ID"));
    }
    assert!(bench.double.seen(METADATA).is_empty());
}

#[tokio::test]
async fn an_answer_needs_the_state_and_the_issuer_that_was_announced() {
    let bench = Bench::new().await;
    let flow = bench.start().await.unwrap();
    let judge = |rest: &str| {
        let target = format!("/callback?code=c&{rest}");
        let request = CallbackRequest { method: "GET".into(), target, ..CallbackRequest::default() };
        bench.issuer.callback(&flow, &request)
    };
    let (state, issuer) = (&flow.state, format!("{}/realms/lab", bench.double.url));
    assert!(matches!(judge(&format!("state=x&iss={issuer}")), Callback::NotYet(page) if page.status == 400));
    assert!(matches!(judge(&format!("state={state}")), Callback::Failed(..)));
    assert!(matches!(judge(&format!("state={state}&iss={}", bench.double.url)), Callback::Failed(..)));
    match judge(&format!("state={state}&iss={issuer}")) {
        Callback::Code(code) => assert_eq!(code.expose_secret(), "c"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn whose_an_access_token_is_stands_in_it_where_it_is_a_jwt() {
    let bench = Bench::new().await;
    let claims = json!({ "sub": "7", "email": "ada@x.test", "preferred_username": "ada", "name": "Ada" });
    let granted = bench.finish(&jwt(&claims)).await.unwrap();
    let expected = Account {
        subject: "7".into(),
        email: "ada@x.test".into(),
        user_name: "ada".into(),
        display_name: "Ada".into(),
        user_id: 0,
    };
    assert_eq!(granted.account, expected);
    assert_eq!(bench.finish(&jwt(&json!({ "sub": "7" }))).await.unwrap().account.label(), "7");
    for token in ["opaque", "a.b.c", &jwt(&json!({ "scope": "read" }))] {
        let account = bench.finish(token).await.unwrap().account;
        assert_eq!((account.subject.as_str(), account.label()), ("", "an account at 127.0.0.1"), "{token}");
    }
}

#[tokio::test]
async fn a_login_spends_the_code_with_its_verifier_and_asks_for_nothing_else() {
    let bench = Bench::new().await;
    let granted = bench.finish("access-1").await.unwrap();
    let Credential::Renewable(grant) = granted.credential else { panic!("a login renews") };
    assert_eq!((grant.access.token.expose(), grant.access.lifetime.as_secs()), ("access-1", 60));
    assert_eq!(grant.refresh.unwrap().open().expose_secret(), "refresh-1");
    assert!(granted.memberships.is_none() && granted.notes.is_empty());
    let sent = bench.double.seen("POST /token").remove(0);
    assert_eq!(sent.field("code").as_deref(), Some("code-1"));
    assert!(sent.field("code_verifier").unwrap().len() >= 43);
    for route in ["GET /jwks", "GET /realms/lab/user-info", "GET /realms/lab/orgs"] {
        assert!(bench.double.seen(route).is_empty(), "{route}");
    }
}

#[tokio::test]
async fn a_login_whose_access_token_cannot_be_used_gives_its_tokens_back() {
    let bench = Bench::new().await;
    bench.double.script("POST /revoke", answer(200, &[], ""));
    let odd = json!({ "access_token": "access-1", "token_type": "mac", "refresh_token": "refresh-1" });
    bench.double.script("POST /token", json_answer(200, &odd));
    let flow = bench.start().await.unwrap();
    let finished = bench.issuer.finish(Answer::Code("code-1".to_owned().into(), Box::new(flow))).await;
    let error = finished.unwrap_err();
    assert!(error.kind == ErrorKind::Misconfigured && error.to_string().contains("\"mac\""), "{error}");
    assert_eq!(bench.double.seen("POST /revoke")[0].field("token").as_deref(), Some("refresh-1"));
}

#[tokio::test]
async fn a_renewal_has_the_outcomes_of_every_provider() {
    let bench = Bench::new().await;
    let grant = json!({ "access_token": "access-2", "refresh_token": "refresh-2", "expires_in": 60 });
    let Renewal::Granted(renewed) = bench.renew(json_answer(200, &grant)).await else { panic!("granted") };
    assert_eq!(renewed.refresh.unwrap().open().expose_secret(), "refresh-2");
    assert_eq!(renewed.access.unwrap().token.expose(), "access-2");
    let sent = bench.double.seen("POST /token").remove(0);
    assert_eq!(sent.field("refresh_token").as_deref(), Some("canary-old"));
    assert_eq!((sent.field("client_id").as_deref(), sent.field("scope")), (Some("client"), None));
    let error = |code: &str| json_answer(400, &json!({ "error": code, "error_description": "canary-old" }));
    for (script, class) in [
        (error("invalid_grant"), "Rejected"),
        (error("invalid_client"), "Misconfigured"),
        (answer(503, &[], ""), "Transient"),
        (Script::Reset, "Unknown"),
    ] {
        let outcome = format!("{:?}", bench.renew(script).await);
        assert!(outcome.starts_with(class) && !outcome.contains("canary"), "{class}: {outcome}");
    }
}

#[tokio::test]
async fn a_person_signs_in_on_another_device() {
    let bench = Bench::new().await;
    let codes = json!({ "device_code": "d", "user_code": "U", "verification_uri": "https://x.test/device" });
    bench.double.script("POST /device", json_answer(200, &codes));
    let flow = bench.issuer.start_device().await.unwrap();
    let asked = bench.double.seen("POST /device").remove(0);
    assert_eq!((asked.field("client_id").as_deref(), asked.field("scope")), (Some("client"), None));
    let pending = json_answer(400, &json!({ "error": "authorization_pending" }));
    let grant = json_answer(200, &json!({ "access_token": jwt(&json!({ "sub": "7" })) }));
    bench.double.scripts("POST /token", [pending, grant]);
    assert!(matches!(bench.issuer.poll(&flow).await, Poll::Pending));
    let Poll::Answered(Outcome::Granted((tokens, sent))) = bench.issuer.poll(&flow).await else {
        panic!("they are granted")
    };
    let granted = bench.issuer.finish(Answer::Tokens(tokens, sent)).await.unwrap();
    assert_eq!(granted.account.subject, "7");
    assert!(granted.notes[0].contains("as long as its access token"), "{:?}", granted.notes);
}

#[tokio::test]
async fn where_no_endpoint_is_named_there_is_no_other_device_and_no_revocation() {
    let bench = Bench::new().await;
    let mut metadata = bench.metadata();
    let fields = metadata.as_object_mut().unwrap();
    fields.retain(|name, _| name != "device_authorization_endpoint" && name != "revocation_endpoint");
    bench.double.script(METADATA, json_answer(200, &metadata));
    let error = bench.issuer.start_device().await.err().unwrap();
    assert!(error.hint().contains("paste") && !error.hint().contains("--with-token"), "{}", error.hint());
    assert_eq!(bench.issuer.revoke(&Revocable::default()).await, Revocation::NotOffered);
}

#[tokio::test]
async fn what_plain_oauth_does_not_have_is_refused_with_the_name_of_the_host() {
    let bench = Bench::new().await;
    let token = AccessToken::new("access-1");
    let expected = "127.0.0.1 speaks plain OAuth 2.0, which has no ";
    let described = bench.issuer.describe(&token).await.unwrap_err();
    assert!(described.to_string().starts_with(expected), "{described}");
    assert!(matches!(bench.issuer.check(&token).await, Check::Unsure(why) if why.starts_with(expected)));
    let Err(Untold::Failed(error)) = bench.issuer.organizations(&token).await else {
        panic!("there are none")
    };
    assert_eq!(error.to_string(), format!("{expected}organizations and workspaces"));
    let sent = crate::clock::Clock::now(&*FakeClock::new());
    let given = bench.issuer.finish(Answer::Given(token, sent)).await.unwrap_err();
    assert!(given.to_string().starts_with(expected), "{given}");
}
