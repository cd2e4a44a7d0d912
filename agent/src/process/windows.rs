//! This process among others, on Windows.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{ChildStdout, Command};
use std::time::Duration;

/// Nothing of the kind is inherited.
pub(crate) fn start_clean() -> Vec<String> {
    Vec::new()
}

/// Nothing of the kind is inherited.
pub(crate) fn take_usual_share() {}

/// A process cannot be replaced here; the launcher has given it nothing else.
///
/// # Errors
/// None.
pub(crate) fn start_again_with(_: Vec<(OsString, OsString)>) -> io::Result<()> {
    Ok(())
}

/// The first line that a child writes, without its end; `None` if it closes its output before.
///
/// # Errors
/// `TimedOut` after the limit.
pub(crate) fn first_line(output: ChildStdout, limit: Duration) -> io::Result<Option<String>> {
    let (said, words) = std::sync::mpsc::sync_channel(1);
    std::thread::Builder::new().spawn(move || {
        let mut line = String::new();
        let read = BufReader::new(output).read_line(&mut line);
        let _ = said.send(read.map(|read| (read > 0).then(|| line.trim_end().to_owned())));
    })?;
    words.recv_timeout(limit).unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Windows writes no core files by itself, and debuggers of the same user cannot be kept out.
///
/// # Errors
/// None.
pub(crate) fn harden() -> io::Result<()> {
    Ok(())
}

/// The program that this process runs, to be started once more.
///
/// # Errors
/// Where the system does not say which it is.
pub(crate) fn this_program() -> io::Result<Command> {
    std::env::current_exe().map(Command::new)
}

/// A process is listed by the name of its file.
pub(crate) fn take_name() {}

/// The launcher has made this process a detached one.
///
/// # Errors
/// None.
pub(crate) fn leave_session() -> io::Result<()> {
    Ok(())
}

/// Tells the launcher that the agent serves. Its pipes break when it exits; later writes fail silently.
///
/// # Errors
/// None.
pub(crate) fn report_ready(word: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{word}").and_then(|()| out.flush());
    Ok(())
}

/// Handles are inherited only where they were made so; the standard library makes none.
///
/// # Errors
/// None.
pub(crate) fn keep_descriptors_from_children() -> io::Result<()> {
    Ok(())
}

/// What this host calls itself; for people.
pub(crate) fn host_name() -> String {
    crate::process::config::environment("COMPUTERNAME").unwrap_or_default().to_string_lossy().into_owned()
}

/// Windows has no such thing.
pub(crate) fn namespaces() -> seqera_agent_proto::v1::Namespaces {
    seqera_agent_proto::v1::Namespaces::default()
}

/// Windows has no such thing.
pub(crate) fn pid_namespace() -> String {
    String::new()
}

/// Ends this process as a crash would.
pub(crate) fn kill_self() {
    std::process::abort();
}
