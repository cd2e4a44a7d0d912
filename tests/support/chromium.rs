//! Chromium as a peer: a real, headless browser, driven by `playwright-core`.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::process::Invocation;
use crate::{binaries, skip};

/// How to install it.
pub const REMEDY: &str = "apt-get install chromium; npm ci in tests/peers/chromium";

/// Shows that there is a browser on this machine.
#[derive(Debug, Clone, Copy)]
pub struct Chromium(());

/// Where the browser ended up.
#[derive(Debug)]
pub struct Arrival(Value);

impl Chromium {
    /// Skips the running test if the browser or its driver is missing.
    #[track_caller]
    pub fn find() -> Option<Self> {
        if !skip::have(&["chromium", "node"], REMEDY) {
            return None;
        }
        if !folder().join("node_modules/playwright-core").is_dir() {
            skip(&format!("playwright-core missing ({REMEDY})"));
            return None;
        }
        Some(Self(()))
    }

    /// Opens a URL with an empty profile and does the steps, which `drive.mjs` describes.
    ///
    /// # Panics
    ///
    /// If a step cannot be done, a page has an error or does not fit a narrow screen, or a page requests
    /// something from another machine.
    #[track_caller]
    pub fn visit(self, url: &str, steps: &Value) -> Arrival {
        let job = json!({"url": url, "shots": screenshots(), "steps": steps}).to_string();
        let mut command = Command::new("node");
        command.arg("drive.mjs").arg(job).current_dir(folder());
        let arrival = Invocation::new(command).run().ok().json();
        assert_eq!(arrival["problems"], json!([]), "{arrival}");
        for request in arrival["requests"].as_array().expect("a list of requests") {
            let address = request.as_str().expect("an address");
            let local = address.starts_with("http://127.0.0.1:") || address.starts_with("data:");
            assert!(local, "the pages ask for nothing from elsewhere: {address}");
        }
        Arrival(arrival)
    }
}

impl Arrival {
    /// The page as a person reads it.
    pub fn text(&self) -> &str {
        self.0["text"].as_str().unwrap_or_default()
    }
}

/// The screenshots of the last run, for people to look at.
fn screenshots() -> PathBuf {
    binaries::workspace().join("target/peers/screenshots")
}

/// Where the driver is.
pub fn folder() -> PathBuf {
    binaries::workspace().join("tests/peers/chromium")
}
