//! VS Code as a peer: the real editor, as a server, with Chromium in front of it and our extension in it.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;

use crate::{Home, Sandbox, binaries, skip};

/// How to install it.
pub const REMEDY: &str = "sh tests/peers/vscode/install.sh; cargo xtask test builds the extension";

/// An editor and a browser on a machine that is busy with other things.
const LIMIT: Duration = Duration::from_secs(280);

/// One at a time: each is an editor, a browser and an agent.
static TURN: Mutex<()> = Mutex::new(());

/// Plays a scenario of `drive.mjs`, which holds what has to come of it. Skips the running test if something is
/// missing.
#[track_caller]
pub fn play(scenario: &str, home: &Home, sandbox: &Sandbox) {
    if !skip::have(&["chromium", "node"], REMEDY) {
        return;
    }
    for missing in [installed().join("installed"), package(), library(), playwright()] {
        if !missing.exists() {
            skip::skip(&format!("{} is missing ({REMEDY})", missing.display()));
            return;
        }
    }
    let job = json!({
        "scenario": scenario,
        "root": home.root(),
        "editor": installed().join("package"),
        "vsix": package(),
        "seqera": binaries().client,
        "authority": sandbox.authority,
        "sandbox": sandbox.url,
        "shots": binaries::workspace().join("target/peers/screenshots"),
    });
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let person =
        home.program("node").args([folder().join("drive.mjs").into_os_string(), job.to_string().into()]);
    let run = person.env("SEQERA_CREDENTIAL_STORE", "file").limit(LIMIT).run().ok();
    assert_eq!(run.line(), "done");
}

/// Where the scenarios are.
pub fn folder() -> PathBuf {
    binaries::workspace().join("tests/peers/vscode")
}

/// Whether the editor is installed.
pub fn is_installed() -> bool {
    installed().join("installed").is_file()
}

fn installed() -> PathBuf {
    binaries::workspace().join("target/peers/vscode")
}

fn package() -> PathBuf {
    binaries::workspace().join("target/peers/seqera.vsix")
}

fn library() -> PathBuf {
    binaries::workspace().join("client/node/dist/index.js")
}

fn playwright() -> PathBuf {
    crate::chromium::folder().join("node_modules/playwright-core")
}
