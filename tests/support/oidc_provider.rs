//! npm's `oidc-provider` as a peer: a certified OpenID provider that knows nothing of Seqera.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::{binaries, http, skip};

/// How to install the packages.
pub const REMEDY: &str = "npm ci in tests/peers/oidc-provider";

/// A running provider. It stops with this value or with this process.
#[derive(Debug)]
pub struct OidcProvider {
    /// The issuer.
    pub authority: String,
    child: Child,
    // Kept open, because the provider also prints advice there.
    _stdout: BufReader<ChildStdout>,
}

impl OidcProvider {
    /// Starts a provider whose access tokens live `access_lifetime` seconds. Skips the running test if node
    /// or the packages are missing.
    #[track_caller]
    pub fn start(access_lifetime: u32) -> Option<Self> {
        Self::start_with(access_lifetime, 86_400)
    }

    /// The same, with refresh tokens that live `refresh_lifetime` seconds.
    #[track_caller]
    pub fn start_with(access_lifetime: u32, refresh_lifetime: u32) -> Option<Self> {
        if !skip::have(&["node"], "install Node.js 20 or later") {
            return None;
        }
        if !folder().join("node_modules/oidc-provider").is_dir() {
            skip(&format!("oidc-provider missing ({REMEDY})"));
            return None;
        }
        let mut child = Command::new("node")
            .arg("server.mjs")
            .args([access_lifetime, refresh_lifetime].map(|seconds| seconds.to_string()))
            .current_dir(folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node can be started");
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("standard output is a pipe"));
        stdout.read_line(&mut line).expect("the provider says where it serves");
        let ready: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("oidc-provider did not start: {error} in {line:?}"));
        let authority = ready["authority"].as_str().expect("the line names the authority").to_owned();
        Some(Self { authority, child, _stdout: stdout })
    }

    /// How often an event happened at the provider: `grant.success`, `grant.error`, `grant.revoked`,
    /// `refresh_token.saved`, `refresh_token.consumed`, …
    #[track_caller]
    pub fn count(&self, event: &str) -> u64 {
        self.events()[event].as_u64().unwrap_or(0)
    }

    /// All events with their counts.
    #[track_caller]
    fn events(&self) -> Value {
        http::get(&format!("{}/test/events", self.authority), &[]).json()
    }
}

impl Drop for OidcProvider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where the provider's script and packages are.
pub fn folder() -> PathBuf {
    binaries::workspace().join("tests/peers/oidc-provider")
}
