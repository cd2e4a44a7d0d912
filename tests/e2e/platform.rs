//! The agent at a Platform that is configured as Seqera documents it.

use std::time::Duration;

use seqera_tests::browser::{authorization_url, sign_in};
use seqera_tests::http::encode;
use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Sandbox, Visit, eventually, http};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(20);

/// A `tower.yml` with only its secret, and access tokens that live four seconds.
fn signed_with(secret: &str) -> Value {
    json!({
        "tower.jwt.secret": format!("{secret}, and at least 35 characters in all"),
        "micronaut.security.token.generator.access-token.expiration": "4s",
    })
}

/// A `tower.yml` with one OIDC provider. Another sandbox acts as that provider.
fn with_oidc(provider: &Sandbox, allow_list: &str) -> Value {
    json!({ "tower": {
        "jwt": { "secret": "the secret of a test, which is long enough" },
        "oidc": { "client": "seqera_ai_cli", "secret": "hush", "issuer": provider.authority },
        "auth": { "oidc": { "allow-list": [allow_list] } },
    }})
}

/// Ada goes from the Platform's page to the provider, says who she is, and comes back.
fn through_the_provider(authorization_url: &str) -> Visit {
    let page = Visit::open(authorization_url);
    let (host, path) = http::split(authorization_url);
    let login = format!("/oauth/login/oidc?request={}", encode(path.split_once('?').expect("a query").1));
    assert!(page.page.body.contains("/oauth/login/oidc?request="), "{:?}", page.page);
    page.go_to(&format!("http://{host}{login}")).submit(&[("user", ADA)])
}

#[test]
fn a_session_outlives_a_restart_of_the_platform_that_keeps_its_jwt_secret() {
    let home = Home::new();
    let sandbox = Sandbox::platform(&signed_with("kept"));
    home.login("work", &sandbox, ADA);
    let sandbox = sandbox.restart(&signed_with("kept"));
    sandbox.wait_for("refresh", 1);
    assert_eq!(sandbox.user_info(&home.token("work")).status, 200);
    assert_eq!(sandbox.count("code_exchanges"), 0, "nobody signed in again");
}

#[test]
fn a_changed_jwt_secret_ends_the_session_keeps_the_profile_and_the_agent_does_not_go_on_asking() {
    let home = Home::new();
    let sandbox = Sandbox::platform(&signed_with("old"));
    home.login("work", &sandbox, ADA);
    let sandbox = sandbox.restart(&signed_with("new"));
    let ended = || home.seqera("token --profile work --min-valid 3s").run().code == Some(3);
    eventually(LIMIT, "the end of the session", || ended().then_some(()));
    let refused = home.seqera("token --profile work -o json").run().fails_with(3).error_json();
    assert_eq!(refused["reason"], "LOGIN_EXPIRED");
    let asked = sandbox.count("refresh_attempts");
    for _ in 0..5 {
        home.seqera("token --profile work").run().fails_with(3);
    }
    assert_eq!(sandbox.count("refresh_attempts"), asked);
    // The profile is kept, and it remembers where to sign in again.
    let mut login = home.seqera("login --no-browser --profile work").start();
    let url = login.until("authorization URL", authorization_url);
    assert!(url.starts_with(&sandbox.authority), "{url}");
    sign_in(&url, ADA);
    login.finish(LIMIT).ok();
    assert_eq!(sandbox.user_info(&home.token("work")).status, 200);
}

#[test]
fn a_login_goes_through_the_oidc_provider_of_the_platform() {
    let (home, provider) = (Home::new(), Sandbox::calm());
    let sandbox = Sandbox::platform(&with_oidc(&provider, "*@SANDBOX.test"));
    let login = home.login_by("work", &sandbox.authority, |url| {
        let consent = through_the_provider(url);
        assert!(consent.page.body.contains("Allow access?"), "{:?}", consent.page);
        let end = consent.submit(&[("user", ADA)]);
        assert_eq!(end.page.status, 200);
    });
    login.ok();
    assert_eq!(sandbox.user_info(&home.token("work")).status, 200);
    assert_eq!(provider.count("code_exchanges"), 1);
}

#[test]
fn who_is_not_on_the_allow_list_is_told_so_at_once_and_it_is_no_time_out() {
    let (home, provider) = (Home::new(), Sandbox::calm());
    let sandbox = Sandbox::platform(&with_oidc(&provider, "*@other.test"));
    let login = home.login_by("work", &sandbox.authority, |url| drop(through_the_provider(url)));
    let login = login.fails_with(3);
    assert!(login.stderr.contains("allow list") && login.stderr.contains(ADA), "{}", login.stderr);
    assert_eq!(sandbox.count("code_exchanges"), 0);
}
