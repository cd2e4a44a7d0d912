//! `seqera-agent --launch`: starts the agent in the background, waits until it serves, and exits.
//!
//! The one who waits for the launcher may be `$(seqera token)` in a script: nothing of it may live on in
//! the agent, neither a pipe nor a terminal, a folder, or a token in the environment.

use std::io::Read;
use std::process::{Child, Stdio};
use std::time::Duration;

use seqera_agent_proto::limits;
use seqera_agent_proto::reason::EXIT_NO_AGENT;

use crate::error::{AgentError, ErrorKind};
use crate::process::config::{self, Config, Starter};
use crate::process::instance::{Running, STOPPING_LIMIT};
use crate::process::system;

/// The flag by which the launcher starts the agent.
pub(crate) const DETACHED: &str = "--detached";

/// What the agent writes to its standard output when it serves.
pub(crate) const READY: &str = "ready";

/// A stopping agent is waited for, and then the new one needs a moment of its own.
const START_LIMIT: Duration = STOPPING_LIMIT.saturating_add(Duration::from_secs(10));

/// Longest error text that is passed on.
const LONGEST_ERROR: u64 = 16 * 1024;

/// Returns when an agent serves these places: the one that runs, or a new one.
///
/// # Errors
/// The new agent's own words where it could not start.
pub(crate) async fn launch(config: &Config) -> Result<(), AgentError> {
    // Most of many launchers find the agent of the first one here, and start no process.
    if Running::find(config.places.agent_json()).await.is_some() {
        return Ok(());
    }
    system::keep_descriptors_from_children().map_err(AgentError::internal)?;
    let agent = start(config).map_err(|error| refused(&error))?;
    #[cfg(target_os = "linux")]
    crate::process::scope::give(agent.id()).await;
    wait_until_ready(agent)
}

fn start(config: &Config) -> std::io::Result<Child> {
    let mut command = system::this_program()?;
    command.arg(DETACHED);
    if config.flags.dumpable {
        command.arg("--dumpable");
    }
    let (kept, _) = config::kept_environment(Starter::Launcher);
    command.env_clear().envs(kept);
    #[cfg(windows)]
    {
        const DETACHED_PROCESS: u32 = 0x8;
        const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
        let flags = DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP;
        std::os::windows::process::CommandExt::creation_flags(&mut command, flags);
        command.current_dir(r"C:\");
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

/// Reads until the word comes, the agent ends, or the limit is over.
fn wait_until_ready(mut agent: Child) -> Result<(), AgentError> {
    let Some(output) = agent.stdout.take() else { return Err(failed(&last_words(agent))) };
    match system::first_line(output, START_LIMIT) {
        Ok(Some(line)) if line == READY => Ok(()),
        Ok(_) => Err(ended(agent)),
        Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {
            let _ = agent.kill();
            Err(failed(&format!("it did not serve within {} s", START_LIMIT.as_secs())))
        }
        Err(error) => {
            let _ = agent.kill();
            Err(refused(&error))
        }
    }
}

/// Why an agent ended before it served. One that ran out of something may have had no room for words about it, or
/// only for those of the standard library.
fn ended(mut agent: Child) -> AgentError {
    let status = agent.wait();
    let by_itself = status.as_ref().is_ok_and(|status| status.code().is_some_and(|code| code != PANICKED));
    if status.as_ref().is_ok_and(|status| status.code() == Some(EXIT_NO_AGENT.into())) {
        let words = last_words(agent);
        return AgentError::exhausted(words.lines().next().unwrap_or_default());
    }
    match limits::narrow().pop().filter(|_| !by_itself) {
        Some(limit) => AgentError::exhausted(limit),
        None => failed(&last_words(agent)),
    }
}

/// The exit code of a program that panicked.
const PANICKED: i32 = 101;

/// What an agent that has closed its output wrote to standard error before it ended.
fn last_words(mut agent: Child) -> String {
    let mut text = Vec::new();
    if let Some(stderr) = agent.stderr.take() {
        let _ = stderr.take(LONGEST_ERROR).read_to_end(&mut text);
    }
    let ended = agent.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
    let text = String::from_utf8_lossy(&text);
    match text.trim() {
        "" => format!("it ended at once ({ended})"),
        text => text.strip_prefix("error: ").unwrap_or(text).to_owned(),
    }
}

/// The system refused to start a process. "Try again" (`EAGAIN`) means that there are too many.
fn refused(error: &std::io::Error) -> AgentError {
    match limits::behind_start(error) {
        Some(limit) => AgentError::exhausted(limit),
        None => failed(&error.to_string()),
    }
}

fn failed(why: &str) -> AgentError {
    let (message, hint) = why.split_once("\nhint: ").unwrap_or((why, "'seqera agent logs' has the details"));
    AgentError::new(ErrorKind::Misconfigured, format!("the agent could not be started: {message}"), hint)
}
