//! A login whose browser runs on another machine: the final URL is pasted into the terminal.

use std::time::Duration;

use seqera_tests::browser::{authorization_url, callback_url};
use seqera_tests::sandbox::ADA;
use seqera_tests::terminal::{in_terminal, seen};
use seqera_tests::{Home, Sandbox};

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
