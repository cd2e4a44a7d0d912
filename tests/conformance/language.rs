//! The libraries, and how the runner of each is started.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use seqera_tests::binaries::{build, workspace};
use seqera_tests::skip::{self, skip};
use serde_json::Value;

use crate::table;

/// A language that this machine can run.
pub(crate) struct Language {
    command: Vec<String>,
    modes: Vec<String>,
    helpers: Vec<String>,
}

/// One way to start a runner.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    pub(crate) command: Vec<String>,
    pub(crate) words: Vec<String>,
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words.join(" "))
    }
}

impl Language {
    /// Skips the running test if something is missing.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let entry = table::read("languages.json")[name].take();
        let list = |field: &str| -> Vec<String> {
            let items = entry[field].as_array().into_iter().flatten();
            items.map(|item| filled(item.as_str().expect("a text"))).collect()
        };
        let mut command = list("run");
        let program = program(&command[0]);
        let missing = list("needs").into_iter().find(|path| !Path::new(path).exists());
        let Some(program) = program.filter(|_| missing.is_none()) else {
            let what = missing.unwrap_or_else(|| command[0].clone());
            skip(&format!("{what} is missing ({})", entry["remedy"].as_str().unwrap_or("install it")));
            return None;
        };
        command[0] = program.display().to_string();
        Some(Self { command, modes: list("modes"), helpers: list("helpers") })
    }

    /// How to start the runner for a case: in each mode, or once for each helper if the case makes requests.
    pub(crate) fn starts(&self, case: &Value) -> Vec<Start> {
        let mut steps = case["steps"].as_array().into_iter().flatten();
        let words: Vec<Vec<String>> = match steps.any(|step| step["call"] == "request") {
            true => self.helpers.iter().map(|helper| vec![self.modes[0].clone(), helper.clone()]).collect(),
            false => self.modes.iter().map(|mode| vec![mode.clone()]).collect(),
        };
        words.into_iter().map(|words| Start { command: self.command.clone(), words }).collect()
    }
}

fn filled(text: &str) -> String {
    let workspace = workspace().display().to_string();
    let text = text.replace("{target}", "{workspace}/target").replace("{workspace}", &workspace);
    if text == "{rust}" { rust().display().to_string() } else { text }
}

/// The program at this path, or on the path.
fn program(name: &str) -> Option<PathBuf> {
    let path = Path::new(name);
    if path.is_absolute() { path.is_file().then(|| path.to_owned()) } else { skip::find(name) }
}

/// The runner for Rust is an example of this package.
fn rust() -> &'static Path {
    static RUNNER: OnceLock<PathBuf> = OnceLock::new();
    RUNNER.get_or_init(|| {
        let folder = build(&["-p", "seqera-tests", "--example", "conformance"]);
        folder.join("conformance")
    })
}
