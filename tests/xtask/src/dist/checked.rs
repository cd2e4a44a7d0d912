//! `target/dist/CHECKED.md`: what was tried on each thing that is published, and how, and plainly what was not. The
//! tests in `tests/packages` say what they have done as they do it, so that nothing stands there that did not run.

use std::fmt::Write;

use seqera_tests::environment;

use super::commit;
use super::places::out;
use crate::checks;

/// What nothing here can show, for everybody who reads the list.
const NOT_RUN: [(&str, &str); 8] = [
    ("the programs for Windows", "on Windows itself; under Wine only where the list above says so"),
    ("the programs for macOS", "not built or run here; the release workflow builds and tries them on a Mac"),
    (
        "the programs for Linux on 64-bit Arm",
        "on a real processor; in an emulator where the list above says so",
    ),
    ("the formula", "`brew install`, `brew audit`: Homebrew is not here; the release workflow runs them"),
    ("the conda recipe", "conda-build's and bioconda's own checks, and any platform but the one named above"),
    ("the Debian package", "in a real system with systemd as its first process and users who are signed in"),
    ("the package for Fedora", "on Fedora: only Debian's rpm with an empty root"),
    ("the packages for Node and Python", "on Windows and macOS, and from the public registries"),
];

/// Runs the tests of all packages and writes the list.
///
/// # Errors
/// A test fails.
pub(super) fn try_all(targets: &[String]) -> Result<(), String> {
    checks::forget_skipped();
    let result = try_those(&[]);
    write_list(targets);
    result
}

/// Runs the tests whose names begin with one of these, or all.
///
/// # Errors
/// A test fails.
pub(super) fn try_those(names: &[&str]) -> Result<(), String> {
    let _ = std::fs::remove_file(record());
    let args = [&["-p", "seqera-tests", "--test", "packages", "--"], names].concat();
    checks::cargo_test_with(&args, &[(environment::CHECKED, record().as_os_str())])
}

fn record() -> std::path::PathBuf {
    out().join(".checked")
}

fn write_list(targets: &[String]) {
    let done = std::fs::read_to_string(record()).unwrap_or_default();
    let mut lines: Vec<&str> = done.lines().collect();
    lines.sort_unstable();
    lines.dedup();
    let mut text = format!(
        "# What was checked\n\nCommit {}, for {}. Each line was written by the test that did it.\n\n\
         | what | how |\n|---|---|\n",
        commit::short(),
        targets.join(", ")
    );
    for line in lines {
        let (what, how) = line.split_once('\t').unwrap_or((line, ""));
        let _ = writeln!(text, "| {what} | {how} |");
    }
    text += "\nSkipped here, each with the reason:\n\n";
    let skipped = checks::skipped();
    skipped.iter().for_each(|line| text += &format!("- {line}\n"));
    if skipped.is_empty() {
        text += "- nothing\n";
    }
    text += "\n# What was not run\n\n| what | where it was not tried |\n|---|---|\n";
    for (what, where_) in NOT_RUN {
        let _ = writeln!(text, "| {what} | {where_} |");
    }
    std::fs::write(out().join("CHECKED.md"), text).expect("a file below target");
}
