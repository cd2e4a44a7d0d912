//! `seqera mcp` between the official SDK as an assistant and the official SDK as a server, which asks the sandbox
//! about every token.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Sandbox, binaries, eventually, http, skip};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(120);

fn folder() -> PathBuf {
    binaries::workspace().join("tests/peers/mcp")
}

/// A server. It stops with this value.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(authority: &str, port: &str) -> Self {
        let mut child = Command::new("node")
            .args(["server.mjs", authority, port])
            .current_dir(folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node can be started");
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        stdout.read_line(&mut line).expect("the server says where it serves");
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        Self { child, url: format!("http://127.0.0.1:{}", ready["port"]) }
    }

    fn stats(&self) -> Value {
        http::get(&format!("{}/control/stats", self.url), &[]).json()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A signed-in home whose file names the server; `None`, and the test is skipped, where node or the SDK is missing.
fn stage(settings: &Value) -> Option<(Home, Sandbox, Server)> {
    if !skip::have(&["node"], "install Node.js 20 or later") {
        return None;
    }
    if !folder().join("node_modules/@modelcontextprotocol/sdk").is_dir() {
        skip::skip("the SDK of MCP is missing (npm ci in tests/peers/mcp)");
        return None;
    }
    let sandbox = Sandbox::start(settings);
    let server = Server::start(&sandbox.authority, "0");
    let home = Home::new();
    let section = json!({"authority": sandbox.authority, "mcpUrl": format!("{}/mcp", server.url)});
    home.write_config("config.json", &json!({"profiles": {"work": section}}).to_string());
    home.login("work", &sandbox, ADA);
    Some((home, sandbox, server))
}

fn play(home: &Home, server: &Server, scenario: &str) -> Value {
    let client = folder().join("client.mjs").display().to_string();
    home.program("node").args([&client, scenario, &server.url]).limit(LIMIT).run().ok().json()
}

#[test]
fn an_assistant_calls_tools_and_hears_what_the_server_says_of_its_own_accord() {
    let Some((home, _sandbox, server)) = stage(&json!({})) else { return };
    let seen = play(&home, &server, "basic");
    assert_eq!(seen["tools"], json!(["echo", "token", "notify", "slow"]));
    assert_eq!((&seen["echoed"], &seen["failed"]), (&json!(true), &json!(true)));
    assert_eq!(seen["heard"], json!(["inside", "outside"]));
    let stats = server.stats();
    assert_eq!((&stats["sessions"], &stats["deleted"]), (&json!(1), &json!(1)), "the session is given back");
    assert_eq!(stats["versions"].as_array().map(Vec::len), Some(1), "{stats}");
}

#[test]
fn a_cancelled_call_ends_at_the_server_and_the_others_go_on() {
    let Some((home, _sandbox, server)) = stage(&json!({})) else { return };
    let seen = play(&home, &server, "cancel");
    assert_eq!(seen, json!({"ended": "stopped", "after": "goes on"}));
}

#[test]
fn twenty_assistants_have_a_fresh_token_across_expiries() {
    let Some((home, sandbox, server)) = stage(&json!({"access_lifetime": 12})) else { return };
    let seen = play(&home, &server, "crowd");
    assert!(seen["tokens"].as_u64().is_some_and(|count| count >= 3), "{seen}");
    assert_eq!(sandbox.count("reuses"), 0, "nobody spends a refresh token but the agent");
}

#[test]
fn a_server_that_forgets_its_sessions_and_one_that_restarts_are_taken_up_again() {
    let Some((home, sandbox, mut server)) = stage(&json!({})) else { return };
    assert_eq!(play(&home, &server, "forget"), json!({"after": ["a", "b", "c"]}));
    let client = folder().join("client.mjs").display().to_string();
    let running = home.program("node").args([&client, "restart", &server.url]).start();
    // `Child::wait` would close its input, and with that end it.
    let ended = || server.child.try_wait().expect("a child of this process");
    eventually(LIMIT, "the end of the server", ended);
    let port = server.url.rsplit(':').next().expect("a port").to_owned();
    let _next = Server::start(&sandbox.authority, &port);
    assert_eq!(running.finish(LIMIT).ok().json(), json!({"after": "after"}));
}

#[test]
fn whatever_a_server_answers_the_assistant_gets_an_error_that_says_what() {
    let Some((home, _sandbox, server)) = stage(&json!({})) else { return };
    let seen = play(&home, &server, "moods");
    for (mood, words) in [
        ("html", "text/html (status 200)"),
        ("redirect", "redirects (status 307)"),
        ("refuse", "refuses the token of profile 'work'"),
        ("refuse", "OAuth login of its own"),
        ("forbid", "status 403"),
        ("broken", "status 500"),
        ("nothing", "status 200"),
        ("hangup", "broke off"),
    ] {
        let said = seen["errors"][mood].as_str().unwrap_or_default();
        assert!(said.contains(words), "{mood}: {seen}");
    }
    assert_eq!(seen["after"], "well again");
    // The token was not even offered elsewhere, and one was renewed once.
    let tokens = server.stats()["tokens"].as_array().map(Vec::len);
    assert_eq!(tokens, Some(2), "the first one, and one more after the refusal");
}

#[test]
fn every_version_of_the_protocol_is_passed_on_and_settled_by_the_two_ends() {
    let Some((home, _sandbox, server)) = stage(&json!({})) else { return };
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let params = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}});
        let hello = json!({"jsonrpc": "2.0", "id": version, "method": "initialize", "params": params});
        let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        let list = json!({"jsonrpc": "2.0", "id": "list", "method": "tools/list"});
        let mut bridge = home.seqera("mcp --profile work").typed().start();
        bridge.write(&format!("{hello}\n"));
        let settled = bridge.until("the greeting", |output| output.lines().next().map(str::to_owned));
        let settled: Value = serde_json::from_str(&settled).expect("a message");
        assert_eq!(
            (&settled["id"], &settled["result"]["protocolVersion"]),
            (&json!(version), &json!(version))
        );
        bridge.write(&format!("{ready}\n{list}\nnonsense\n"));
        bridge.until("the list", |output| output.contains("\"echo\"").then_some(()));
        bridge.until("the answer to nonsense", |output| output.contains("-32700").then_some(()));
        assert!(server.stats()["versions"].as_array().is_some_and(|seen| seen.contains(&json!(version))));
    }
}

#[test]
fn an_agent_that_dies_is_replaced_and_a_sign_out_is_told_to_the_assistant() {
    let Some((home, _sandbox, _server)) = stage(&json!({})) else { return };
    let mut bridge = home.seqera("mcp --profile work").typed().start();
    let call = |id: u32| {
        json!({"jsonrpc": "2.0", "id": id, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}}})
    };
    let answer = |output: &str, id: u32| {
        let lines = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.into_iter().find(|message| message["id"] == json!(id))
    };
    bridge.write(&format!("{}\n", call(1)));
    bridge.until("an answer", |output| answer(output, 1));
    seqera_tests::reaper::signal(home.agent_pid().expect("an agent"), "KILL");
    bridge.write(&format!("{}\n", call(2)));
    assert!(bridge.until("an answer after the restart", |output| answer(output, 2))["result"].is_object());
    home.seqera("logout --profile work").run().ok();
    bridge.write(&format!("{}\n", call(3)));
    let refused = bridge.until("the refusal", |output| answer(output, 3));
    assert_eq!(refused["error"]["data"]["reason"], "SIGNED_OUT");
    assert!(
        refused["error"]["message"].as_str().is_some_and(|said| said.contains("seqera login")),
        "{refused}"
    );
}

#[test]
fn an_address_that_the_person_did_not_name_gets_no_token() {
    let Some((home, sandbox, server)) = stage(&json!({})) else { return };
    for (line, words) in [
        (
            "mcp --profile work https://evil.invalid/mcp",
            "evil.invalid is not the MCP server of profile 'work'",
        ),
        ("mcp --profile work http://evil.invalid/mcp", "unencrypted"),
        ("mcp --profile work https://mcp.seqera.io/mcp", "gets no token"),
        ("mcp --profile work nonsense", "is not a full host name"),
    ] {
        let run = home.seqera(line).run().fails_with(2);
        assert!(run.stderr.contains(words), "{line}: {}", run.stderr);
    }
    home.login("other", &sandbox, ADA);
    let unknown = home.seqera("mcp --profile other").run().fails_with(2);
    assert!(
        unknown.stderr.contains("no MCP server is known") && unknown.stderr.contains("mcpUrl"),
        "{}",
        unknown.stderr
    );
    // The name alone is no consent: another account can have it.
    let another = Sandbox::calm();
    home.seqera("logout --profile work").run().ok();
    home.seqera("profile remove work").run().ok();
    home.login("work", &another, ADA);
    let foreign = home.seqera("mcp --profile work").run().fails_with(2);
    assert!(foreign.stderr.contains("which was set for"), "{}", foreign.stderr);
    assert_eq!(server.stats()["tokens"], json!([]));
}
