//! A provider and Platform that writes what deceives a reader, and without an end.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Run, Sandbox, eventually};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(60);

/// Turns the direction, starts a line, clears the screen, and is not seen at all.
const DECEPTIVE: &str = "Ada\u{202e}\n\u{2028}\u{85}[Login] forged\u{1b}[2J\u{9b}31m\u{200b}\u{e0041}";

/// Answers GET requests by their path, and all others with 404, until the test ends.
fn serve(answers: impl FnOnce(&str) -> HashMap<&'static str, Value>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let answers = answers(&url);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that has gone is no fault of this test.
            let _ = answer(stream, &answers);
        }
    });
    url
}

fn answer(mut stream: TcpStream, answers: &HashMap<&'static str, Value>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head);
    let path = head.split_whitespace().nth(1).unwrap_or_default();
    let (status, body) = match answers.get(path) {
        Some(Value::String(as_it_is)) => (200, as_it_is.clone()),
        Some(body) => (200, body.to_string()),
        None => (404, String::new()),
    };
    let length = body.len();
    write!(stream, "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// What was printed is short, and shows what it says.
#[track_caller]
fn assert_readable(run: &Run) {
    for text in [&run.stdout, &run.stderr] {
        let odd = |c: char| (c.is_control() && c != '\n') || "\u{202e}\u{2028}\u{200b}\u{e0041}".contains(c);
        assert!(!text.contains(odd), "{text:?}");
        assert!(!text.lines().any(|line| line.starts_with("[Login] forged")), "{text}");
        assert!(text.lines().all(|line| line.chars().count() < 1_500), "{text}");
    }
}

#[test]
fn an_issuer_of_any_length_is_told_in_an_error_and_loses_no_connection() {
    for issuer in ["x".repeat(9_000), "\u{202e}東".repeat(100_000), DECEPTIVE.to_owned()] {
        let url = serve(|url| {
            let document = json!({
                "issuer": issuer,
                "authorization_endpoint": format!("{url}/authorize"),
                "token_endpoint": format!("{url}/token"),
            });
            HashMap::from([("/.well-known/openid-configuration", document)])
        });
        let home = Home::new();
        let args = format!("login --no-browser --profile work --authority {url}");
        let failed = home.seqera(&args).run().fails_with(2);
        assert_readable(&failed);
        assert!(failed.stderr.contains("which is another issuer"), "{failed:?}");
        let failed = home.seqera(&format!("{args} -o json")).run().fails_with(2);
        assert_readable(&failed);
        let last: Value =
            serde_json::from_str(failed.stderr.lines().last().unwrap_or_default()).expect("JSON");
        assert_eq!(last["error"]["reason"], "MISCONFIGURED");
        let log = home.log();
        assert!(log.lines().all(|line| line.len() < 10_000) && !log.contains('\u{202e}'), "{log}");
    }
}

/// A Platform where every name is hostile.
fn platform(_: &str) -> HashMap<&'static str, Value> {
    let long = "東".repeat(100_000);
    let user = json!({"id": 7, "userName": DECEPTIVE, "email": format!("a@x.test{DECEPTIVE}"),
        "firstName": long, "lastName": DECEPTIVE});
    let organizations = json!([{"orgId": 1, "name": long, "fullName": DECEPTIVE},
        {"orgId": 2, "name": DECEPTIVE, "fullName": "x".repeat(300_000)}]);
    let row = |id: i64, name: &str| {
        json!({"orgId": 1, "orgName": DECEPTIVE, "workspaceId": id, "workspaceName": name,
            "workspaceFullName": name})
    };
    HashMap::from([
        ("/user-info", json!({"user": user})),
        ("/orgs", json!({"organizations": organizations})),
        ("/user/7/workspaces", json!({"orgsAndWorkspaces": [row(8, DECEPTIVE), row(9, &long)]})),
        ("/service-info", json!({"serviceInfo": {"version": DECEPTIVE, "apiVersion": "9".repeat(300_000)}})),
    ])
}

#[test]
fn names_of_any_kind_and_length_take_a_line_of_tables_objects_and_the_log() {
    let url = serve(platform);
    let home = Home::new();
    let login = format!("login --profile work --authority {url} --with-token");
    assert_readable(&home.seqera(&login).stdin("canary-pat\n").run().ok());
    for command in [
        "status",
        "status --check",
        "whoami",
        "whoami --check",
        "org",
        "org list",
        "workspace list",
        "profile list",
        "profile show",
        "info",
        "agent status",
    ] {
        let shown = home.seqera(&format!("{command} --profile work")).run().ok();
        assert_readable(&shown);
        let object = home.seqera(&format!("{command} --profile work -o json")).run().ok();
        let text = object.stdout.clone();
        assert!(
            !text.contains(['\u{202e}', '\u{2028}', '\u{1b}', '\u{9b}']) && text.len() < 20_000,
            "{text}"
        );
        assert_eq!(text.lines().count(), 1, "{text}");
        object.json();
    }
    let switched = home.seqera("org switch 1 --profile work").run().ok();
    assert_readable(&switched);
    let log = home.log();
    assert!(log.lines().all(|line| line.len() < 10_000) && !log.contains(['\u{202e}', '\u{1b}']), "{log}");
    let stored = std::fs::read_dir(home.config_dir().join("run")).expect("there are records").flatten();
    for folder in stored {
        let sessions = std::fs::read_to_string(folder.path().join("sessions.json")).unwrap_or_default();
        assert!(sessions.len() < 20_000, "{} bytes", sessions.len());
    }
}

/// What a program writes that has cut a name in the middle of a character.
#[test]
fn half_a_character_in_one_name_hides_neither_the_others_nor_the_account() {
    let url = serve(|_| {
        let half = |json: &str| Value::String(json.to_owned());
        HashMap::from([
            (
                "/user-info",
                half(r#"{"user":{"id":7,"userName":"ada","email":"a@x.test","firstName":"A\ud83d"}}"#),
            ),
            (
                "/orgs",
                half(r#"{"organizations":[{"orgId":1,"name":"whole"},{"orgId":2,"name":"half\ud83d"}]}"#),
            ),
            ("/user/7/workspaces", half(r#"{"orgsAndWorkspaces":[]}"#)),
        ])
    });
    let home = Home::new();
    let login = format!("login --profile work --authority {url} --with-token");
    home.seqera(&login).stdin("canary-pat\n").run().ok();
    let listed = home.seqera("org list --profile work").run().ok().stdout;
    assert!(listed.contains("whole") && listed.contains("half\u{fffd}"), "{listed}");
}

#[test]
fn a_token_that_no_header_takes_is_refused_and_never_shown() {
    let url = serve(platform);
    let home = Home::new();
    let login = format!("login --profile work --authority {url} --with-token");
    for token in ["canary\u{7f}x", "canaryé", "can\u{1b}ary", &format!("canary{}", "x".repeat(17_000))] {
        let failed = home.seqera(&login).stdin(&format!("{token}\n")).run().fails_with(2);
        // The client refuses what it can see by itself, and the agent the rest.
        let named = ["access token", "standard input"].iter().any(|what| failed.stderr.contains(what));
        assert!(named, "{failed:?}");
        assert!(!failed.stderr.contains("canary") && !home.log().contains("canary"), "{failed:?}");
    }
}

/// A provider that says for ever that it is working on it, and counts who has asked it.
fn serve_interim() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        let interim = b"HTTP/1.1 102 Processing\r\n\r\n".repeat(1000);
        for mut stream in listener.incoming().flatten() {
            // What comes before the question is no answer.
            if stream.read(&mut [0; 4096]).is_err() {
                continue;
            }
            count.fetch_add(1, Ordering::Relaxed);
            while stream.write_all(&interim).is_ok() {}
        }
    });
    (url, asked)
}

#[test]
fn interim_responses_without_an_end_keep_no_token_from_the_others() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    let (url, asked) = serve_interim();
    let mut login = home.seqera(&format!("login --device --profile odd --authority {url}/api")).start();
    eventually(LIMIT, "a request", || (asked.load(Ordering::Relaxed) > 0).then_some(()));
    for _ in 0..10 {
        home.seqera("token --profile work").run().ok();
    }
    assert!(
        login.is_running(),
        "all of them had their token while it was being answered: {}",
        login.stderr()
    );
}
