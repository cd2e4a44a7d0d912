//! Skips tests that need something that is not on this machine.

use std::io::Write;
use std::path::PathBuf;

use crate::environment;

/// Reports that the running test is skipped, and why. The report goes around the capture of the test harness,
/// and into the file that `cargo xtask test` prints at its end. The caller then has to return.
///
/// # Panics
///
/// Under `CI=true`, where everything has to be installed.
#[track_caller]
pub fn skip(reason: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    assert!(!environment::is_ci(), "CI skips nothing: {reason}");
    // Written directly to the stream, because the print macros are captured.
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {reason}");
    let Some(file) = environment::variable(environment::SKIPS) else { return };
    let written = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&file)
        .and_then(|mut file| writeln!(file, "{test}: {reason}"));
    written.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}

/// Whether all programs are on this machine. If not, skips the running test and names the missing ones.
#[track_caller]
pub fn have(programs: &[&str], remedy: &str) -> bool {
    let missing: Vec<&str> = programs.iter().copied().filter(|name| !on_path(name)).collect();
    if !missing.is_empty() {
        skip(&format!("{} missing ({remedy})", missing.join(", ")));
    }
    missing.is_empty()
}

/// Whether this user may look into an agent that runs, by `/proc`: at its program, folder, files and variables, which
/// the agent keeps from its own user. If not, skips the running test.
#[track_caller]
pub fn looks_into_agents() -> bool {
    let looks = is_root();
    if !looks {
        skip("needs root: nobody else looks into an agent that runs");
    }
    looks
}

/// The folder of a process belongs to the user who runs it.
pub fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").expect("procfs")) == 0
}

/// Whether a program with this name is on the path.
pub fn on_path(program: &str) -> bool {
    find(program).is_some()
}

/// The program with this name on the path.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = environment::variable("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}
