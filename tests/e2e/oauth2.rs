//! An authorization server without OpenID Connect. The sandbox is one for who does not ask for `openid`.

use std::time::Duration;

use seqera_tests::browser::{authorization_url, parameter, sign_in};
use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Sandbox, Visit};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(20);

/// The variable that names the client.
const CLIENT: &str = "SEQERA_AUTH_CLI_CLIENT_ID";

#[test]
fn a_person_signs_in_without_a_configuration_and_is_called_by_what_stands_in_the_token() {
    let sandbox = Sandbox::calm();
    let home = Home::new().with("SEQERA_AUTH_DOMAIN", &sandbox.authority).with(CLIENT, "seqera_ai_cli");
    let mut login = home.seqera("login --no-browser --provider oauth2 --profile plain").start();
    let url = login.until("authorization URL", authorization_url);
    for name in ["scope", "nonce", "audience"] {
        assert_eq!(parameter(&url, name), None, "{url}");
    }
    assert_eq!(parameter(&url, "code_challenge_method"), Some("S256"));
    sign_in(&url, ADA);
    let login = login.finish(LIMIT).ok();
    assert!(login.stdout.contains("Starting OAuth 2.0 CLI authentication"), "{}", login.stdout);
    assert!(login.stdout.contains(&format!("Successfully authenticated as {ADA}")), "{}", login.stdout);
    assert_eq!((sandbox.count("discovery"), sandbox.count("user_info")), (0, 0), "neither is OAuth 2.0");
    let token = home.token("plain");
    assert_eq!(sandbox.user_info(&token).status, 200);
    assert_eq!(home.status("plain")["account"]["email"], ADA);
    assert_eq!(home.seqera("logout --profile plain").run().ok().line(), "plain: revoked");
    assert_eq!(sandbox.user_info(&token).status, 401);
}

#[test]
fn a_profile_of_the_configuration_says_what_it_is_and_what_it_does_not_have() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let lab = json!({ "provider": "oauth2", "authority": sandbox.authority, "clientId": "seqera_ai_cli" });
    home.write_config("config.json", &json!({ "profiles": { "lab": lab } }).to_string());
    let person = |url: &str| drop(Visit::open(url).submit(&[("user", ADA)]));
    home.login_on_another_device("lab", &sandbox.authority, person).ok();
    assert_eq!(home.status("lab")["account"]["email"], ADA);
    let none = home.seqera("org list --profile lab").run().fails_with(2);
    assert!(none.stderr.contains("speaks plain OAuth 2.0, which has no organizations"), "{}", none.stderr);
}

#[test]
fn a_login_without_a_client_id_ends_before_a_browser_opens() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let args = format!("login --no-browser --provider oauth2 --authority {}", sandbox.authority);
    let refused = home.seqera(&args).run().fails_with(2);
    assert!(refused.stderr.contains("no client id is given"), "{}", refused.stderr);
    assert!(refused.stderr.contains(CLIENT) && refused.stderr.contains("clientId"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("response_type"), "{}", refused.stderr);
}
