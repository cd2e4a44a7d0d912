//! Sign-out: what is left afterwards, here and at the provider.

use std::path::Path;
use std::time::Duration;

use seqera_tests::browser::authorization_url;
use seqera_tests::sandbox::{ADA, GRACE};
use seqera_tests::{Home, Sandbox, eventually};
use serde_json::{Value, json};

/// The files in a folder whose names say that they contain a secret.
fn secret_files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("refresh-token.")).collect()
}

fn auth_state(home: &Home) -> Value {
    let text = std::fs::read_to_string(home.config_dir().join("auth-state.json")).expect("a summary");
    serde_json::from_str(&text).expect("it is JSON")
}

#[test]
fn sign_out_of_all_leaves_no_secret_and_revokes_every_refresh_token() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    home.login("private", &sandbox, GRACE);
    let tokens = ["work", "private"].map(|profile| home.token(profile));
    assert_eq!(secret_files(&home.config_dir()).len(), 2);
    assert_eq!(auth_state(&home)["profiles"]["work"]["user"], ADA);

    let out = home.seqera("logout --all").run().ok();
    assert_eq!(out.stdout.matches(": revoked").count(), 2, "{}", out.stdout);
    assert_eq!((sandbox.count("tokens_alive"), sandbox.count("access_alive")), (0, 0));
    for token in &tokens {
        assert_eq!(sandbox.user_info(token).status, 401);
    }
    assert_eq!(secret_files(&home.config_dir()), Vec::<String>::new());
    let state = auth_state(&home);
    assert!(!state.to_string().contains("@sandbox.test"), "no account is left: {state}");
    assert_eq!(state["profiles"]["work"]["explicitly_logged_out"], true);
    for profile in ["work", "private"] {
        assert_eq!(home.seqera(&format!("token --profile {profile}")).run().code, Some(3));
    }
}

#[test]
fn nobody_is_signed_in_again_behind_their_back() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    home.seqera("logout --profile work").run().ok();
    home.seqera("agent restart").run().ok();
    let refused = home.seqera("token --profile work -o json").run().fails_with(3).error_json();
    assert_eq!(refused["reason"], "SIGNED_OUT");
    assert_eq!((sandbox.count("refresh_attempts"), sandbox.count("code_exchanges")), (0, 1));
}

#[test]
fn sign_out_of_one_profile_leaves_the_other() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    home.login("private", &sandbox, GRACE);
    let out = home.seqera("logout --profile work").run().ok();
    assert_eq!(out.line(), "work: revoked");
    assert_eq!(sandbox.count("tokens_alive"), 1);
    assert_eq!(sandbox.user_info(&home.token("private")).status, 200);
    let again = home.seqera("logout --profile work").run().ok();
    assert_eq!(again.line(), "work: nothing was stored");
}

#[test]
fn sign_out_works_although_the_provider_does_not() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    sandbox.fault(json!({"on": "revoke", "times": 0, "kind": "status", "code": 503}));
    let out = home.seqera("logout --profile work").run().ok();
    assert_eq!(out.line(), "work: removed here, revocation pending");
    assert_eq!(secret_files(&home.config_dir()), Vec::<String>::new());
    // The pending revocation exists only in memory, so stopping the agent would lose it.
    let refused = home.seqera("agent stop").run();
    assert_ne!(refused.code, Some(0));
    assert!(refused.stderr.contains("work"), "{}", refused.stderr);
    home.seqera("agent stop --force").run().ok();
}

#[test]
fn a_provider_without_revocation_is_named_as_such() {
    let (home, sandbox) = (Home::new(), Sandbox::start(&json!({"revocation": false})));
    home.login("work", &sandbox, ADA);
    let out = home.seqera("logout --profile work").run().ok();
    assert_eq!(out.line(), "work: removed here; the provider offers no revocation");
}

#[test]
fn the_result_of_a_renewal_that_a_sign_out_overtakes_is_revoked() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    sandbox.fault(json!({"on": "code", "kind": "patch", "set": {"expires_in": 4}}));
    home.login("work", &sandbox, ADA);
    sandbox.fault(json!({"on": "refresh", "kind": "delay", "ms": 2000, "after": true}));
    sandbox.wait_for("refresh", 1);
    home.seqera("logout --profile work").run().ok();
    let none_alive = || (sandbox.count("tokens_alive") == 0).then_some(());
    eventually(Duration::from_secs(20), "no living refresh token", none_alive);
    assert_eq!(home.seqera("token --profile work").run().code, Some(3));
    assert_eq!(secret_files(&home.config_dir()), Vec::<String>::new());
}

#[test]
fn a_personal_access_token_is_forgotten_here_and_deleted_there_only_on_demand() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let login = format!("login --profile pat --authority {} --with-token", sandbox.authority);
    let token = sandbox.personal_token(ADA);
    home.seqera(&login).stdin(&format!("{token}\n")).run().ok();
    assert_eq!(home.token("pat"), token);
    let out = home.seqera("logout --profile pat").run().ok();
    assert_eq!(out.line(), "pat: removed here; the access token you gave stays valid at the Platform");
    assert_eq!(sandbox.user_info(&token).status, 200);

    home.seqera(&login).stdin(&token).run().ok();
    let out = home.seqera("logout --profile pat --revoke").run().ok();
    assert_eq!(out.line(), "pat: revoked");
    assert_eq!(sandbox.user_info(&token).status, 401);
}

#[test]
fn the_first_sign_in_of_a_profile_ends_with_its_sign_out() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    let login = format!("login --no-browser --profile first --authority {}", sandbox.authority);
    let mut login = home.seqera(&login).start();
    login.until("authorization URL", authorization_url);
    let out = home.seqera("logout --profile first").run().ok();
    assert!(out.stdout.contains("nothing was stored"), "{}", out.stdout);
    login.finish(Duration::from_secs(30)).fails_with(130);
    home.token("work");
    home.seqera("logout --profile never").run().fails_with(1);
}
