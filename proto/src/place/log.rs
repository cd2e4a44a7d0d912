//! Where the agent writes its log: `seqera agent logs` has to find it, also while no agent runs.

use std::path::PathBuf;

use super::variables::{Lookup, PlaceError, absolute};
use super::{Places, home, system};

impl Places {
    /// The log of an agent of these places that does not write to a journal or a terminal, and the variable
    /// that decided on it.
    ///
    /// # Errors
    /// Where `SEQERA_LOG_FILE` is a relative path.
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

/// Where programs keep their logs, and the variable that says so. Whoever sets the one of XDG means it on
/// every system.
fn state_folder(env: Lookup<'_>) -> Option<(PathBuf, Option<&'static str>)> {
    const XDG: &str = "XDG_STATE_HOME";
    // The XDG specification says that a relative path is to be ignored.
    match absolute(env, XDG) {
        Ok(Some(state)) => Some((state, Some(XDG))),
        _ => system::state_folder(env, home(env).ok().flatten()),
    }
}
