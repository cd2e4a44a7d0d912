//! Looks for what a runtime takes for a defect, and ends the process for, before one is made.

use seqera_agent_proto::limits;

use crate::error::Error;

/// With more than this, a program that was just started has room enough.
const FEW_FILES: usize = 64;

/// Lets a program make a runtime of tokio and open so many files and sockets.
///
/// # Errors
/// The limit that is in the way, or the sandbox.
pub fn check(fewest_files: usize) -> Result<(), Error> {
    // Libraries give up in ways of their own where a file cannot be opened, some by a panic.
    if limits::open_files() < FEW_FILES
        && let Some(limit) = limits::short_of_files(fewest_files)
    {
        return Err(Error::Exhausted(limit));
    }
    // A runtime makes a pair of Unix sockets for its signals.
    #[cfg(unix)]
    if let Err(error) = std::os::unix::net::UnixStream::pair() {
        if let Some(sandboxed) = Error::of_sandbox(&error) {
            return Err(sandboxed);
        }
        if let Some(limit) = limits::behind(&error) {
            return Err(Error::Exhausted(limit));
        }
    }
    Ok(())
}
