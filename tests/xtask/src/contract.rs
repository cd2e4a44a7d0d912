//! The contract in `proto/`, held by buf: its style, and that no change breaks a client that exists.

use std::path::PathBuf;
use std::process::Command;

use seqera_tests::binaries::workspace;

use crate::checks;

/// The package that has buf's program.
pub(crate) fn folder() -> PathBuf {
    workspace().join("tests/peers/buf")
}

/// Checks the files as they are, and against the last release, or else the commit before.
pub(crate) fn check() -> Result<(), String> {
    let buf = folder().join("node_modules/.bin/buf");
    if !buf.is_file() {
        return checks::skip("the contract: buf is missing (npm ci in tests/peers/buf)");
    }
    let run = |args: &[&str]| {
        let status = Command::new(&buf).args(args).current_dir(workspace()).status();
        status.is_ok_and(|status| status.success()).then_some(()).ok_or(format!("buf {}", args.join(" ")))
    };
    run(&["lint", "proto"])?;
    let Some(before) = before() else {
        println!("      no commit before this one: nothing to compare with");
        return Ok(());
    };
    println!("      compared with {before}");
    run(&["breaking", "proto", "--against", &format!(".git#ref={before},subdir=proto")])
}

/// The last tag, or the commit before this one.
fn before() -> Option<String> {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).current_dir(workspace()).output().ok()?;
        let line = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Some(line).filter(|line| output.status.success() && !line.is_empty())
    };
    let tag =
        || git(&["describe", "--tags", "--abbrev=0"]).and_then(|tag| git(&["rev-list", "-n", "1", &tag]));
    tag().or_else(|| git(&["rev-parse", "--verify", "--quiet", "HEAD~1"]))
}
