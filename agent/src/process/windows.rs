//! This process among others, on Windows.

use std::io::{self, Write};

/// Windows writes no core files by itself, and debuggers of the same user cannot be kept out.
///
/// # Errors
/// None.
pub(crate) fn harden() -> io::Result<()> {
    Ok(())
}

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

/// There is no such limit.
pub(crate) fn raise_descriptor_limit() -> usize {
    usize::MAX
}

/// What this host calls itself; for people.
pub(crate) fn host_name() -> String {
    crate::process::config::environment("COMPUTERNAME").unwrap_or_default().to_string_lossy().into_owned()
}

/// Windows has no such thing.
pub(crate) fn pid_namespace() -> String {
    String::new()
}

/// Ends this process as a crash would.
pub(crate) fn kill_self() {
    std::process::abort();
}
