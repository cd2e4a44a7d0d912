//! `seqera agent`: the background agent itself.

use std::time::Duration;

use seqera_client::proto::v1::InfoResponse;
use seqera_client::{Client, Error, Options};
use serde_json::json;

use crate::args::{Agent, Force};
use crate::context::{Context, wait};
use crate::failure::Failure;
use crate::screen::table;
use crate::time::{length, moment, now, rfc3339};

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(crate) fn run(context: &Context, command: Agent) -> Result<(), Failure> {
    match command {
        Agent::Start => start(context),
        Agent::Stop(force) => stop(context, force),
        Agent::Restart(force) => {
            wait(shut_down(context, force))?;
            start(context)
        }
        Agent::Status => status(context),
        Agent::Socket => socket(context),
    }
}

fn start(context: &Context) -> Result<(), Failure> {
    let client = Client::new(context.options()?);
    let info = wait(async { Ok(client.info().await?) })?;
    if context.screen.json {
        return context.screen.object(&object(&info));
    }
    context.screen.say(&format!("agent {} listens at {}", info.pid, info.socket))
}

fn stop(context: &Context, force: Force) -> Result<(), Failure> {
    let was_running = wait(shut_down(context, force))?;
    if context.screen.json {
        return context.screen.object(&json!({"was_running": was_running}));
    }
    context.screen.say(if was_running { "the agent has stopped" } else { "no agent was running" })
}

/// True where an agent was running. Where none was, nothing is to be done.
async fn shut_down(context: &Context, force: Force) -> Result<bool, Failure> {
    let client = Client::new(context.options()?);
    match client.shutdown(force.force).await {
        Ok(()) => Ok(true),
        Err(Error::NoAgent | Error::NobodyAtChosen(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn status(context: &Context) -> Result<(), Failure> {
    let client = Client::new(Options { start_agent: false, ..context.options()? });
    let info = wait(async { Ok(client.info().await?) })?;
    if context.screen.json {
        context.screen.object(&object(&info))?;
    } else {
        context.screen.say(&table(&rows(&info)))?;
    }
    info.problems.iter().for_each(|problem| context.screen.warn(problem));
    if info.version != VERSION {
        context.screen.note(&format!(
            "this command is of version {VERSION}; 'seqera agent restart' brings both together"
        ));
    }
    Ok(())
}

fn rows(info: &InfoResponse) -> Vec<(&'static str, String)> {
    vec![
        ("Version", info.version.clone()),
        ("Process", info.pid.to_string()),
        ("Running for", running_for(info).map(length).unwrap_or_default()),
        ("Socket", info.socket.clone()),
        ("Configuration", info.config_dir.clone()),
        ("Secrets kept in", info.store.clone()),
        ("Sessions", info.sessions.to_string()),
    ]
}

fn running_for(info: &InfoResponse) -> Option<Duration> {
    let started = moment(info.started_at?)?;
    // A clock that was set back makes it negative: zero then.
    Some(Duration::try_from(now().duration_since(started)).unwrap_or_default())
}

fn object(info: &InfoResponse) -> serde_json::Value {
    json!({
        "version": info.version,
        "protocol": info.protocol,
        "pid": info.pid,
        "started_at": rfc3339(info.started_at),
        "socket": info.socket,
        "config_dir": info.config_dir,
        "host_id": info.host_id,
        "store": info.store,
        "sessions": info.sessions,
        "problems": info.problems,
    })
}

fn socket(context: &Context) -> Result<(), Failure> {
    let client = Client::new(context.options()?);
    let path = client.expected_socket().ok_or(Error::NoAgent)?.display().to_string();
    if context.screen.json {
        return context.screen.object(&json!({"socket": path}));
    }
    context.screen.say(&path)
}
