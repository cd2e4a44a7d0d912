//! `cargo xtask mutants`: changes one line after another of the files that must not lose a token, and names the
//! changes that no unit test notices. Takes hours, so nothing runs it by itself.

use std::process::{Command, ExitCode, Stdio};

use seqera_tests::binaries::{cargo, workspace};

/// The state of a session, and everything that moves a secret.
const FILES: [&str; 5] = [
    "agent/src/sessions/session.rs",
    "agent/src/sessions/renewal.rs",
    "agent/src/sessions/install.rs",
    "agent/src/sessions/sign_out.rs",
    "agent/src/storage/ladder.rs",
];

/// The unit tests that hold these files.
const TESTS: [&str; 2] = ["sessions::", "storage::ladder::"];

/// Seconds for one run of these tests, which take less than twenty: a change that makes one wait for ever is
/// noticed.
const TIMEOUT: &str = "120";

/// Runs them all. Fails if a change was not noticed, or if there is no cargo-mutants.
pub(crate) fn survivors() -> ExitCode {
    if !is_installed() {
        eprintln!("cargo-mutants is missing: cargo install --locked cargo-mutants");
        return ExitCode::FAILURE;
    }
    let status = Command::new(cargo()).current_dir(workspace()).args(arguments()).status();
    let status = status.unwrap_or_else(|error| panic!("cargo: {error}"));
    if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn is_installed() -> bool {
    let mut version = Command::new(cargo());
    version.args(["mutants", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}

/// What becomes of each change is written to `target/mutants.out`.
fn arguments() -> Vec<&'static str> {
    let mut arguments = vec!["mutants", "--package", "seqera-agent", "--output", "target"];
    arguments.extend(["--jobs", "1", "--timeout", TIMEOUT]);
    arguments.extend(FILES.iter().flat_map(|file| ["--file", *file]));
    arguments.extend(["--", "--lib", "--"]);
    arguments.extend(TESTS);
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_exist_and_only_their_tests_run() {
        for file in FILES {
            assert!(workspace().join(file).is_file(), "{file}");
        }
        let line = arguments().join(" ");
        assert!(line.ends_with("-- --lib -- sessions:: storage::ladder::"), "{line}");
    }
}
