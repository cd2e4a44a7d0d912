//! A login whose browser runs on another machine: the final URL is pasted into the terminal.

use std::time::Duration;

use seqera_tests::browser::{authorization_url, callback_url};
use seqera_tests::sandbox::ADA;
use seqera_tests::terminal::{in_terminal, seen};
use seqera_tests::{Home, Sandbox, eventually};

const LIMIT: Duration = Duration::from_secs(30);

fn command(sandbox: &Sandbox) -> String {
    format!("seqera login --no-browser --profile work --authority {}", sandbox.authority)
}

#[test]
fn a_wrong_paste_is_told_and_the_right_one_signs_in() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let Some(terminal) = in_terminal(&home, &command(&sandbox)) else { return };
    let mut login = terminal.start();
    let url = login.until("authorization URL", |output| authorization_url(&seen(output)));
    login.until("way to paste", |output| output.contains("paste the address").then_some(()));
    let answer = callback_url(&url, ADA);
    login.write("\n");
    let code_alone = answer.split(['?', '&']).nth(1).expect("the answer has a code");
    login.write(&format!("{code_alone}\n"));
    login.until("warning", |output| output.contains("there is no state in it").then_some(()));
    let other = format!("{}&state=other", answer.split("&state").next().unwrap_or_default());
    login.write(&format!("{other}\n"));
    login.until("warning", |output| output.contains("not the answer to the sign-in").then_some(()));
    assert_eq!(sandbox.count("code_exchanges"), 0);
    login.write(&format!("{answer}\n"));
    login.finish(LIMIT).ok();
    assert_eq!(sandbox.user_info(&home.token("work")).status, 200);
}

#[test]
fn what_stands_in_a_pipe_is_left_to_whom_it_is_for() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let script = format!("{} >/dev/null && cat", command(&sandbox));
    let mut login = home.shell(&script).stdin("a line for the next program\n").start();
    let url = login.until("authorization URL", authorization_url);
    assert!(!login.stderr().contains("paste"), "{}", login.stderr());
    seqera_tests::browser::sign_in(&url, ADA);
    assert_eq!(login.finish(LIMIT).ok().line(), "a line for the next program");
}

/// What follows a login in the same terminal: its exit code, and whether the terminal shows what is typed.
const AFTER: &str = "; echo \"code=$?\"; stty -a | grep -oE -- '-?(echo|icanon)( |$)'";

fn with_token(sandbox: &Sandbox) -> String {
    format!("seqera login --with-token --profile pat --authority {}", sandbox.authority)
}

fn prompted(output: &str) -> Option<()> {
    output.contains("Paste the access token").then_some(())
}

/// The modes of a terminal in which a person can go on working.
#[track_caller]
fn is_as_before(output: &str) {
    let seen = seen(output);
    let modes: Vec<&str> = seen
        .lines()
        .map(str::trim)
        .filter(|line| line.ends_with("icanon") || line.ends_with("echo"))
        .collect();
    assert_eq!(modes.len(), 2, "{seen}");
    assert!(modes.contains(&"echo") && modes.contains(&"icanon"), "{seen}");
}

#[test]
fn a_pasted_token_is_not_shown_and_may_be_long_broken_and_marked() {
    let sandbox = Sandbox::calm();
    let token = sandbox.personal_token("ada");
    let (start, rest) = token.split_at(token.len() / 2);
    // A terminal that edits lines itself passes on 4,095 bytes of one.
    let long = format!("\"{}{token}\"", " ".repeat(6000));
    for typed in [
        format!("{token}\r"),
        format!("{long}\r"),
        format!("\x1b[200~{token}\x1b[201~\r"),
        format!("\x1b[200~{long}\x1b[201~\r"),
        format!("\x1b[200~{start}\r\n{rest}\r\n\x1b[201~"),
        format!("{start}\r{rest}\r"),
        format!("wrong\x15export TOWER_ACCESS_TOKEN={token}\r"),
        format!("{token}x\x7f\x04"),
    ] {
        let home = Home::new();
        let Some(terminal) = in_terminal(&home, &format!("{}{AFTER}", with_token(&sandbox))) else { return };
        let mut login = terminal.start();
        login.until("prompt", prompted);
        login.write(&typed);
        let run = login.finish(LIMIT);
        assert!(run.stdout.contains("code=0"), "{typed:?}: {run:?}");
        assert!(!run.stdout.contains(start) && !run.stdout.contains(rest), "{typed:?}: {run:?}");
        is_as_before(&run.stdout);
        assert_eq!(home.token("pat"), token);
    }
}

#[test]
fn after_a_wrong_token_the_next_one_is_waited_for() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let token = sandbox.personal_token("ada");
    let Some(terminal) = in_terminal(&home, &format!("{}{AFTER}", with_token(&sandbox))) else { return };
    let mut login = terminal.start();
    login.until("prompt", prompted);
    login.write("\r\rcanary canary\r");
    login.until("word about it", |output| output.contains("has 2 words").then_some(()));
    login.write("$CANARY\r");
    login.until("word about it", |output| output.contains("begins with '$'").then_some(()));
    login.write("canary-that-nobody-knows\r");
    login.until("refusal", |output| output.contains("refuses this access token").then_some(()));
    login.until("second prompt", |output| {
        (output.matches("Paste the access token").count() == 2).then_some(())
    });
    login.write(&format!("{token}\r"));
    let run = login.finish(LIMIT);
    assert!(run.stdout.contains("code=0") && !run.stdout.to_lowercase().contains("canary"), "{run:?}");
    assert_eq!(home.token("pat"), token);
}

#[test]
fn however_the_typing_ends_the_terminal_shows_again_what_is_typed() {
    let sandbox = Sandbox::calm();
    for (key, code) in [("\x04", 2), ("\x03", 130), ("\x1c", 131)] {
        let home = Home::new();
        let command = format!("trap : INT QUIT; {}{AFTER}", with_token(&sandbox));
        let Some(terminal) = in_terminal(&home, &command) else { return };
        let mut login = terminal.start();
        login.until("prompt", prompted);
        login.write(&format!("half of a\x15{key}"));
        let run = login.finish(LIMIT);
        assert!(run.stdout.contains(&format!("code={code}")), "{key:?}: {run:?}");
        is_as_before(&run.stdout);
    }
    for (signal, code) in [("TERM", 143), ("HUP", 129), ("INT", 130)] {
        let home = Home::new();
        let command = format!("sh -c 'echo \"pid=$$.\"; exec {}'{AFTER}", with_token(&sandbox));
        let Some(terminal) = in_terminal(&home, &command) else { return };
        let mut login = terminal.start();
        let pid = login.until("process id", pid);
        login.until("prompt", prompted);
        home.program("kill").args([format!("-{signal}"), pid]).run().ok();
        let run = login.finish(LIMIT);
        assert!(run.stdout.contains(&format!("code={code}")), "{signal}: {run:?}");
        is_as_before(&run.stdout);
    }
}

fn pid(output: &str) -> Option<String> {
    let (_, rest) = output.split_once("pid=")?;
    rest.split_once('.').map(|(pid, _)| pid.to_owned())
}

#[test]
fn while_the_login_is_stopped_the_terminal_is_the_shells_and_afterwards_quiet_again() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let token = sandbox.personal_token("ada");
    let command = format!("sh -c 'echo \"pid=$$.\"; exec {}'{AFTER}", with_token(&sandbox));
    let Some(terminal) = in_terminal(&home, &command) else { return };
    let mut login = terminal.start();
    let pid = login.until("process id", pid);
    login.until("prompt", prompted);
    let shows = |wanted: bool| {
        let modes = home.program("stty").args(["-a", "-F", &format!("/proc/{pid}/fd/0")]).run().ok().stdout;
        (modes.split_whitespace().any(|mode| mode == "echo") == wanted).then_some(())
    };
    let is_stopped = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit(") ").next()?.starts_with('T').then_some(())
    };
    eventually(LIMIT, "a terminal that shows nothing", || shows(false));
    home.program("kill").args(["-TSTP", &pid]).run().ok();
    eventually(LIMIT, "a process that has stopped", is_stopped);
    assert_eq!(shows(true), Some(()));
    home.program("kill").args(["-CONT", &pid]).run().ok();
    eventually(LIMIT, "a terminal that shows nothing", || shows(false));
    login.write(&format!("{token}\r"));
    let run = login.finish(LIMIT);
    assert!(run.stdout.contains("code=0") && !run.stdout.contains(&token), "{run:?}");
    is_as_before(&run.stdout);
}

#[test]
fn a_pasted_answer_may_be_broken_marked_and_copied_with_its_surroundings() {
    let sandbox = Sandbox::calm();
    type Copied = fn(&str) -> String;
    let broken: Copied = |answer| {
        let (start, rest) = answer.split_at(40);
        format!("\x1b[200~{start}\r\n{rest}\x1b[201~\r")
    };
    let in_words: Copied = |answer| format!("it says \"{}\".\r", answer.replace('&', "&amp;"));
    let at_once: Copied = |answer| {
        let (start, rest) = answer.split_at(60);
        format!("{start}\r{rest}\r")
    };
    for copied in [broken, in_words, at_once] {
        let home = Home::new();
        let Some(terminal) = in_terminal(&home, &format!("{}{AFTER}", command(&sandbox))) else { return };
        let mut login = terminal.start();
        let url = login.until("authorization URL", |output| authorization_url(&seen(output)));
        login.until("way to paste", |output| output.contains("paste the address").then_some(()));
        let answer = callback_url(&url, ADA);
        login.write(&copied(&answer));
        let run = login.finish(LIMIT);
        assert!(run.stdout.contains("code=0"), "{run:?}");
        let code = answer.split(['?', '&']).nth(1).expect("the answer has a code");
        assert!(!run.stdout.contains(code), "a one-time secret is not shown: {run:?}");
        is_as_before(&run.stdout);
    }
}
