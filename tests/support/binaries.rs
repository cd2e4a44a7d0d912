//! The programs under test. They are built once per test process, so that plain `cargo test` is never stale.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::environment;

/// The packages whose programs are built.
pub const PACKAGES: [&str; 4] = ["seqera-agent", "seqera-client", "seqera-mcp", "seqera-sandbox"];

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// `seqera-agent`.
    pub agent: PathBuf,
    /// `seqera`.
    pub client: PathBuf,
    /// `seqera-sandbox`.
    pub sandbox: PathBuf,
}

/// The programs under test: those in `SEQERA_BIN_DIR`, otherwise cargo builds them.
///
/// # Panics
///
/// If they do not build.
pub fn binaries() -> &'static Binaries {
    static BINARIES: OnceLock<Binaries> = OnceLock::new();
    BINARIES.get_or_init(|| {
        let given = environment::variable(environment::BIN_DIR).map(PathBuf::from);
        let folder = given.unwrap_or_else(|| build(&PACKAGES.map(|package| ["-p", package]).concat()));
        Binaries {
            agent: program(&folder, "seqera-agent"),
            client: program(&folder, "seqera"),
            sandbox: program(&folder, "seqera-sandbox"),
        }
    })
}

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests live one folder below the workspace")
}

fn program(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(path.is_file(), "there is no {}", path.display());
    path
}

/// Builds programs with cargo and returns the folder where it puts them.
///
/// # Panics
///
/// If they do not build.
pub fn build(args: &[&str]) -> PathBuf {
    let all = [&["build", "--bins", "--message-format=json-render-diagnostics"], args].concat();
    let built = run_cargo(&all);
    let first = built.first().and_then(|program| program.parent());
    first.expect("cargo names the programs that it built").to_owned()
}

/// Runs cargo, and returns the programs that its messages name.
///
/// # Panics
///
/// If it fails.
pub(crate) fn run_cargo(args: &[&str]) -> Vec<PathBuf> {
    let mut command = Command::new(cargo());
    command.args(args).current_dir(workspace()).stderr(Stdio::inherit());
    let output = command.output().expect("cargo can be started");
    assert!(output.status.success(), "the programs do not build");
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).collect()
}

/// The cargo that runs this process, otherwise the one on the path.
pub fn cargo() -> std::ffi::OsString {
    environment::variable("CARGO").unwrap_or_else(|| "cargo".into())
}
