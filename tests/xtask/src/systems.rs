//! Systems that this machine is not: the workspace is type-checked for them with the project's lints, tests included.
//! What is in C needs no SDK for that: on macOS stand-ins play the compiler, which make the files that are expected.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use seqera_tests::binaries::{cargo, workspace};
use seqera_tests::skip::on_path;
use seqera_tests::wine;

use crate::{checks, dist};

const MAC_OS: &str = "aarch64-apple-darwin";

/// A compiler that compiles nothing: every file that it is to write is there, and empty.
const COMPILER: &str = r#"#!/bin/sh
while [ $# -gt 0 ]; do
  case "$1" in
    -o) : >"$2" && shift ;;
    -o?*) : >"${1#-o}" ;;
  esac
  shift
done
"#;

/// An archiver in the same way.
const ARCHIVER: &str = r#"#!/bin/sh
for word in "$@"; do
  case "$word" in *.a) : >"$word" ;; esac
done
"#;

/// Everything, for macOS.
///
/// # Errors
/// A type or a lint is wrong.
pub(crate) fn mac_os() -> Result<(), String> {
    if !dist::has_target(MAC_OS) {
        return checks::skip(&format!(
            "clippy for macOS: no libraries of Rust for it (rustup target add {MAC_OS})"
        ));
    }
    let [compiler, archiver] = [("cc", COMPILER), ("ar", ARCHIVER)].map(stand_in);
    let mut clippy = clippy(MAC_OS, &["--workspace"]);
    for name in ["CC", "CXX"] {
        clippy.env(format!("{name}_aarch64_apple_darwin"), compiler.clone());
    }
    // Where it is named nobody asks Xcode for it.
    clippy.env("AR_aarch64_apple_darwin", archiver).env("SDKROOT", "/");
    checks::succeed(&mut clippy)
}

/// What runs on Windows. The tests from outside need Unix.
///
/// # Errors
/// A type or a lint is wrong.
pub(crate) fn windows() -> Result<(), String> {
    if !dist::has_target(wine::TARGET) || !on_path(wine::COMPILER) {
        return checks::skip(&format!("clippy for Windows: {}", wine::REMEDY));
    }
    let packages = ["seqera-agent-proto", "seqera-agent", "seqera-client", "seqera-sandbox"];
    checks::succeed(&mut clippy(wine::TARGET, &packages.map(|package| ["-p", package]).concat()))
}

fn clippy(target: &str, what: &[&str]) -> Command {
    let mut command = Command::new(cargo());
    command.args(["clippy", "--quiet", "--all-targets", "--target", target]).args(what);
    command.args(["--", "-D", "warnings"]);
    command
}

/// Writes a script below `target`.
fn stand_in((name, script): (&str, &str)) -> PathBuf {
    let path = workspace().join("target/stand-ins").join(name);
    let written = std::fs::create_dir_all(path.parent().expect("it has a folder"))
        .and_then(|()| std::fs::write(&path, script))
        .and_then(|()| std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)));
    written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    path
}
