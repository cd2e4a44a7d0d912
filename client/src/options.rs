//! What a [`Client`](crate::Client) needs to know before it can call.

use std::ffi::OsString;
use std::time::Duration;

use seqera_agent_proto::place::{Lookup, Places};

use crate::error::Error;

/// As long as the agent waits for a renewal when a caller names no deadline (the contract, `tokens.proto`).
const DEADLINE: Duration = Duration::from_secs(30);

/// Which agent, which profile, how long.
#[derive(Debug, Clone)]
pub struct Options {
    /// Configuration folder and sockets.
    pub places: Places,
    /// The profile that calls are about; empty: the one the agent chooses.
    pub profile: String,
    /// OIDC issuer base URL that the profile must have; empty: any.
    pub authority: String,
    /// Longest wait for one call, a start of the agent included.
    pub deadline: Duration,
    /// Start an agent where none listens. A socket chosen by `SEQERA_AGENT_SOCK` is never started.
    pub start_agent: bool,
    /// Folders to look in for the agent's program, after the folder of this executable: `PATH`.
    pub search_path: Option<OsString>,
}

impl Options {
    /// The options of this process: folders and socket from the environment, the default profile, 30 s.
    ///
    /// # Errors
    /// [`Error::Places`] where no home folder is known, or a variable holds a relative path.
    #[expect(clippy::disallowed_methods, reason = "the library's one door to the environment")]
    pub fn from_env() -> Result<Self, Error> {
        Self::find(&|name| std::env::var_os(name))
    }

    /// As [`Options::from_env`], with another source of variables. An agent that has to be started
    /// inherits the real environment: folders that it does not see there are not passed on.
    ///
    /// # Errors
    /// As [`Options::from_env`].
    pub fn find(env: Lookup<'_>) -> Result<Self, Error> {
        Ok(Self {
            places: Places::find(env)?,
            profile: String::new(),
            authority: String::new(),
            deadline: DEADLINE,
            start_agent: true,
            search_path: env("PATH"),
        })
    }
}
