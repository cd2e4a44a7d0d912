//! `seqera-agent --launch`: starts the agent in the background, waits until it serves, and exits.
//!
//! The one who waits for the launcher may be `$(seqera token)` in a script: nothing of it may live on in
//! the agent, neither a pipe nor a terminal, a folder, or a token in the environment.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::error::{AgentError, ErrorKind};
use crate::process::config::{self, Config};
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
    let agent = start(config).map_err(|error| failed(&error.to_string()))?;
    wait_until_ready(agent)
}

fn start(config: &Config) -> std::io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(DETACHED);
    if config.flags.dumpable {
        command.arg("--dumpable");
    }
    for name in config::not_inherited() {
        command.env_remove(name);
    }
    // "/" is never unmounted under the agent.
    command.current_dir(if cfg!(windows) { r"C:\" } else { "/" });
    #[cfg(windows)]
    {
        const DETACHED_PROCESS: u32 = 0x8;
        const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
        let flags = DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP;
        std::os::windows::process::CommandExt::creation_flags(&mut command, flags);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

/// Reads until the word comes, the agent ends, or the limit is over.
fn wait_until_ready(mut agent: Child) -> Result<(), AgentError> {
    let (said, words) = mpsc::sync_channel(1);
    let output = agent.stdout.take();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = output.map(|output| BufReader::new(output).read_line(&mut line));
        let _ = said.send(matches!(read, Some(Ok(_))) && line.trim_end() == READY);
    });
    match words.recv_timeout(START_LIMIT) {
        Ok(true) => Ok(()),
        Ok(false) => Err(failed(&last_words(agent))),
        Err(_) => {
            let _ = agent.kill();
            Err(failed(&format!("it did not serve within {} s", START_LIMIT.as_secs())))
        }
    }
}

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

fn failed(why: &str) -> AgentError {
    let (message, hint) = why.split_once("\nhint: ").unwrap_or((why, "'seqera agent logs' has the details"));
    AgentError::new(ErrorKind::Misconfigured, format!("the agent could not be started: {message}"), hint)
}
