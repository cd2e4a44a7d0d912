//! Tests that need something which is not on this machine.

use std::io::Write;

use crate::environment;

/// Says that the running test is skipped, and why: past the test harness's capture, and into the file that
/// `cargo xtask test` prints at its end. The caller returns.
///
/// # Panics
/// Under `CI=true`, where everything has to be there.
#[track_caller]
pub fn skip(reason: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    assert!(!environment::is_ci(), "CI skips nothing: {reason}");
    // Written to the stream itself: what the print macros write is captured.
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {reason}");
    let Some(file) = environment::variable(environment::SKIPS) else { return };
    let written = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&file)
        .and_then(|mut file| writeln!(file, "{test}: {reason}"));
    written.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}

/// True where all programs are on this machine; else skips the running test, naming what is missing.
#[track_caller]
pub fn have(programs: &[&str], remedy: &str) -> bool {
    let missing: Vec<&str> = programs.iter().copied().filter(|name| !on_path(name)).collect();
    if !missing.is_empty() {
        skip(&format!("{} missing ({remedy})", missing.join(", ")));
    }
    missing.is_empty()
}

/// True where a program of this name is on the path.
pub fn on_path(program: &str) -> bool {
    let path = environment::variable("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
