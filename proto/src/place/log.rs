//! Where the agent writes its log. `seqera agent logs` has to find it, even if no agent runs.

use std::path::PathBuf;

use super::variables::{Lookup, PlaceError, absolute};
use super::{Places, home, system};

impl Places {
    /// The log file of an agent at these places, unless it logs to a journal or a terminal, and the variable
    /// that chose the file.
    ///
    /// # Errors
    /// `SEQERA_LOG_FILE` is a relative path.
    pub fn log_file(&self, env: Lookup<'_>) -> Result<(PathBuf, Option<&'static str>), PlaceError> {
        const CHOSEN: &str = "SEQERA_LOG_FILE";
        if let Some(given) = absolute(env, CHOSEN)? {
            return Ok((given, Some(CHOSEN)));
        }
        // Agents of two configuration folders must not rotate one file.
        let name = format!("agent{}.log", self.suffix());
        Ok(match state_folder(env) {
            Some((state, variable)) => (state.join("seqera").join(name), variable),
            None => (self.run_dir().join(name), None),
        })
    }
}

/// The folder for logs, and the variable that names it. `XDG_STATE_HOME` counts on every system: whoever sets
/// it means it.
fn state_folder(env: Lookup<'_>) -> Option<(PathBuf, Option<&'static str>)> {
    const XDG: &str = "XDG_STATE_HOME";
    // The XDG specification says to ignore a relative path.
    match absolute(env, XDG) {
        Ok(Some(state)) => Some((state, Some(XDG))),
        _ => system::state_folder(env, home(env).ok().flatten()),
    }
}
