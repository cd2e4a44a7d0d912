//! Keycloak as a peer, because many institutions use it. One server serves all tests of a process, and each
//! test has its own realm.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::process::{Invocation, Running};
use crate::reaper::Reaper;
use crate::sandbox::Sandbox;
use crate::visit::{Visit, encoded};
use crate::{binaries, http, skip};

/// How to install it. The script needs Java and Maven.
pub const REMEDY: &str = "sh tests/peers/keycloak/install.sh";

/// The only user of each realm.
pub const USER: &str = "ada";
/// Her e-mail address.
pub const EMAIL: &str = "ada@keycloak.test";
/// Her password.
pub const PASSWORD: &str = "countess of computing";

/// The administrator of that one server. It runs on loopback, with its database in memory, only during the
/// tests.
const ADMIN: &str = "admin";

/// It is a Java program that sets up a database, on a machine that is busy with other tests.
const START_LIMIT: Duration = Duration::from_secs(180);

/// The server.
struct Keycloak {
    url: String,
    // Both end with this process.
    _server: Running,
    _reaper: Reaper,
}

impl Keycloak {
    fn shared() -> &'static Self {
        static SHARED: OnceLock<Keycloak> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    fn start() -> Self {
        // Build before anything is started, because a failure in here fails every test.
        let agent = &binaries().agent;
        let temporary = std::env::temp_dir().join(format!("seqera-keycloak-{}", std::process::id()));
        std::fs::create_dir_all(&temporary)
            .unwrap_or_else(|error| panic!("{}: {error}", temporary.display()));
        let mut reaper = Reaper::new(&temporary, agent);
        let mut command = Command::new("/bin/sh");
        command.arg(folder().join("start.sh")).arg(&temporary);
        command.envs([("KC_BOOTSTRAP_ADMIN_USERNAME", ADMIN), ("KC_BOOTSTRAP_ADMIN_PASSWORD", ADMIN)]);
        let mut server = Invocation::new(command).limit(START_LIMIT).start();
        reaper.adopt(server.pid());
        let url = server.until("address of Keycloak", |log| {
            let rest = log.split_once("Listening on: ")?.1;
            rest.split_once(char::is_whitespace).map(|(url, _)| url.trim_end_matches('.').to_owned())
        });
        Self { url, _server: server, _reaper: reaper }
    }

    /// Calls the administration API.
    #[track_caller]
    fn admin(&self, method: &str, path: &str, body: &str) -> http::Reply {
        let url = format!("{}/realms/master/protocol/openid-connect/token", self.url);
        let form = [("client_id", "admin-cli"), ("grant_type", "password"), ("username", ADMIN)];
        let form = encoded(form.into_iter().chain([("password", ADMIN)]));
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let token = http::request("POST", &url, &headers, &form).map(|reply| reply.json());
        let token = token.unwrap_or_else(|error| panic!("POST {url}: {error}"));
        let bearer = format!("Bearer {}", token["access_token"].as_str().expect("an administrator's token"));
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let url = format!("{}/admin/realms{path}", self.url);
        let reply = http::request(method, &url, &headers, body);
        let reply = reply.unwrap_or_else(|error| panic!("{method} {url}: {error}"));
        assert!(reply.status < 300, "{method} {url}: {reply:?}");
        reply
    }
}

/// A test's own realm: a client `seqera_ai_cli`, a user, and a log of events.
pub struct Realm {
    /// The issuer.
    pub authority: String,
    keycloak: &'static Keycloak,
    name: String,
    client: String,
}

impl Realm {
    /// Makes a realm from `realm.json`, with these settings (JSON pointers) changed. Skips the running test
    /// if Java or Keycloak is missing.
    #[track_caller]
    pub fn new(changes: &[(&str, Value)]) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if !skip::have(&["java"], "apt-get install default-jre-headless maven") {
            return None;
        }
        if !is_installed() {
            skip(&format!("Keycloak missing ({REMEDY})"));
            return None;
        }
        let keycloak = Keycloak::shared();
        let name = format!("test-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        keycloak.admin("POST", "", &settings(&name, changes).to_string());
        let clients = keycloak.admin("GET", &format!("/{name}/clients?clientId=seqera_ai_cli"), "").json();
        let client = clients[0]["id"].as_str().expect("the client has an id").to_owned();
        let authority = format!("{}/realms/{name}", keycloak.url);
        Some(Self { authority, keycloak, name, client })
    }

    /// Signs the user in at Keycloak's page and returns the last page, which is the agent's.
    #[track_caller]
    pub fn sign_in(&self, authorization_url: &str) -> Visit {
        self.fill_in(Visit::open(authorization_url))
    }

    /// Starts a sandbox as a Platform whose users sign in at this realm, if the list allows them.
    #[track_caller]
    pub fn platform(&self, allow_list: &str) -> Sandbox {
        Sandbox::platform(&json!({
            "tower": {
                "jwt": {"secret": "longer than the thirty-five characters that are asked for"},
                "oidc": {
                    "client": "seqera_platform",
                    "secret": "shared by a Platform and its Keycloak",
                    "issuer": self.authority,
                },
                "auth": {"oidc": {"allow-list": [allow_list]}},
            },
        }))
    }

    /// Fills in the form for name and password.
    #[track_caller]
    pub fn fill_in(&self, page: Visit) -> Visit {
        page.submit(&[("username", USER), ("password", PASSWORD)])
    }

    /// How often an event happened: `LOGIN`, `REFRESH_TOKEN`, `REFRESH_TOKEN_ERROR`, …
    #[track_caller]
    pub fn count(&self, event: &str) -> usize {
        let events = self.admin("GET", &format!("/events?type={event}&max=1000")).json();
        events.as_array().expect("a list of events").len()
    }

    /// The client's offline sessions, one for each login that asked for `offline_access`.
    #[track_caller]
    pub fn sessions(&self) -> Vec<String> {
        self.sessions_of("offline-sessions")
    }

    /// The client's other sessions.
    #[track_caller]
    pub fn online_sessions(&self) -> Vec<String> {
        self.sessions_of("user-sessions")
    }

    #[track_caller]
    fn sessions_of(&self, kind: &str) -> Vec<String> {
        let sessions = self.admin("GET", &format!("/clients/{}/{kind}", self.client)).json();
        let sessions = sessions.as_array().expect("a list of sessions").iter();
        sessions.map(|session| session["id"].as_str().expect("a session has an id").to_owned()).collect()
    }

    /// Ends the user's sessions, as an administrator would.
    #[track_caller]
    pub fn end_sessions(&self) {
        for session in self.sessions() {
            self.admin("DELETE", &format!("/sessions/{session}?isOffline=true"));
        }
    }

    /// The status of the user-info endpoint for an access token.
    #[track_caller]
    pub fn user_info(&self, token: &str) -> u16 {
        let url = format!("{}/protocol/openid-connect/userinfo", self.authority);
        http::get(&url, &[("authorization", &format!("Bearer {token}"))]).status
    }

    #[track_caller]
    fn admin(&self, method: &str, path: &str) -> http::Reply {
        self.keycloak.admin(method, &format!("/{}{path}", self.name), "")
    }
}

fn settings(name: &str, changes: &[(&str, Value)]) -> Value {
    let text = std::fs::read_to_string(folder().join("realm.json")).expect("realm.json can be read");
    let mut realm: Value = serde_json::from_str(&text).expect("realm.json is JSON");
    for (pointer, value) in changes.iter().chain(&[("/realm", json!(name))]) {
        let place = realm.pointer_mut(pointer);
        *place.unwrap_or_else(|| panic!("no {pointer} in realm.json")) = value.clone();
    }
    realm
}

/// Whether `install.sh` has run.
pub fn is_installed() -> bool {
    binaries::workspace().join("target/peers/keycloak/installed").is_file()
}

/// Where the scripts and the realm are.
pub fn folder() -> PathBuf {
    binaries::workspace().join("tests/peers/keycloak")
}
