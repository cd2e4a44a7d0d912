//! The sandbox as a separate process, with its controls.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::{binaries, http};

/// The two users of the sandbox.
pub const ADA: &str = "ada@sandbox.test";
/// The second one.
pub const GRACE: &str = "grace@sandbox.test";

/// A running sandbox. It stops with this value or with this process.
#[derive(Debug)]
pub struct Sandbox {
    /// `http://127.0.0.1:<port>`.
    pub url: String,
    /// The OIDC authority and base of the REST API.
    pub authority: String,
    child: Child,
}

impl Sandbox {
    /// Starts a sandbox with these settings, such as `{"access_lifetime": 4}`, and waits until it serves.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[track_caller]
    pub fn start(settings: &Value) -> Self {
        Self::run("--settings", settings, &[])
    }

    /// Starts a sandbox with a Platform's configuration. JSON is also valid as `tower.yml`.
    #[track_caller]
    pub fn platform(tower_yml: &Value) -> Self {
        Self::run("--config", tower_yml, &[])
    }

    /// Stops it and starts one with another configuration at the same address.
    #[must_use]
    #[track_caller]
    pub fn restart(self, tower_yml: &Value) -> Self {
        let address = http::split(&self.url).0.to_owned();
        drop(self);
        Self::run("--config", tower_yml, &["--listen", &address])
    }

    #[track_caller]
    fn run(flag: &str, settings: &Value, more: &[&str]) -> Self {
        let file = SettingsFile::write(settings);
        let mut child = Command::new(&binaries().sandbox)
            .args(["--exit-with-stdin".as_ref(), flag.as_ref(), file.0.as_os_str()])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the sandbox can be started");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("standard output is a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("the sandbox says where it serves");
        let places: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("no sandbox with {settings}: {error} in {line:?}"));
        let place = |name: &str| places[name].as_str().expect("the line names the place").to_owned();
        // Where it really is, whatever address it gives its users.
        let url = format!("http://{}", place("address"));
        Self { url, authority: place("authority"), child }
    }

    /// A sandbox whose tokens live an hour, so that nothing is renewed unless asked for.
    #[track_caller]
    pub fn calm() -> Self {
        Self::start(&json!({}))
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it has counted.
    #[track_caller]
    pub fn stats(&self) -> Value {
        http::get(&self.control("stats"), &[]).json()
    }

    /// One of its counters.
    #[track_caller]
    pub fn count(&self, name: &str) -> u64 {
        let stats = self.stats();
        stats[name].as_u64().unwrap_or_else(|| panic!("no counter {name} in {stats}"))
    }

    /// Adds a scripted fault, such as `{"on": "refresh", "kind": "status", "code": 502}`.
    #[track_caller]
    pub fn fault(&self, fault: Value) {
        let reply = http::post_json(&self.control("faults"), &json!([fault]));
        assert!(reply.status < 300, "the sandbox refuses the fault: {reply:?}");
    }

    /// Removes all faults and lets hanging calls go on.
    #[track_caller]
    pub fn clear_faults(&self) {
        let reply = http::request("DELETE", &self.control("faults"), &[], "");
        assert!(reply.is_ok_and(|reply| reply.status < 300), "the sandbox keeps its faults");
    }

    /// Waits until so many calls of this kind have arrived since the start.
    #[track_caller]
    pub fn wait_for(&self, kind: &str, count: u64) {
        let reply = http::post_json(
            &self.control("wait"),
            &json!({"on": kind, "count": count, "timeout_ms": 60_000}),
        );
        assert!(reply.status < 300, "no {count} calls of kind {kind}: {reply:?}");
    }

    /// Ends every session, as a changed `TOWER_JWT_SECRET` would.
    #[track_caller]
    pub fn end_sessions(&self) {
        let reply = http::post_json(&self.control("expire"), &json!({"refresh": "all"}));
        assert!(reply.status < 300, "the sandbox keeps the sessions: {reply:?}");
    }

    /// Removes somebody from an organisation, or from one of its workspaces.
    #[track_caller]
    pub fn leave(&self, user: &str, organization: &str, workspace: Option<&str>) {
        let what = json!({"user": user, "organization": organization, "workspace": workspace});
        let reply = http::post_json(&self.control("leave"), &what);
        assert!(reply.status < 300, "{user} is not in it: {reply:?}");
    }

    /// A new personal access token.
    #[track_caller]
    pub fn personal_token(&self, user: &str) -> String {
        let reply = http::post_json(&self.control("tokens"), &json!({"user": user})).json();
        reply["accessKey"].as_str().unwrap_or_else(|| panic!("no access key in {reply}")).to_owned()
    }

    /// The names of the personal access tokens of this token's owner.
    #[track_caller]
    pub fn token_names(&self, token: &str) -> Vec<String> {
        let url = format!("{}/tokens", self.authority);
        let answer = http::get(&url, &[("authorization", &format!("Bearer {token}"))]).json();
        let tokens = answer["tokens"].as_array().unwrap_or_else(|| panic!("no tokens in {answer}"));
        tokens.iter().filter_map(|token| token["name"].as_str().map(str::to_owned)).collect()
    }

    /// The status and body of `/user-info` for a token.
    #[track_caller]
    pub fn user_info(&self, token: &str) -> http::Reply {
        let url = format!("{}/user-info", self.authority);
        http::get(&url, &[("authorization", &format!("Bearer {token}"))])
    }

    fn control(&self, what: &str) -> String {
        format!("{}/_sandbox/{what}", self.url)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A settings file that is removed once the sandbox has read it.
struct SettingsFile(std::path::PathBuf);

impl SettingsFile {
    fn write(settings: &Value) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("seqera-sandbox-{}-{number}.json", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, settings.to_string()).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Self(path)
    }
}

impl Drop for SettingsFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
