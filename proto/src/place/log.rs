//! Where the agent writes its log: `seqera agent logs` has to find it, also while no agent runs.

use std::path::PathBuf;

use super::Places;
use super::variables::{Lookup, PlaceError, absolute};

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
        // The XDG specification says that a relative path is to be ignored.
        let folder = |name| absolute(env, name).ok().flatten();
        // Agents of two configuration folders must not rotate one file.
        let name = format!("agent{}.log", self.suffix());
        if let Some(state) = folder("XDG_STATE_HOME") {
            return Ok((state.join("seqera").join(name), Some("XDG_STATE_HOME")));
        }
        if let Some(local) = folder("LOCALAPPDATA").filter(|_| cfg!(windows)) {
            return Ok((local.join("seqera").join(name), Some("LOCALAPPDATA")));
        }
        let state = folder("HOME").map(|home| home.join(".local/state/seqera"));
        Ok((state.unwrap_or_else(|| self.run_dir()).join(name), None))
    }
}
