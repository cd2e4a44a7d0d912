//! Glewlwyd as a peer: an OpenID provider in C, from Debian's packages. In some ways no other peer is like
//! it: its refusals have no body, it does not let public clients revoke, and it compares redirect addresses
//! exactly.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::home::Home;
use crate::process::{Invocation, Running};
use crate::reaper::Reaper;
use crate::visit::Visit;
use crate::{binaries, http, skip};

/// The package, and what its start script needs.
pub const REMEDY: &str = "apt-get install glewlwyd sqlite3 openssl";
/// The programs that have to be installed.
const PROGRAMS: [&str; 3] = ["glewlwyd", "sqlite3", "openssl"];

/// The e-mail address of its only user.
pub const EMAIL: &str = "ada@glewlwyd.test";

const START_LIMIT: Duration = Duration::from_secs(60);

/// A running provider. It stops with this value or with this process.
#[derive(Debug)]
pub struct Glewlwyd {
    /// The issuer.
    pub authority: String,
    url: String,
    user: Value,
    _server: Running,
    _reaper: Reaper,
}

impl Glewlwyd {
    /// Starts one for the logins of `home`, with some parameters of its OpenID plugin changed. Skips the
    /// running test if a program is missing.
    #[track_caller]
    pub fn start(home: &mut Home, parameters: &[(&str, Value)]) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if !skip::have(&PROGRAMS, REMEDY) {
            return None;
        }
        let agent = &binaries().agent;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let data = std::env::temp_dir().join(format!("seqera-glewlwyd-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&data).unwrap_or_else(|error| panic!("{}: {error}", data.display()));
        let mut reaper = Reaper::new(&data, agent);
        let port = free_port();
        let mut command = Command::new("/bin/sh");
        command.arg(folder().join("start.sh")).arg(port.to_string()).arg(&data);
        let mut server = Invocation::new(command).limit(START_LIMIT).start();
        reaper.adopt(server.pid());
        server.until("line that says it has started", |log| log.contains("Glewlwyd started").then_some(()));

        let url = format!("http://127.0.0.1:{port}");
        let authority = format!("{url}/api/oidc");
        let callback = free_port();
        home.set("SEQERA_AUTH_REDIRECT_PORT", callback.to_string());
        let mut setup = read_json();
        // The only redirect address. This provider compares the port as well.
        setup["client"]["redirect_uri"] = json!([format!("http://127.0.0.1:{callback}/callback")]);
        let place = &mut setup["plugin"]["parameters"];
        place["iss"] = json!(authority);
        for (name, file) in [("key", "key.pem"), ("cert", "public.pem")] {
            place[name] = json!(std::fs::read_to_string(data.join(file)).expect("the script made the key"));
        }
        for (name, value) in parameters {
            assert!(place[name].is_number(), "no number {name} in setup.json");
            place[name] = value.clone();
        }
        set_up(&url, &setup);
        Some(Self { authority, url, user: setup["user"].take(), _server: server, _reaper: reaper })
    }

    /// Signs the user in as the scripts of its page do, and returns the last page, which is the agent's.
    #[track_caller]
    pub fn sign_in(&self, authorization_url: &str) -> Visit {
        let mut visit = self.session(authorization_url);
        let scopes = json!({"scope": "openid profile email offline_access"});
        visit.send("PUT", &format!("{}/api/auth/grant/seqera_ai_cli", self.url), &scopes);
        visit.go_to(&format!("{authorization_url}&g_continue"))
    }

    /// The refresh tokens on the user's page, the newest last. A live one is true.
    #[track_caller]
    pub fn refresh_tokens(&self) -> Vec<bool> {
        let tokens = self.tokens(&mut self.session(&format!("{}/login.html", self.url)));
        tokens.iter().map(|token| token["enabled"] == true).collect()
    }

    /// Ends all of the user's sessions with the client, as she would on her page.
    #[track_caller]
    pub fn end_sessions(&self) {
        let mut visit = self.session(&format!("{}/login.html", self.url));
        for token in self.tokens(&mut visit) {
            let hash = crate::http::encode(token["token_hash"].as_str().expect("a token has a hash"));
            visit.send("DELETE", &format!("{}/token/{hash}", self.authority), &json!({}));
        }
    }

    /// The status of the user-info endpoint for an access token.
    #[track_caller]
    pub fn user_info(&self, token: &str) -> u16 {
        let url = format!("{}/userinfo", self.authority);
        http::get(&url, &[("authorization", &format!("Bearer {token}"))]).status
    }

    fn tokens(&self, visit: &mut Visit) -> Vec<Value> {
        let url = format!("{}/token?sort=gpor_issued_at&limit=1000", self.authority);
        let tokens = visit.send("GET", &url, &Value::Null).json();
        tokens.as_array().expect("a list of tokens").clone()
    }

    #[track_caller]
    fn session(&self, url: &str) -> Visit {
        let mut visit = Visit::open(url);
        let person = json!({"username": self.user["username"], "password": self.user["password"]});
        visit.send("POST", &format!("{}/api/auth/", self.url), &person);
        visit
    }
}

/// Sets it up as an administrator sets up a new server.
fn set_up(url: &str, setup: &Value) {
    let mut admin = Visit::open(&format!("{url}/login.html"));
    let mut send =
        |method, path: &str, body: &Value| drop(admin.send(method, &format!("{url}/api/{path}"), body));
    // The password in the package's initial database.
    send("POST", "auth/", &json!({"username": "admin", "password": "password"}));
    for name in setup["scopes"].as_array().expect("a list of scopes") {
        let scope = json!({"name": name, "display_name": name, "description": name,
            "password_required": true, "password_max_age": 0, "scheme": {}});
        match name.as_str() {
            Some("openid") => send("PUT", "scope/openid", &scope),
            _ => send("POST", "scope/", &scope),
        }
    }
    send("POST", "user/", &setup["user"]);
    send("POST", "client/", &setup["client"]);
    send("POST", "mod/plugin/", &setup["plugin"]);
}

fn read_json() -> Value {
    let text = std::fs::read_to_string(folder().join("setup.json")).expect("setup.json can be read");
    serde_json::from_str(&text).expect("setup.json is JSON")
}

/// A free port, for programs that cannot choose one themselves. It lies above the ports that the system gives
/// to connections, so that none of them takes it in the meantime.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id() % 4_000;
    let candidates = (0..4_000).map(|_| (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 4_000);
    let mut ports = candidates.filter_map(|offset| u16::try_from(61_000 + offset).ok());
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("loopback has free ports")
}

fn folder() -> PathBuf {
    binaries::workspace().join("tests/peers/glewlwyd")
}
