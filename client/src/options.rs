//! What a [`Client`](crate::Client) needs to know before it can call.

use std::ffi::OsString;
use std::time::Duration;

use seqera_agent_proto::assistant;
use seqera_agent_proto::place::{Lookup, Places};

use crate::error::Error;

/// The time that the agent itself waits for a renewal if a call has no deadline (`tokens.proto`).
const DEADLINE: Duration = Duration::from_secs(30);

/// Which agent to ask, for which profile, and how long to wait.
#[derive(Debug, Clone)]
pub struct Options {
    /// The configuration folder and the sockets.
    pub places: Places,
    /// The profile that calls are about; empty: the one the agent chooses.
    pub profile: String,
    /// The OIDC issuer base URL that the profile must have; empty: any.
    pub authority: String,
    /// How long one call may take, including the start of an agent.
    pub deadline: Duration,
    /// Whether to start an agent if none is listening. At a socket chosen by `SEQERA_AGENT_SOCK`, none is
    /// ever started.
    pub start_agent: bool,
    /// The store that secrets should be kept in, as `SEQERA_CREDENTIAL_STORE` names it; empty: however the agent
    /// keeps them. An agent that was started with another choice refuses to store a secret.
    pub credential_store: String,
    /// The coding assistant that this process works for, as `AI_AGENT` or its own variable names it; empty: none that
    /// is known. The agent shows it to the person, and decides nothing by it.
    pub asked_by: String,
    /// The value of `PATH`: the folders to search for the agent's program after the folder of this
    /// executable.
    pub search_path: Option<OsString>,
}

impl Options {
    /// The options of this process: folders and socket from the environment, the default profile, and a
    /// deadline of 30 s.
    ///
    /// # Errors
    /// [`Error::Places`] if no home folder is known, or if a variable holds a relative path.
    #[expect(clippy::disallowed_methods, reason = "nothing else in the library reads the environment")]
    pub fn from_env() -> Result<Self, Error> {
        Self::find(&|name| std::env::var_os(name))
    }

    /// Like [`Options::from_env`], with another source of variables. An agent that has to be started inherits
    /// the real environment, so it does not know folders that only `env` names.
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
            credential_store: env("SEQERA_CREDENTIAL_STORE")
                .map(|store| store.to_string_lossy().trim().to_owned())
                .unwrap_or_default(),
            asked_by: assistant::asking(env),
            search_path: env("PATH"),
        })
    }
}
