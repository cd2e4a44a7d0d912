//! Where agent and client meet: configuration folder, host id, run folder and socket. Both sides use this
//! code to compute them from the environment, so that they agree.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

mod hash;
mod host;
mod log;
#[cfg(unix)]
#[path = "place/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "place/windows.rs"]
mod system;
mod variables;

pub use hash::{hex, token_sha256};
#[cfg(windows)]
pub use system::{owner_sid, user_sid};
pub use variables::{Lookup, PlaceError};

use variables::{HOME, absolute, text};

/// The folder of the Seqera CLI in the user's configuration folder, on every system.
const FOLDER: &str = "seqera-ai";

/// The places of one user, host and configuration folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The configuration folder, as the environment names it.
    pub config_dir: PathBuf,
    /// True if the real path of the folder is that of `~/.config/seqera-ai`.
    pub config_is_default: bool,
    /// 12 hex digits of the SHA-256 of the folder's real path.
    pub tag: String,
    /// 16 hex digits that identify this host, or the name that `SEQERA_AGENT_HOST_ID` gives it.
    pub host_id: String,
    /// The id of this host in earlier versions, where that is another one: it changed with the node name.
    pub former_id: Option<String>,
    /// What this host calls itself, for people.
    pub host_name: String,
    /// The sockets that a client tries and the agent binds, best first; only one if `SEQERA_AGENT_SOCK` names
    /// it.
    pub sockets: Vec<PathBuf>,
    /// True if `SEQERA_AGENT_SOCK` chose the socket. Clients never start an agent there.
    pub socket_is_chosen: bool,
}

impl Places {
    /// Computes the places from the environment. Creates nothing.
    ///
    /// # Errors
    /// No home folder is known, or a variable holds a relative path or no text.
    pub fn find(env: Lookup<'_>) -> Result<Self, PlaceError> {
        let (config_dir, default_dir) = config_dirs(env)?;
        let real = real_path(&config_dir);
        let config_is_default = default_dir.is_some_and(|dir| dir == config_dir || real_path(&dir) == real);
        let tag = hex(&Sha256::digest(real.as_os_str().as_encoded_bytes()))[..12].to_owned();
        let (host_id, former_id, host_name) = match text(env, "SEQERA_AGENT_HOST_ID")? {
            Some(given) => (file_safe(&given), None, given),
            None => {
                let host = system::host(env);
                let (id, former) = host.ids(|| system::is_local(&config_dir));
                (id, former, host.name)
            }
        };
        let mut places = Self {
            config_dir,
            config_is_default,
            tag,
            host_id,
            former_id,
            host_name,
            sockets: Vec::new(),
            socket_is_chosen: false,
        };
        match absolute(env, "SEQERA_AGENT_SOCK")? {
            Some(chosen) => {
                places.sockets = vec![chosen];
                places.socket_is_chosen = true;
            }
            None => places.sockets = system::sockets(&places.run_dir(), &places.suffix(), env),
        }
        Ok(places)
    }

    /// True if no other host can have the configuration folder in use.
    pub fn is_local(&self) -> bool {
        system::is_local(&self.config_dir)
    }

    /// `<config folder>/run/<host id>`, with the lock, `agent.json` and `sessions.json` of this host.
    pub fn run_dir(&self) -> PathBuf {
        self.config_dir.join("run").join(&self.host_id)
    }

    /// The same folder by the id of earlier versions, where that is another one.
    pub fn former_run_dir(&self) -> Option<PathBuf> {
        self.former_id.as_ref().map(|id| self.config_dir.join("run").join(id))
    }

    /// The configuration file, which the user writes.
    pub fn config_json(&self) -> PathBuf {
        self.config_dir.join("config.json")
    }

    /// The file that names the running agent: one JSON object with `pid`, `version`, `socket`.
    pub fn agent_json(&self) -> PathBuf {
        self.run_dir().join("agent.json")
    }

    /// The end of the names of socket and log: empty for the default configuration folder.
    fn suffix(&self) -> String {
        if self.config_is_default { String::new() } else { format!("-{}", self.tag) }
    }
}

/// The user's home folder: from the variable, or else from the system if it can be asked.
///
/// # Errors
/// The variable holds a relative path.
pub fn home(env: Lookup<'_>) -> Result<Option<PathBuf>, PlaceError> {
    Ok(absolute(env, HOME)?.or_else(system::known_home))
}

/// The configuration folder, and the default one if a home folder is known.
fn config_dirs(env: Lookup<'_>) -> Result<(PathBuf, Option<PathBuf>), PlaceError> {
    let default_dir = home(env)?.map(|home| home.join(".config").join(FOLDER));
    if let Some(dir) = absolute(env, "SEQERA_CLI_CONFIG_DIR")? {
        return Ok((dir, default_dir));
    }
    // The XDG specification says to ignore a relative path.
    if let Some(dir) = absolute(env, "XDG_CONFIG_HOME").ok().flatten() {
        return Ok((dir.join(FOLDER), default_dir));
    }
    default_dir.clone().map(|dir| (dir, default_dir)).ok_or(PlaceError::NoHome)
}

/// The real path of a folder, even if the folder does not exist yet: the part that exists is resolved.
fn real_path(path: &Path) -> PathBuf {
    for ancestor in path.ancestors() {
        let Ok(real) = ancestor.canonicalize() else { continue };
        return match path.strip_prefix(ancestor) {
            Ok(rest) if !rest.as_os_str().is_empty() => real.join(rest),
            _ => real,
        };
    }
    path.to_owned()
}

/// Makes a chosen host id safe for the names of files and keychain items.
fn file_safe(given: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c.to_ascii_lowercase() } else { '_' };
    given.chars().map(safe).take(64).collect()
}

#[cfg(unix)]
#[cfg(test)]
mod tests;
