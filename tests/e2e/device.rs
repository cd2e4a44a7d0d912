//! Login with a code that is entered on another device.

use std::time::Duration;

use seqera_tests::reaper::signal;
use seqera_tests::sandbox::ADA;
use seqera_tests::terminal::{in_terminal, seen};
use seqera_tests::visit::Visit;
use seqera_tests::{Home, Running, Sandbox, eventually};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(60);

/// A sandbox that wants one poll each second.
fn sandbox(device: &Value) -> Sandbox {
    let mut settings = json!({"interval": 1});
    settings.as_object_mut().expect("an object").extend(device.as_object().expect("an object").clone());
    Sandbox::start(&json!({"device": settings}))
}

fn command(sandbox: &Sandbox) -> String {
    format!("login --device --profile work --authority {}", sandbox.authority)
}

fn begin(home: &Home, sandbox: &Sandbox) -> (Running, String) {
    let mut login = home.seqera(&command(sandbox)).start();
    let code = login.until("code", shown);
    (login, code)
}

/// The code that `seqera login --device` shows.
fn shown(output: &str) -> Option<String> {
    let (_, rest) = output.split_once("enter this code:")?;
    rest.contains("(say:").then(|| rest.split_whitespace().next().unwrap_or_default().to_owned())
}

/// The exit code of `seqera status`: 1 if there is no such profile.
fn code_of_status(home: &Home) -> Option<i32> {
    home.seqera("status --profile work").run().code
}

/// The person enters the code and presses a button.
#[track_caller]
fn decide(sandbox: &Sandbox, code: &str, button: (&str, &str)) {
    let page = Visit::open(&format!("{}/device?user_code={code}", sandbox.authority));
    let page = page.submit(&[button]).page;
    assert_eq!(page.status, 200, "{page:?}");
}

#[test]
fn a_code_entered_elsewhere_signs_in_and_nobody_opens_a_port() {
    let (home, sandbox) = (Home::new(), sandbox(&json!({})));
    let (login, code) = begin(&home, &sandbox);
    let screen = login.stderr();
    assert!(screen.contains(&format!("{}/device\n", sandbox.authority)), "{screen}");
    assert!(!screen.contains(['█', '▀', '\x1b']), "no picture in a pipe: {screen}");
    decide(&sandbox, &code, ("user", ADA));
    let run = login.finish(LIMIT).ok();
    assert!(run.stdout.contains(&format!("Successfully authenticated as {ADA}")), "{}", run.stdout);
    assert_eq!(sandbox.user_info(&home.token("work")).status, 200);
    assert_eq!((sandbox.count("device_grants"), sandbox.count("authorize")), (1, 0));
    let who = home.seqera("whoami --profile work -o json").run().ok().json();
    assert_eq!(who["auth_method"], "device");
}

#[test]
fn denied_expired_and_not_offered_are_told_apart() {
    let home = Home::new();
    let patient = sandbox(&json!({}));
    let (login, code) = begin(&home, &patient);
    decide(&patient, &code, ("deny", "1"));
    let denied = login.finish(LIMIT).fails_with(3);
    assert!(denied.stderr.contains("said no"), "{}", denied.stderr);

    let hasty = sandbox(&json!({"lifetime": 1}));
    let expired = home.seqera(&command(&hasty)).run().fails_with(4);
    assert!(expired.stderr.contains("the code has expired"), "{}", expired.stderr);

    let without = sandbox(&json!({"offered": false}));
    let not_offered = home.seqera(&command(&without)).run().fails_with(2);
    assert!(not_offered.stderr.contains("--with-token"), "{}", not_offered.stderr);
    assert_eq!(code_of_status(&home), Some(1), "there is no such profile");
}

#[test]
fn a_network_that_fails_while_polling_ends_nothing() {
    let (home, sandbox) = (Home::new(), sandbox(&json!({})));
    sandbox.fault(json!({"on": "poll", "kind": "status", "code": 503}));
    sandbox.fault(json!({"on": "poll", "kind": "reset"}));
    let (login, code) = begin(&home, &sandbox);
    sandbox.wait_for("poll", 2);
    decide(&sandbox, &code, ("user", ADA));
    login.finish(LIMIT).ok();
    assert_eq!(sandbox.user_info(&home.token("work")).status, 200);
}

#[test]
fn an_answer_with_tokens_that_is_lost_is_not_asked_for_again() {
    let (home, sandbox) = (Home::new(), sandbox(&json!({})));
    let (login, code) = begin(&home, &sandbox);
    sandbox.fault(json!({"on": "poll", "kind": "garbage", "body": "<html>", "after": true, "times": 0}));
    decide(&sandbox, &code, ("user", ADA));
    login.finish(LIMIT).fails_with(4);
    let polls = sandbox.stats()["calls"]["poll"].clone();
    sandbox.clear_faults();
    assert_eq!(code_of_status(&home), Some(1));
    assert_eq!(sandbox.stats()["calls"]["poll"], polls);
}

#[test]
fn interrupted_while_its_tokens_are_on_the_way_a_login_leaves_nothing_anywhere() {
    let (home, sandbox) = (Home::new(), sandbox(&json!({})));
    let (login, code) = begin(&home, &sandbox);
    decide(&sandbox, &code, ("user", ADA));
    // From here on, a poll that arrives is granted, but its answer is held back.
    sandbox.fault(json!({"on": "poll", "kind": "hang", "after": true, "times": 0}));
    let granted = || (sandbox.count("device_grants") == 1).then_some(());
    eventually(LIMIT, "tokens on the way", granted);
    signal(login.pid(), "INT");
    login.finish(LIMIT).fails_with(130);
    sandbox.clear_faults();
    eventually(LIMIT, "no token alive", || (sandbox.count("tokens_alive") == 0).then_some(()));
    assert_eq!(code_of_status(&home), Some(1));
    assert!(!home.config_dir().join("refresh-token.work").exists());
}

#[test]
fn two_logins_show_the_same_code_and_both_end_well() {
    let (home, sandbox) = (Home::new(), sandbox(&json!({})));
    let (first, code) = begin(&home, &sandbox);
    let (second, same) = begin(&home, &sandbox);
    assert_eq!(code, same);
    decide(&sandbox, &code, ("user", ADA));
    first.finish(LIMIT).ok();
    second.finish(LIMIT).ok();
    assert_eq!(sandbox.count("device_grants"), 1);
}

#[test]
fn a_program_gets_the_code_as_an_object_on_standard_error_and_the_session_on_standard_output() {
    let (home, sandbox) = (Home::new(), sandbox(&json!({})));
    let mut login = home.seqera(&format!("{} -o json", command(&sandbox))).start();
    let code = login.until("event", |output| {
        let events = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.into_iter().find(|event| event["event"] == "device_code")
    });
    let text = |name: &str| code[name].as_str().unwrap_or_default().to_owned();
    assert_eq!(text("verification_uri"), format!("{}/device", sandbox.authority));
    assert!(text("verification_uri_complete").ends_with(&text("user_code")));
    decide(&sandbox, &text("user_code"), ("user", ADA));
    let run = login.finish(LIMIT).ok();
    assert_eq!(run.json()["profile"], "work");
    assert!(!run.stderr.contains("enter this code"), "{}", run.stderr);
}

#[test]
fn on_a_terminal_there_is_a_picture_to_scan() {
    let (home, sandbox) = (Home::new().with("TERM", "xterm"), sandbox(&json!({})));
    let script = format!("stty rows 24 cols 80; seqera {}", command(&sandbox));
    let Some(terminal) = in_terminal(&home, &script) else { return };
    let mut login = terminal.start();
    login.until("all of it", |output| output.contains("Waiting for").then_some(()));
    let screen = seen(&login.stdout());
    let code = shown(&screen).expect("a code");
    let rows = screen.lines().filter(|line| line.contains("\x1b[30;107m")).count();
    assert!(rows > 12, "{screen}");
    let last: Vec<_> = screen.lines().skip_while(|line| !line.contains("\x1b[30;107m")).collect();
    assert!(last.len() < 24, "the picture and what is below it fit together: {screen}");
    assert!(last[rows].contains(&format!("{}/device", sandbox.authority)), "{screen}");
    assert!(last[rows + 1].ends_with(&code), "{screen}");
    decide(&sandbox, &code, ("user", ADA));
    login.finish(LIMIT).ok();
}

#[test]
fn where_the_picture_has_no_room_beside_the_code_there_is_none() {
    let (home, sandbox) = (Home::new().with("TERM", "xterm"), sandbox(&json!({})));
    for size in ["rows 20 cols 80", "rows 60 cols 30", "rows 0 cols 0"] {
        let script = format!("stty {size}; seqera {}", command(&sandbox));
        let Some(terminal) = in_terminal(&home, &script) else { return };
        let mut login = terminal.start();
        login.until("all of it", |output| output.contains("Waiting for").then_some(()));
        let screen = seen(&login.stdout());
        assert!(!screen.contains('█') && shown(&screen).is_some(), "{size}: {screen}");
        login.kill();
    }
}
