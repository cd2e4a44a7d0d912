//! `seqera agent`: the background agent itself.

mod doctor;
mod findings;
pub(crate) mod leases;
mod logs;

use std::time::Duration;

use clap::{Args, Subcommand};
use seqera_client::proto::v1::{self, InfoResponse};
use seqera_client::{Client, Error, Options};
use serde_json::json;

use self::doctor::Doctor;
use self::leases::Leases;
use self::logs::Logs;
use crate::screen::failure::Failure;
use crate::screen::table;
use crate::screen::time::{length, local, moment, now, rfc3339};
use crate::settings::context::{Context, wait};
use crate::settings::namespaces;
use crate::settings::subject::Named;

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(Debug, Subcommand)]
pub(crate) enum Agent {
    /// Start the agent where none runs
    #[command(after_help = "Example: seqera agent start")]
    Start,
    /// Stop the agent after it has saved what is under way
    #[command(after_help = "Example: seqera agent stop")]
    Stop(Force),
    /// Stop the agent and start it again
    ///
    /// Sessions stay: they are read again from the keychain or the file that keeps them.
    #[command(after_help = "Example: seqera agent restart")]
    Restart(Force),
    /// Show the running agent; never starts one
    #[command(after_help = "Example: seqera agent status -o json")]
    Status,
    Leases(Leases),
    /// Print the path of the socket
    ///
    /// With -o json also what a program has to send with its calls: the mark of the configuration folder, and
    /// the profile and authority that environment and config.json name.
    #[command(after_help = "Example: grpcurl -plaintext \"unix:$(seqera agent socket)\" list")]
    Socket,
    Doctor(Doctor),
    Logs(Logs),
}

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Force {
    /// Also where a session lives in memory only and would be lost
    #[arg(long)]
    force: bool,
}

pub(super) fn run(context: &Context, command: Agent) -> Result<(), Failure> {
    match command {
        Agent::Start => start(context),
        Agent::Stop(force) => stop(context, force),
        Agent::Restart(force) => restart(context, force),
        Agent::Status => status(context),
        Agent::Leases(args) => leases::run(context, &args),
        Agent::Socket => socket(context),
        Agent::Doctor(args) => doctor::run(context, args),
        Agent::Logs(args) => logs::run(context, args),
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

/// Looks for the program first: an agent that could not be started again is left alone.
fn restart(context: &Context, force: Force) -> Result<(), Failure> {
    let client = Client::new(context.options()?);
    wait(async { client.can_start().await.map_err(not_restarted) })?;
    wait(shut_down(context, force))?;
    start(context)
}

fn not_restarted(error: Error) -> Failure {
    let why = match &error {
        Error::NoProgram => "no 'seqera-agent' program was found".to_owned(),
        Error::NobodyAtChosen(socket) => {
            format!("an agent at {} is not started by this command", socket.display())
        }
        other => other.to_string(),
    };
    Failure { message: format!("{why}; nothing was stopped"), ..error.into() }
}

fn stop(context: &Context, force: Force) -> Result<(), Failure> {
    let stopped = wait(shut_down(context, force))?;
    let leases = stopped.unwrap_or(0);
    if context.screen.json {
        let object = json!({"was_running": stopped.is_some(), "leases": leases});
        return context.screen.object(&object);
    }
    context.screen.say(if stopped.is_some() { "the agent has stopped" } else { "no agent was running" })?;
    if leases > 0 {
        let who = if leases == 1 { "a program holds a token" } else { "programs hold tokens" };
        context.screen.warn(&format!("{who} that only a running agent deletes at the end"));
        context.screen.hint("'seqera agent start' sees to them again");
    }
    Ok(())
}

/// Returns how many leases nobody will end for now; `None` if no agent was running.
async fn shut_down(context: &Context, force: Force) -> Result<Option<u32>, Failure> {
    let client = Client::new(context.options()?);
    match client.shutdown(force.force).await {
        Ok(leases) => Ok(Some(leases)),
        Err(Error::NoAgent | Error::NobodyAtChosen(_)) => Ok(None),
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
        context
            .screen
            .note(&format!("this command has version {VERSION}; 'seqera agent restart' makes them the same"));
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
        ("Leases", if info.leases == 0 { String::new() } else { info.leases.to_string() }),
        ("Asked by", info.assistants.iter().map(asker).collect::<Vec<_>>().join(", ")),
        ("Log", info.log.clone()),
        ("Elsewhere", namespaces::differences(info).join(", ")),
    ]
}

fn running_for(info: &InfoResponse) -> Option<Duration> {
    let started = moment(info.started_at?)?;
    // If the clock was set back, the difference is negative and counts as zero.
    Some(Duration::try_from(now() - started).unwrap_or_default())
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
        "leases": info.leases,
        "assistants": info.assistants.iter().map(assistant).collect::<Vec<_>>(),
        "log": (!info.log.is_empty()).then_some(&info.log),
        "settings": info.settings.iter().map(setting).collect::<serde_json::Map<_, _>>(),
        "namespaces": namespaces::object(info),
        "problems": info.problems,
    })
}

/// An assistant by its own word.
fn asker(asker: &v1::Assistant) -> String {
    let last = asker.last_asked_at.map(|at| format!(", last {}", local(at))).unwrap_or_default();
    format!("{} ({} times{last}; by its own word)", asker.name, asker.calls)
}

fn assistant(asker: &v1::Assistant) -> serde_json::Value {
    json!({"name": asker.name, "calls": asker.calls, "last_asked_at": rfc3339(asker.last_asked_at)})
}

fn setting(setting: &v1::Setting) -> (String, serde_json::Value) {
    (setting.name.clone(), json!({"value": setting.value, "source": setting.source}))
}

fn socket(context: &Context) -> Result<(), Failure> {
    let client = Client::new(context.options()?);
    let path = client.expected_socket().ok_or(Error::NoAgent)?.display().to_string();
    if context.screen.json {
        return context.screen.object(&meeting(context, &path)?);
    }
    context.screen.say(&path)
}

/// What a library needs that finds the agent by this command: it then has no rules of its own about places and
/// names. A mistake in what names the profile is for the calls that name none themselves.
fn meeting(context: &Context, socket: &str) -> Result<serde_json::Value, Failure> {
    let (named, mistake) = match context.named() {
        Ok(named) => (named, None),
        Err(failure) => (Named::default(), Some(failure.json()["error"].take())),
    };
    let set = |text: String| Some(text).filter(|text| !text.is_empty());
    Ok(json!({
        "socket": socket,
        "config_tag": context.options()?.places.tag,
        "profile": set(named.profile),
        "authority": set(named.authority),
        "mistake": mistake,
    }))
}
