//! The checks of `cargo xtask test`. Each gives a one-line reason if it fails.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use seqera_tests::binaries::{cargo, workspace};
use seqera_tests::environment;

/// One part of a run: its name and what it does. An error is one line of the table.
pub(crate) type Part = (&'static str, fn() -> Result<(), String>);

/// What only the agent may link: HTTP, OIDC, TLS and keychains.
const AGENT_ONLY: [&str; 6] = ["reqwest", "openidconnect", "oauth2", "rustls", "keyring-core", "zbus"];

pub(crate) fn format() -> Result<(), String> {
    succeed(Command::new(cargo()).args(["fmt", "--all", "--check"]))
}

pub(crate) fn clippy() -> Result<(), String> {
    let args = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
    succeed(Command::new(cargo()).args(args))
}

/// The pages of all crates, private items as well: a link that leads nowhere is a comment that lies.
pub(crate) fn documentation() -> Result<(), String> {
    let mut command = Command::new(cargo());
    command.args(["doc", "--workspace", "--no-deps", "--document-private-items", "--quiet"]);
    succeed(command.env("RUSTDOCFLAGS", "-D warnings"))
}

/// All tests except those with peers, each of which is a part of its own.
pub(crate) fn tests() -> Result<(), String> {
    let units = cargo_test(&["--workspace", "--exclude", "seqera-tests"]);
    let outside = cargo_test(&["-p", "seqera-tests", "--lib", "--test", "e2e", "--test", "cli"]);
    units.and(outside)
}

pub(crate) fn cargo_test(args: &[&str]) -> Result<(), String> {
    cargo_test_with(args, &[])
}

/// The same, with more variables.
pub(crate) fn cargo_test_with(args: &[&str], variables: &[(&str, &OsStr)]) -> Result<(), String> {
    let mut command = Command::new(cargo());
    command.envs(variables.iter().copied()).env(environment::SKIPS, skips_file());
    succeed(command.args(["test", "--no-fail-fast"]).args(args))
}

/// Forgets what an earlier run skipped.
pub(crate) fn forget_skipped() {
    let _ = std::fs::remove_file(skips_file());
}

/// Notes that a part is skipped, and why; a failure in CI.
pub(crate) fn skip(reason: &str) -> Result<(), String> {
    use std::io::Write;
    println!("      skipped: {reason}");
    let file = std::fs::OpenOptions::new().create(true).append(true).open(skips_file());
    file.and_then(|mut file| writeln!(file, "{reason}")).map_err(|error| error.to_string())
}

/// The tests that were skipped, each with its reason.
pub(crate) fn skipped() -> Vec<String> {
    let text = std::fs::read_to_string(skips_file()).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn skips_file() -> PathBuf {
    workspace().join("target/skipped-tests.txt")
}

/// All Rust files of the repository. Generated code is in the build folder and so is not among them.
pub(crate) fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let visible = entries.map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        !name.starts_with('.') && name != "target" && name != "node_modules"
    });
    let of = |path: PathBuf| match path.is_dir() {
        true => sources(&path),
        false if path.extension().is_some_and(|kind| kind == "rs") => vec![path],
        false => Vec::new(),
    };
    visible.flat_map(of).collect()
}

pub(crate) fn client_dependencies() -> Result<(), String> {
    let args = ["tree", "-p", "seqera-client", "-e", "normal", "--prefix", "none", "--format", "{p}"];
    let tree = Command::new(cargo()).args(args).current_dir(workspace()).output();
    let tree = tree.map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&tree.stdout);
    let names: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    if !names.contains(&"seqera-client") {
        return Err("cargo tree does not name the client".to_owned());
    }
    match AGENT_ONLY.iter().find(|name| names.contains(name)) {
        Some(name) => Err(format!("the client links {name}")),
        None => Ok(()),
    }
}

/// Runs a command with its output on this terminal.
pub(crate) fn succeed(command: &mut Command) -> Result<(), String> {
    let status = command.current_dir(workspace()).status().map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("{status}")) }
}
