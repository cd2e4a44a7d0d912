//! SciToolkit from outside: the page's answer crosses a socket, and others read the token file.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use seqera_tests::sandbox::{ADA, GRACE};
use seqera_tests::scitoolkit::{ConsentPage, consent_url, home, token, whoami};
use seqera_tests::terminal::{in_terminal, seen};
use seqera_tests::{Home, Run, Running, Sandbox, http};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(30);

fn begin(home: &Home, command: &str) -> (Running, ConsentPage) {
    let mut login = home.shell(command).start();
    let url = login.until("page to open", consent_url);
    (login, ConsentPage::open(&url))
}

#[track_caller]
fn sign_in(home: &Home, user: &str) -> Run {
    let (login, page) = begin(home, "scitoolkit login --no-browser");
    assert_eq!(page.sign_in(user).status, 200);
    login.finish(LIMIT).ok()
}

fn token_file(home: &Home) -> PathBuf {
    home.root().join("home/.scitoolkit/token")
}

fn stored(home: &Home) -> Option<String> {
    fs::read_to_string(token_file(home)).ok()
}

/// Writes a file as another program of SciToolkit would.
fn leave(home: &Home, name: &str, text: &str) -> PathBuf {
    let path = home.root().join("home/.scitoolkit").join(name);
    fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("the home can be written to");
    fs::write(&path, text).expect("the home can be written to");
    for one in path.ancestors().take_while(|one| !one.ends_with("home")) {
        let mode = if one.is_dir() { 0o700 } else { 0o600 };
        fs::set_permissions(one, fs::Permissions::from_mode(mode)).expect("it is ours");
    }
    path
}

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[test]
fn a_browser_login_ends_with_the_documented_file_and_a_sign_out_revokes_and_removes() {
    let sandbox = Sandbox::calm();
    let home = home(&sandbox);
    let run = sign_in(&home, ADA);
    assert!(run.stdout.contains(&format!("Successfully authenticated as {ADA}")), "{}", run.stdout);
    let token = stored(&home).expect("the documented file").trim().to_owned();
    assert!(token.starts_with("stk_user_"), "a token for a person");
    assert_eq!(
        (mode(&token_file(&home)), mode(token_file(&home).parent().expect("a folder"))),
        (0o600, 0o700)
    );
    assert_eq!((home.token("scitoolkit"), whoami(&sandbox, &token)), (token.clone(), 200));

    let out = home.shell("scitoolkit logout").run().ok();
    assert_eq!(out.line(), "scitoolkit: revoked");
    assert_eq!((stored(&home), whoami(&sandbox, &token)), (None, 401));
    home.shell("scitoolkit whoami").run().fails_with(3);
}

#[test]
fn a_session_survives_a_restart_of_the_agent_by_the_file_alone() {
    let sandbox = Sandbox::calm();
    let home = home(&sandbox);
    sign_in(&home, ADA);
    let token = home.token("scitoolkit");
    home.seqera("agent restart").run().ok();
    assert_eq!(home.token("scitoolkit"), token);
    let status = home.status("scitoolkit");
    assert_eq!((&status["store"], &status["kind"]), (&json!("~/.scitoolkit/token"), &json!("FIXED")));
}

#[test]
fn strangers_change_nothing_and_the_right_page_still_signs_in() {
    let sandbox = Sandbox::calm();
    let home = home(&sandbox);
    let (login, page) = begin(&home, "seqera login --provider scitoolkit --no-browser");
    let token = page.approve(ADA);
    let right = json!({"state": page.state, "token": token});
    assert_eq!(page.send_from("https://evil.test", &right).status, 403);
    assert_eq!(page.send_from("null", &right).status, 403);
    assert_eq!(page.send(&json!({"state": "wrong", "token": token})).status, 403);
    assert_eq!(page.send(&json!({"state": "wrong", "denied": true})).status, 403);
    assert_eq!(
        page.send(&json!({"state": page.state, "token": token, "more": "x".repeat(70_000)})).status,
        400
    );
    assert_eq!(http::get(&page.callback, &[("origin", &page.origin)]).status, 405);
    let foreign = [("host", "evil.test"), ("origin", &page.origin), ("content-type", "application/json")];
    let reply = http::request("POST", &page.callback, &foreign, &right.to_string()).expect("an answer");
    assert_eq!(reply.status, 421);
    let asks = [("origin", page.origin.as_str()), ("access-control-request-private-network", "true")];
    let preflight = http::request("OPTIONS", &page.callback, &asks, "").expect("an answer");
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-private-network"), Some("true"));
    assert_eq!(preflight.header("access-control-allow-origin"), Some(page.origin.as_str()));
    assert_eq!(page.send(&right).json()["account"], ADA);
    login.finish(LIMIT).ok();
}

#[test]
fn denied_and_timed_out_are_told_apart() {
    let sandbox = Sandbox::calm();
    let home = home(&sandbox);
    let (login, page) = begin(&home, "scitoolkit login --no-browser");
    assert_eq!(page.deny().status, 200);
    let denied = login.finish(LIMIT).fails_with(3);
    assert!(denied.stderr.contains("denied in the browser"), "{denied:?}");
    let late = home.shell("scitoolkit login --no-browser").env("SEQERA_AUTH_CALLBACK_TIMEOUT_MS", "300");
    let late = late.run().fails_with(4);
    assert!(late.stderr.contains("run 'scitoolkit login' again"), "{}", late.stderr);
}

#[test]
fn a_token_is_given_by_flag_standard_input_or_variable() {
    let sandbox = Sandbox::calm();
    let home = home(&sandbox);
    for (prefix, user) in [("sct_user_", ADA), ("stk_user_", GRACE)] {
        let token = token(&sandbox, user, prefix);
        let login =
            home.shell("scitoolkit login --token \"$SCITOOLKIT_TOKEN\"").env("SCITOOLKIT_TOKEN", &token);
        let run = login.run().ok();
        assert!(run.stdout.contains(user), "{}", run.stdout);
        assert!(run.stderr.contains("SCITOOLKIT_TOKEN is set"), "{}", run.stderr);
        assert_eq!(stored(&home), Some(format!("{token}\n")));
    }
    let third = token(&sandbox, ADA, "stk_user_");
    let who = home.shell("scitoolkit whoami -o json").env("SCITOOLKIT_TOKEN", &third).run().ok().json();
    assert_eq!((&who["email"], &who["auth_method"]), (&json!(ADA), &json!("environment")));
    home.shell("scitoolkit login --with-token").stdin(&third).run().ok();
    let out = home.shell("scitoolkit logout").run().ok();
    assert_eq!((out.line(), whoami(&sandbox, &third)), ("scitoolkit: revoked", 401));
}

#[test]
fn a_token_revoked_at_the_site_ends_the_session_at_the_next_question() {
    let sandbox = Sandbox::calm();
    let home = home(&sandbox);
    sign_in(&home, ADA);
    let token = home.token("scitoolkit");
    let bearer = format!("Bearer {token}");
    let tokens = format!("{}/cli/tokens", sandbox.authority);
    let list = http::get(&tokens, &[("authorization", &bearer)]).json();
    let id = list["tokens"][0]["id"].as_u64().expect("an id");
    let gone = http::request("DELETE", &format!("{tokens}/{id}"), &[("authorization", &bearer)], "");
    assert_eq!(gone.expect("an answer").status, 204);
    let refused = home.shell("scitoolkit whoami --check").run().fails_with(3);
    assert!(refused.stderr.contains("refuses this token"), "{}", refused.stderr);
    let out = home.shell("scitoolkit logout").run().ok();
    assert_eq!((out.line(), stored(&home)), ("scitoolkit: revoked", None));
}

#[test]
fn a_sign_out_while_the_site_is_ill_removes_here_and_revokes_later() {
    let sandbox = Sandbox::calm();
    let home = home(&sandbox);
    sign_in(&home, ADA);
    let token = home.token("scitoolkit");
    sandbox.fault(json!({"on": "cli-tokens", "times": 1, "kind": "status", "code": 503}));
    let out = home.shell("scitoolkit logout").run().ok();
    assert_eq!((out.line(), stored(&home)), ("scitoolkit: removed here, revocation pending", None));
    let revoked = || (whoami(&sandbox, &token) == 401).then_some(());
    seqera_tests::eventually(LIMIT, "the revocation that was owed", revoked);
}

#[test]
fn per_toolkit_tokens_are_offered_to_be_replaced_and_nothing_else_is_touched() {
    let sandbox = Sandbox::calm();
    let home = home(&sandbox);
    let (first, second) = (leave(&home, "one.token", "stk_one"), leave(&home, "tokens/two", "stk_two\n"));
    let notes = leave(&home, "notes.txt", "buy milk");
    let command = format!("scitoolkit login --no-browser --token {}", token(&sandbox, ADA, "stk_user_"));
    let Some(terminal) = in_terminal(&home, &command.replace(" --no-browser", "")) else { return };
    let mut login = terminal.start();
    login.until("offer", |output| seen(output).contains("Remove these files? [y/N]").then_some(()));
    login.write("y\n");
    let run = login.finish(LIMIT).ok();
    assert!(run.stdout.contains(&format!("removed {}", first.display())), "{}", run.stdout);
    assert!(!first.exists() && !second.exists() && notes.exists() && stored(&home).is_some());
}

#[test]
fn a_sign_out_cleans_up_per_toolkit_tokens_on_demand_only() {
    let sandbox = Sandbox::calm();
    let home = home(&sandbox);
    let old = leave(&home, "one.token", "stk_one");
    let run = sign_in(&home, ADA);
    assert!(run.stderr.contains("logout --clean-legacy"), "{}", run.stderr);
    home.shell("scitoolkit logout").run().ok();
    assert!(old.exists());
    let out = home.shell("scitoolkit logout --clean-legacy -o json").run().ok().json();
    assert_eq!(out["legacy_removed"], json!([old.display().to_string()]));
    assert!(!old.exists());
}

#[test]
fn the_token_of_an_older_program_is_mentioned_and_used_only_with_consent() {
    let sandbox = Sandbox::calm();
    let home = home(&sandbox);
    let theirs = token(&sandbox, GRACE, "sct_user_");
    let path = leave(&home, "token", &theirs);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("it is ours");
    let hint = home.shell("scitoolkit whoami").run().fails_with(3);
    assert!(hint.stderr.contains("another program has stored"), "{}", hint.stderr);
    assert_eq!(stored(&home), Some(theirs.clone()), "a sign-out of nobody leaves it too");
    home.shell("scitoolkit logout").run().ok();
    assert_eq!((stored(&home), whoami(&sandbox, &theirs)), (Some(theirs.clone()), 200));
    let Some(terminal) = in_terminal(&home, "scitoolkit login --no-browser") else { return };
    let mut login = terminal.start();
    login.until("offer", |output| seen(output).contains("Use it? [Y/n]").then_some(()));
    login.write("\n");
    let run = login.finish(LIMIT).ok();
    assert!(run.stdout.contains(GRACE) && run.stdout.contains("can be read by others"), "{}", run.stdout);
    assert_eq!((home.token("scitoolkit"), mode(&path)), (theirs, 0o600));
}

#[test]
fn a_program_gets_the_token_as_scitoolkit_s_and_not_as_the_platform_s() {
    let sandbox = Sandbox::calm();
    let home = home(&sandbox);
    sign_in(&home, ADA);
    let script = "seqera exec --profile scitoolkit -- sh -c 'echo \"$SCITOOLKIT_TOKEN $TOWER_ACCESS_TOKEN\"'";
    assert_eq!(home.shell(script).run().ok().line(), format!("{} ", home.token("scitoolkit")));
}
