//! The loopback callback of a login, called by strangers and by the right browser.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use seqera_tests::browser::{self, authorization_url, callback_url, parameter};
use seqera_tests::http::{self, decode};
use seqera_tests::reaper::signal;
use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Running, Sandbox, eventually};

const LIMIT: Duration = Duration::from_secs(30);

/// A login that is waiting for its browser.
struct Waiting {
    login: Running,
    url: String,
    redirect: String,
}

fn begin(home: &Home, sandbox: &Sandbox) -> Waiting {
    let args = format!("login --no-browser --profile work --authority {}", sandbox.authority);
    let mut login = home.seqera(&args).start();
    let url = login.until("authorization URL", authorization_url);
    let redirect = decode(parameter(&url, "redirect_uri").expect("the URL names the callback"));
    Waiting { login, url, redirect }
}

#[test]
fn a_wrong_state_is_refused_and_the_right_browser_still_gets_in() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let waiting = begin(&home, &sandbox);
    for query in ["code=stolen&state=guessed", "code=stolen", "error=access_denied&state="] {
        assert_eq!(http::get(&format!("{}?{query}", waiting.redirect), &[]).status, 400, "{query}");
    }
    let page = browser::sign_in(&waiting.url, ADA);
    assert_eq!(page.status, 200);
    waiting.login.finish(LIMIT).ok();
    home.token("work");
}

#[test]
fn a_foreign_host_header_is_refused_even_with_the_right_answer() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let waiting = begin(&home, &sandbox);
    let answer = callback_url(&waiting.url, ADA);
    let rebound = http::get(&answer, &[("host", "attacker.test")]);
    assert!([400, 403, 421].contains(&rebound.status), "{rebound:?}");
    assert_eq!(sandbox.count("code_exchanges"), 0, "the code was not used");
    assert_eq!(http::get(&answer, &[]).status, 200);
    waiting.login.finish(LIMIT).ok();
}

/// A browser that keeps its arguments, and what it kept.
fn fake_browser(home: &Home) -> (PathBuf, PathBuf) {
    let (browser, kept) = (home.root().join("browser"), home.root().join("arguments"));
    // Written under another name first, so that the test never sees half of it.
    let script = format!("#!/bin/sh\necho \"$@\" >'{0}.new' && mv '{0}.new' '{0}'\n", kept.display());
    std::fs::write(&browser, script).expect("a script");
    std::fs::set_permissions(&browser, PermissionsExt::from_mode(0o755)).expect("an owner may");
    (browser, kept)
}

#[test]
fn the_arguments_of_the_browser_hold_no_secret_and_lead_to_the_provider_once() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let (browser, kept) = fake_browser(&home);
    let home = home.with("BROWSER", &browser).with("SEQERA_BROWSER_AUTO_OPEN", "true");
    let args = format!("login --profile work --authority {}", sandbox.authority);
    let mut login = home.seqera(&args).start();
    let url = login.until("authorization URL", authorization_url);
    let arguments = eventually(LIMIT, "a browser", || std::fs::read_to_string(&kept).ok());
    let secrets =
        ["state", "nonce", "code_challenge"].map(|name| parameter(&url, name).expect("it is there"));
    for secret in secrets {
        assert!(!arguments.contains(secret), "{arguments}");
    }
    let opened = http::get(arguments.trim(), &[]);
    assert_eq!((opened.status, opened.header("location")), (302, Some(&*url)));
    let again = http::get(arguments.trim(), &[]);
    assert!(again.status == 410 && again.header("location").is_none(), "{again:?}");
    assert_eq!(browser::sign_in(&url, ADA).status, 200, "the address of the terminal still works");
    login.finish(LIMIT).ok();
}

#[test]
fn a_replayed_callback_changes_nothing() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let waiting = begin(&home, &sandbox);
    let answer = callback_url(&waiting.url, ADA);
    assert_eq!(http::get(&answer, &[]).status, 200);
    waiting.login.finish(LIMIT).ok();
    let replay = http::request("GET", &answer, &[], "");
    assert!(replay.as_ref().map_or(true, |reply| reply.status >= 400), "{replay:?}");
    assert_eq!(sandbox.count("code_exchanges"), 1);
    assert_eq!(sandbox.user_info(&home.token("work")).status, 200, "the session lives on");
}

#[test]
fn markup_in_an_error_is_shown_as_text() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let waiting = begin(&home, &sandbox);
    let state = parameter(&waiting.url, "state").expect("the URL has a state");
    let error = "error=access_denied&error_description=%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    let issuer = http::encode(&sandbox.authority);
    let page = http::get(&format!("{}?{error}&state={state}&iss={issuer}", waiting.redirect), &[]);
    assert!(!page.body.contains("<script>alert"), "{}", page.body);
    assert!(waiting.login.finish(LIMIT).fails_with(3).stderr.contains("error: "));
}

#[test]
fn a_person_who_refuses_is_told_so_and_no_profile_is_made() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let waiting = begin(&home, &sandbox);
    browser::deny(&waiting.url);
    waiting.login.finish(LIMIT).fails_with(3);
    // The login failed, so there is no profile with this name either.
    let unknown = home.seqera("token --profile work -o json").run().fails_with(1).error_json();
    assert_eq!(unknown["reason"], "UNKNOWN_PROFILE");
}

#[test]
fn a_login_that_nobody_finishes_times_out() {
    let (home, sandbox) = (Home::new().with("SEQERA_AUTH_CALLBACK_TIMEOUT_MS", "1000"), Sandbox::calm());
    let args = format!("login --no-browser --profile work --authority {} -o json", sandbox.authority);
    let error = home.seqera(&args).run().fails_with(4);
    assert!(error.stderr.contains("LOGIN_TIMED_OUT"), "{error:?}");
}

#[test]
fn the_callback_port_is_bound_to_loopback_only_and_freed_when_the_person_gives_up() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let waiting = begin(&home, &sandbox);
    let address = http::split(&waiting.redirect).0.to_owned();
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    assert!(TcpStream::connect(&address).is_ok());
    let port = address.rsplit(':').next().expect("an address has a port");
    let sockets = std::fs::read_to_string("/proc/net/tcp").expect("procfs");
    let everywhere = format!("00000000:{:04X}", port.parse::<u16>().expect("a port"));
    assert!(!sockets.contains(&everywhere), "it listens on all interfaces");
    signal(waiting.login.pid(), "INT");
    waiting.login.finish(LIMIT).fails_with(130);
    eventually(LIMIT, "a free port", || TcpStream::connect(&address).is_err().then_some(()));
}

#[test]
fn a_second_login_of_the_same_profile_joins_the_first() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let first = begin(&home, &sandbox);
    let second = begin(&home, &sandbox);
    assert_eq!(first.url, second.url);
    browser::sign_in(&first.url, ADA);
    first.login.finish(LIMIT).ok();
    second.login.finish(LIMIT).ok();
    assert_eq!(sandbox.count("code_exchanges"), 1);
}

#[test]
fn a_port_that_the_person_chose_and_somebody_else_uses_is_an_error() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("it is bound").port().to_string();
    let args = format!("login --no-browser --profile work --authority {}", sandbox.authority);
    let failed = home.seqera(&args).env("SEQERA_AUTH_REDIRECT_PORT", &port).run().fails_with(2);
    assert!(failed.stderr.contains(&port) && failed.stderr.contains("hint: "), "{}", failed.stderr);
    assert!(failed.stderr.contains("SEQERA_AUTH_REDIRECT_PORT"), "{}", failed.stderr);
}

#[test]
fn a_login_that_fails_leaves_the_session_before_it_as_it_was() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    let before = home.token("work");
    let args = format!("login --force --no-browser --profile work --authority {}", sandbox.authority);
    let mut login = home.seqera(&args).start();
    let url = login.until("authorization URL", authorization_url);
    browser::deny(&url);
    login.finish(LIMIT).fails_with(3);
    assert_eq!(home.token("work"), before);
}

/// RFC 8628, section 5.4: a sign-in that nobody asked for trains people to agree to anything.
#[test]
fn only_login_starts_a_login() {
    let (home, sandbox) = (Home::new().with("SEQERA_BROWSER_AUTO_OPEN", "true"), Sandbox::calm());
    let home = home.with("SEQERA_AUTH_DOMAIN", &sandbox.authority);
    for command in ["token", "exec -- true", "whoami", "status", "agent start", "agent restart"] {
        home.seqera(command).run();
    }
    home.seqera("token").run().fails_with(3);
    assert_eq!((sandbox.count("authorize"), sandbox.count("discovery")), (0, 0));
}
