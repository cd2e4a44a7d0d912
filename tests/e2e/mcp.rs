//! `seqera mcp` at servers, and behind a proxy, that do not behave as the SDK's own server does.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use seqera_tests::sandbox::{ADA, GRACE};
use seqera_tests::wait::Stopwatch;
use seqera_tests::{Home, Running, Sandbox, eventually};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(30);

/// One request: method, session, token, body.
struct Asked {
    method: String,
    session: String,
    token: String,
    body: String,
}

impl Asked {
    fn is(&self, method: &str) -> bool {
        self.body.contains(&format!("\"{method}\""))
    }
}

/// A head with its body, in the form that a connection ends after.
fn reply(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

const JSON: &str = "Content-Type: application/json\r\n";
const EVENTS: &str = "Content-Type: text/event-stream\r\n";

/// What a server answers everything that a test does not answer itself.
fn usual(asked: &Asked, sessions: usize) -> String {
    if asked.is("initialize") {
        let body = r#"{"jsonrpc":"2.0","id":"hello","result":{"protocolVersion":"2025-06-18"}}"#;
        return reply("200 OK", &format!("{JSON}Mcp-Session-Id: s{sessions}\r\n"), body);
    }
    match serde_json::from_str::<Value>(&asked.body).unwrap_or_default().get("id") {
        Some(id) => {
            let body = json!({"jsonrpc": "2.0", "id": id, "result": {}}).to_string();
            reply("200 OK", JSON, &body)
        }
        None => reply("202 Accepted", "", ""),
    }
}

/// What has been asked so far, and when.
type Seen = Arc<Mutex<Vec<(String, Duration)>>>;

fn count(seen: &Seen, what: &str) -> usize {
    seen.lock().expect("nobody panics with it").iter().filter(|(known, _)| known == what).count()
}

/// Listens, and answers each request by itself or as usual. `None`: never.
fn serve(answer: impl Fn(&Asked) -> Option<Option<String>> + Send + 'static) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let seen = Seen::default();
    let of_server = Arc::clone(&seen);
    std::thread::spawn(move || {
        let (mut held, watch) = (Vec::new(), Stopwatch::start());
        for peer in listener.incoming().flatten() {
            let Some(asked) = read(&peer) else { continue };
            let what = if asked.is("initialize") { "initialize".to_owned() } else { asked.method.clone() };
            of_server.lock().expect("nobody panics with it").push((what, watch.elapsed()));
            let sessions = count(&of_server, "initialize");
            match answer(&asked).unwrap_or_else(|| Some(usual(&asked, sessions))) {
                Some(text) => drop((&peer).write_all(text.as_bytes())),
                None => held.push(peer),
            }
        }
    });
    (address, seen)
}

fn read(peer: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(peer);
    let (mut first, mut length, mut session, mut token) = (String::new(), 0, String::new(), String::new());
    reader.read_line(&mut first).ok()?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().ok()?
            }
            Some((name, value)) if name.eq_ignore_ascii_case("mcp-session-id") => session = value.to_owned(),
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                token = value.strip_prefix("Bearer ").unwrap_or_default().to_owned();
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let method = first.split(' ').next()?.to_owned();
    Some(Asked { method, session, token, body: String::from_utf8(body).ok()? })
}

fn signed_in(sandbox: &Sandbox, url: &str, proxy: &str) -> Home {
    let home = Home::new();
    let settings =
        json!({"profiles": {"work": {"authority": sandbox.authority, "mcpUrl": url, "proxy": proxy}}});
    home.login("work", sandbox, ADA);
    home.write_config("config.json", &settings.to_string());
    home
}

fn request(id: &str, method: &str) -> String {
    let params = json!({"protocolVersion": "2025-06-18", "capabilities": {},
        "clientInfo": {"name": "a", "version": "1"}});
    format!("{}\n", json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
}

const READY: &str = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n";

fn answer(output: &str, id: &str) -> Option<Value> {
    let mut messages = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages.find(|message| message["id"] == json!(id))
}

fn begun(home: &Home) -> Running {
    let mut bridge = home.seqera("mcp --profile work").typed().start();
    bridge.write(&request("hello", "initialize"));
    bridge.until("a greeting", |output| answer(output, "hello"));
    bridge.write(READY);
    bridge
}

fn ask(bridge: &mut Running, id: &str) -> Value {
    bridge.write(&request(id, "ping"));
    bridge.until("an answer", |output| answer(output, id))
}

#[test]
fn a_server_that_says_404_where_it_has_no_stream_keeps_its_session() {
    let sandbox = Sandbox::calm();
    let (address, seen) =
        serve(|asked| (asked.method == "GET").then(|| Some(reply("404 Not Found", "", ""))));
    let home = signed_in(&sandbox, &format!("http://{address}/mcp"), "");
    let mut bridge = begun(&home);
    eventually(LIMIT, "a look for a stream", || (count(&seen, "GET") > 0).then_some(()));
    for number in 0..30 {
        assert!(ask(&mut bridge, &format!("p{number}"))["result"].is_object());
    }
    assert_eq!((count(&seen, "initialize"), count(&seen, "GET")), (1, 1));
}

#[test]
fn a_server_that_forgets_each_session_is_asked_ever_more_seldom() {
    let sandbox = Sandbox::calm();
    let heard = Mutex::new(std::collections::HashSet::new());
    let (address, seen) = serve(move |asked| {
        // Each session has a stream once, and is unknown then.
        let first = || heard.lock().expect("nobody panics with it").insert(asked.session.clone());
        (asked.method == "GET").then(|| {
            Some(if first() {
                reply("200 OK", EVENTS, ": hello\n\n")
            } else {
                reply("404 Not Found", "", "")
            })
        })
    });
    let home = signed_in(&sandbox, &format!("http://{address}/mcp"), "");
    let _bridge = begun(&home);
    eventually(LIMIT, "four sessions", || (count(&seen, "initialize") >= 4).then_some(()));
    let seen = seen.lock().expect("nobody panics with it");
    let times: Vec<_> = seen.iter().filter(|(what, _)| what == "initialize").map(|(_, at)| *at).collect();
    for (pair, least) in times.windows(2).zip([200, 400, 800]) {
        // The stream is taken up again after 200 ms as well.
        assert!(pair[1] - pair[0] >= Duration::from_millis(200 + least), "{least}: {:?}", pair[1] - pair[0]);
    }
}

#[test]
fn a_stream_that_takes_no_token_is_not_asked_for_again() {
    let sandbox = Sandbox::calm();
    let (address, seen) =
        serve(|asked| (asked.method == "GET").then(|| Some(reply("401 Unauthorized", "", ""))));
    let home = signed_in(&sandbox, &format!("http://{address}/mcp"), "");
    let mut bridge = begun(&home);
    eventually(LIMIT, "the refusal", || bridge.stderr().contains("refuses the token").then_some(()));
    assert!(ask(&mut bridge, "p")["result"].is_object());
    assert_eq!(count(&seen, "GET"), 2, "once with each token");
}

#[test]
fn a_proxy_that_refuses_the_password_is_asked_once() {
    let sandbox = Sandbox::calm();
    let asks = "Proxy-Authenticate: Basic realm=\"site\"\r\n";
    let (proxy, seen) = serve(move |asked| {
        let refused = || reply("407 Proxy Authentication Required", asks, "");
        (asked.method == "CONNECT").then(|| Some(refused()))
    });
    let home = signed_in(&sandbox, "https://mcp.site.test/mcp", &format!("http://ada:wrong-canary@{proxy}"));
    let mut bridge = home.seqera("mcp --profile work").typed().start();
    bridge.write(&request("hello", "initialize"));
    let error = bridge.until("an answer", |output| answer(output, "hello"))["error"].clone();
    assert_eq!(error["data"]["reason"], "PROXY_REFUSED", "{error}");
    let message = error["message"].to_string();
    assert!(message.contains("(407)") && message.contains("'proxy' in config.json"), "{error}");
    assert!(!bridge.stderr().contains("canary") && !message.contains("canary"));
    assert_eq!(count(&seen, "CONNECT"), 1);
}

#[test]
fn what_is_no_message_never_reaches_the_assistant() {
    let sandbox = Sandbox::calm();
    let (address, _) = serve(|asked| {
        let raw = "well \x1b[2Jdone";
        if asked.is("json") {
            return Some(Some(reply("200 OK", JSON, raw)));
        }
        asked.is("events").then(|| Some(reply("200 OK", EVENTS, &format!("data: {raw}\n\n"))))
    });
    let home = signed_in(&sandbox, &format!("http://{address}/mcp"), "");
    let mut bridge = begun(&home);
    for way in ["json", "events"] {
        bridge.write(&request(way, way));
        let error = bridge.until("an answer", |output| answer(output, way))["error"].clone();
        assert!(error["message"].as_str().is_some_and(|said| said.contains("no message of MCP")), "{error}");
    }
    assert!(!bridge.stdout().contains('\x1b') && !bridge.stderr().contains('\x1b'));
}

#[test]
fn what_still_runs_at_the_end_of_the_input_is_answered() {
    let sandbox = Sandbox::calm();
    let (address, _) = serve(|asked| asked.is("slow").then_some(None));
    let home = signed_in(&sandbox, &format!("http://{address}/mcp"), "");
    let lines = [request("hello", "initialize"), request("slow", "slow"), request("p", "ping")].concat();
    let run = home.seqera("mcp --profile work").stdin(&lines).run().ok();
    for (id, part) in [("hello", "result"), ("p", "result"), ("slow", "error")] {
        let message = answer(&run.stdout, id).unwrap_or_else(|| panic!("{id}: {run:?}"));
        assert!(message[part].is_object(), "{message}");
    }
    assert_eq!(run.stdout.lines().count(), 3, "each is answered once: {}", run.stdout);
    assert!(run.stderr.contains("before the server has answered"), "{}", run.stderr);
}

static SERVERS: AtomicUsize = AtomicUsize::new(100);

/// Token and session of each request.
type Noted = Arc<Mutex<Vec<(String, String)>>>;

/// A server that notes them. No two have a session of the same name.
fn noting() -> (String, Noted) {
    let noted = Noted::default();
    let of_server = Arc::clone(&noted);
    let number = SERVERS.fetch_add(1, Ordering::Relaxed);
    let (address, _) = serve(move |asked| {
        let seen = (asked.token.clone(), asked.session.clone());
        of_server.lock().expect("nobody panics with it").push(seen);
        asked.is("initialize").then(|| Some(usual(asked, number)))
    });
    (format!("http://{address}/mcp"), noted)
}

/// The file names this server for each authority, in sections whose names say nothing.
fn named(home: &Home, servers: &[(&str, &str)]) {
    let sections = servers.iter().enumerate().map(|(number, (authority, url))| {
        (format!("s{number}"), json!({"authority": authority, "mcpUrl": url}))
    });
    let profiles: serde_json::Map<_, _> = sections.collect();
    home.write_config("config.json", &json!({"profiles": profiles}).to_string());
}

#[test]
fn a_token_of_a_variable_goes_to_the_server_that_the_file_names_for_its_authority() {
    let (own, other) = ("https://a.test/api", "https://b.test/api");
    let ((server, seen), home) = (noting(), Home::new());
    let pair = [("TOWER_ACCESS_TOKEN", "canary"), ("TOWER_API_ENDPOINT", own)];
    let run = |args: &str| pair.iter().fold(home.seqera(args), |run, (name, value)| run.env(name, value));
    // What the error tells to write is what helps.
    let told = run("mcp").run().fails_with(2).stderr;
    let written = r#"{"profiles": {"any-name": {"authority": "https://a.test/api", "mcpUrl": "#;
    assert!(told.contains(written) && !told.contains("canary"), "{told}");
    named(&home, &[(other, &server)]);
    for args in ["mcp".to_owned(), format!("mcp {server}")] {
        assert!(run(&args).run().fails_with(2).stderr.contains("https://a.test/api"), "{args}");
    }
    named(&home, &[(other, "https://mcp.b.test"), (own, &server)]);
    let mut bridge = run("mcp").typed().start();
    bridge.write(&request("hello", "initialize"));
    bridge.until("a greeting", |output| answer(output, "hello"));
    let seen = seen.lock().expect("nobody panics with it").clone();
    assert!(!seen.is_empty() && seen.iter().all(|(token, _)| token == "canary"), "{seen:?}");
}

#[test]
fn a_file_that_holds_another_accounts_token_by_now_leads_to_that_ones_server_without_the_first_ones_session()
{
    let ((first, seen_first), (second, seen_second), home) = (noting(), noting(), Home::new());
    named(&home, &[("https://a.test/api", &first), ("https://b.test/api", &second)]);
    let file = home.root().join("token");
    let hold = |token: &str, beside: &str| {
        let text = format!("{token}\n# seqera token file\n{beside}");
        std::fs::write(&file, text).expect("a writable home");
    };
    hold("of-a", "authority=https://a.test/api\n");
    let mut bridge = home.seqera("mcp").env("SEQERA_ACCESS_TOKEN_FILE", &file).typed().start();
    bridge.write(&request("hello", "initialize"));
    bridge.until("a greeting", |output| answer(output, "hello"));
    bridge.write(READY);
    ask(&mut bridge, "p1");
    hold("of-b", "authority=https://b.test/api\n");
    ask(&mut bridge, "p2");
    // A token that is nobody's is not the first one's.
    hold("of-nobody", "");
    let refused = ask(&mut bridge, "p3")["error"]["message"].to_string();
    assert!(refused.contains("sent nowhere"), "{refused}");
    let seen = |noted: &Mutex<Vec<_>>| noted.lock().expect("nobody panics with it").clone();
    let (first, second) = (seen(&seen_first), seen(&seen_second));
    assert!(first.iter().all(|(token, _)| token == "of-a"), "{first:?}");
    assert!(!second.is_empty() && second.iter().all(|(token, _)| token == "of-b"), "{second:?}");
    let sessions = |of: &[(String, String)]| -> BTreeSet<String> {
        of.iter().map(|(_, session)| session.clone()).filter(|session| !session.is_empty()).collect()
    };
    let (first, second) = (sessions(&first), sessions(&second));
    assert!(
        first.len() == 1 && second.len() == 1 && first != second,
        "each has its own: {first:?} {second:?}"
    );
}

#[test]
fn what_could_be_read_in_two_ways_is_refused_and_nothing_else_is_taken_for_a_token() {
    let sandbox = Sandbox::calm();
    let home = signed_in(&sandbox, "https://mcp.site.test/mcp", "http:/ada:canary@proxy.test:9");
    let run = home.seqera("mcp --profile work").run().fails_with(2);
    assert!(
        run.stderr.contains("'proxy' in config.json") && !run.stderr.contains("canary"),
        "{}",
        run.stderr
    );
    let section =
        json!({"authority": sandbox.authority, "mcpUrl": "https://mcp.site.test/mcp", "caFile": "own.pem"});
    home.write_config("config.json", &json!({"profiles": {"work": section}}).to_string());
    std::fs::write(home.root().join("own.pem"), "").expect("a writable home");
    let run = home.seqera("mcp --profile work").run().fails_with(2);
    assert!(run.stderr.contains("'caFile' in config.json must be an absolute path"), "{}", run.stderr);
    let bridge = home.program("seqera-mcp").args(["--variable", "OTHER", "--authority", "https://a.test"]);
    let run = bridge.env("OTHER", "canary").run().fails_with(2);
    assert!(run.stderr.contains("--variable") && !run.stderr.contains("canary"), "{}", run.stderr);
}

/// A home whose profiles have their servers behind a proxy and on this machine.
fn of_several(sandbox: &Sandbox, proxy: &str, near: &str) -> Home {
    let home = Home::new();
    let authority = &sandbox.authority;
    let settings = json!({"profiles": {
        "far": {"authority": authority, "mcpUrl": "https://mcp.site.test/mcp", "proxy": proxy},
        "near": {"authority": authority, "mcpUrl": format!("http://{near}/mcp")},
        "next": {"authority": authority, "mcpUrl": format!("http://{near}/mcp")}}});
    for (profile, user) in [("far", ADA), ("near", ADA), ("next", GRACE)] {
        home.login(profile, sandbox, user);
    }
    home.write_config("config.json", &settings.to_string());
    home
}

#[test]
fn the_proxy_of_one_profile_sees_no_token_of_the_next() {
    let sandbox = Sandbox::calm();
    let (proxy, at_proxy) =
        serve(|asked| (asked.method == "CONNECT").then(|| Some(reply("502 Bad Gateway", "", ""))));
    let (near, _) = serve(|_| None);
    let home = of_several(&sandbox, &format!("http://{proxy}"), &near);
    home.seqera("profile use far").run().ok();
    let mut bridge = home.seqera("mcp").typed().start();
    bridge.write(&request("hello", "initialize"));
    eventually(LIMIT, "the way to the first server", || (count(&at_proxy, "CONNECT") > 0).then_some(()));
    home.seqera("profile use near").run().ok();
    let greeted = bridge.until("a greeting", |output| answer(output, "hello"));
    assert!(greeted["result"].is_object(), "{greeted}");
    assert!(ask(&mut bridge, "p")["result"].is_object());
    let seen = at_proxy.lock().expect("nobody panics with it");
    assert!(seen.iter().all(|(what, _)| what == "CONNECT"), "{seen:?}");
}

#[test]
fn the_session_of_one_account_goes_with_no_other_accounts_token() {
    let sandbox = Sandbox::calm();
    let used = Arc::new(Mutex::new(Vec::new()));
    let of_server = Arc::clone(&used);
    let (near, seen) = serve(move |asked| {
        if asked.is("ping") {
            of_server.lock().expect("nobody panics with it").push(asked.session.clone());
        }
        None
    });
    let home = of_several(&sandbox, "http://127.0.0.1:9", &near);
    home.seqera("profile use near").run().ok();
    let mut bridge = home.seqera("mcp").typed().start();
    bridge.write(&request("hello", "initialize"));
    bridge.until("a greeting", |output| answer(output, "hello"));
    bridge.write(READY);
    assert!(ask(&mut bridge, "one")["result"].is_object());
    home.seqera("profile use next").run().ok();
    assert!(ask(&mut bridge, "two")["result"].is_object());
    assert!(ask(&mut bridge, "three")["result"].is_object());
    assert_eq!(*used.lock().expect("nobody panics with it"), ["s1", "s2", "s2"]);
    assert_eq!(count(&seen, "initialize"), 2);
}
