//! One agent from its first file to its last: claim, bind, wire, serve, drain with a deadline.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use seqera_agent_proto::limits;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tonic::service::RoutesBuilder;
use tonic_health::server::HealthReporter;
use tower::Layer;

use crate::api::calls::CallLayer;
use crate::api::standard;
use crate::error::AgentError;
#[cfg(unix)]
use crate::error::ErrorKind;
use crate::process::config::Config;
use crate::process::house::{Core, House, Over};
use crate::process::inherited::Inherited;
use crate::process::instance::{self, Claim, Instance, Ownership, Running, STOPPING_LIMIT};
use crate::process::stop::{Signals, Stop};
use crate::process::successor::{Program, Successors};
#[cfg(unix)]
use crate::process::system;
use crate::process::{memory, notify, predecessor};
use crate::socket::activity::Activity;
use crate::socket::bind::Socket;
use crate::socket::limits::Limits;
use crate::socket::serve::serve as serve_calls;
use crate::socket::shares::Shares;
use crate::socket::system::Listener;

/// For the last answers to reach their callers.
const FLUSH: Duration = Duration::from_secs(1);

/// What the core of the agent is given.
#[derive(Debug, Clone)]
pub(crate) struct Wiring {
    /// As it was at the start.
    pub config: Arc<Config>,
    /// Where the agent serves now.
    pub socket: watch::Receiver<PathBuf>,
    /// To be said by `Control.Shutdown`, and heard by whoever must end.
    pub stop: Stop,
    /// Whether the sessions are this agent's.
    pub ownership: Arc<Ownership>,
    /// How much there is of everything.
    pub limits: Limits,
    /// What is in the way of a new version of the program, for people.
    pub successor: watch::Receiver<Option<String>>,
}

/// What the core gives back.
pub(crate) struct Parts {
    /// Its services.
    pub routes: RoutesBuilder,
    /// The core itself.
    pub core: Arc<dyn Core>,
}

/// How a run ended well.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The agent served and was told to stop.
    Served,
    /// Another agent serves these places.
    Elsewhere(Running),
}

/// Runs the agent until it is told to stop. `assemble` builds the core once this process is the only
/// agent of its places; `ready` is called when callers are served.
///
/// # Errors
/// Where the agent cannot start: places that are not safe, a lock that nobody releases, a core that fails.
pub(crate) async fn run<F>(
    config: Config,
    stop: Stop,
    assemble: impl FnOnce(Wiring) -> F,
    ready: impl FnOnce(),
) -> Result<Ended, AgentError>
where
    F: Future<Output = Result<Parts, AgentError>>,
{
    let mut inherited = config.flags.succeeds.map(Inherited::take).unwrap_or_default();
    let mut instance = match instance::claim(&config.places, inherited.lock.take()).await? {
        Claim::Ours(instance) => instance,
        Claim::Theirs(running) => return Ok(Ended::Elsewhere(running)),
    };
    match predecessor::inherit(&config.places).await {
        Ok(None) => {}
        Ok(Some(running)) => {
            instance.release().await;
            return Ok(Ended::Elsewhere(running));
        }
        Err(error) => {
            instance.release().await;
            return Err(error);
        }
    }
    // The socket and its file go when this ends, however it ends.
    let outcome = serve(config, &mut instance, inherited, stop, assemble, ready).await;
    instance.release().await;
    outcome.map(|()| Ended::Served)
}

async fn serve<F>(
    mut config: Config,
    instance: &mut Instance,
    inherited: Inherited,
    stop: Stop,
    assemble: impl FnOnce(Wiring) -> F,
    ready: impl FnOnce(),
) -> Result<(), AgentError>
where
    F: Future<Output = Result<Parts, AgentError>>,
{
    config.met.extend(instance.problem.take());
    let mut signals = Signals::listen().map_err(|error| AgentError::system(&error))?;
    let handed_over = handed_over(&config, inherited)?;
    let successors = Successors::of_this_program(config.flags.succeeds.as_ref());
    let limits = Limits::of_descriptors(limits::open_files());
    let (socket, incoming) = Socket::bind(&config.places, handed_over, limits).await?;
    config.met.extend_from_slice(socket.passed_over());
    instance.announce(socket.path()).await;
    for problem in config.problems.iter().chain(&config.met) {
        tracing::warn!(problem, "configuration");
    }
    let config = Arc::new(config);
    let (path, socket_path) = watch::channel(socket.path().to_owned());
    let ownership = Arc::clone(&instance.ownership);
    let wiring = Wiring {
        config: Arc::clone(&config),
        socket: socket_path,
        stop: stop.clone(),
        ownership,
        limits,
        successor: successors.told(),
    };
    let Parts { mut routes, core } = assemble(wiring).await?;
    let health = standard::add(&mut routes);

    let activity = Activity::new();
    let stopping = stop.clone();
    let service = CallLayer::new(&config.places.tag, Arc::clone(&activity)).layer(routes.routes().prepare());
    let mut serving = tokio::spawn(serve_calls(incoming, service, async move { stopping.requested().await }));
    tracing::info!(socket = %socket.path().display(), version = env!("CARGO_PKG_VERSION"), "serving");
    notify::tell(config.notify_socket.as_deref(), notify::READY);
    ready();

    let (shares, debugged) = (socket.shares(), config.flags.dumpable);
    let mut house = House::new(&config, socket, path, instance, successors);
    let mut heir = None;
    tokio::select! {
        over = house.keep(&activity, core.as_ref()) => match over {
            Over::Followed(program) => heir = Some(program),
            Over::Unneeded => stop.begin("nobody needs this agent, or it is not the owner any more"),
        },
        () = give_memory_back(&shares, debugged) => {}
        () = signals.heard(&stop, || core.reload()) => {}
        () = stop.requested() => {}
        ended = &mut serving => tracing::error!(?ended, "the server has ended by itself"),
    }
    let begun = Begun { config: &config, core: core.as_ref(), serving, health: &health };
    match heir {
        Some(program) => begun.hand_over(&mut house, &program, &mut signals, &stop).await,
        None => {
            stop.begin("the server has ended");
            begun.end(&mut house).await;
            Ok(())
        }
    }
}

/// What an agent that ends has to finish.
struct Begun<'a> {
    config: &'a Config,
    core: &'a dyn Core,
    serving: JoinHandle<()>,
    health: &'a HealthReporter,
}

impl Begun<'_> {
    async fn end(self, house: &mut House<'_>) {
        notify::tell(self.config.notify_socket.as_deref(), notify::STOPPING);
        standard::stop_serving(self.health).await;
        house.instance.announce_stopping().await;
        drain(self.core, self.serving).await;
    }

    /// Goes on as another program in this process; whoever asks for a stop meanwhile gets one. Comes back where there
    /// is a stop.
    ///
    /// # Errors
    /// Neither the other program nor this one could be started.
    async fn hand_over(
        self,
        house: &mut House<'_>,
        program: &Program,
        signals: &mut Signals,
        stop: &Stop,
    ) -> Result<(), AgentError> {
        house.settle().await;
        stop.hand_over();
        standard::stop_serving(self.health).await;
        let mut drained = pin!(drain(self.core, self.serving));
        let is_drained = tokio::select! {
            () = &mut drained => true,
            () = signals.heard(stop, || std::future::ready(())) => false,
        };
        let failed = match stop.hands_over() {
            true => Some(house.hand_over(program, self.config.flags).await),
            false => None,
        };
        notify::tell(self.config.notify_socket.as_deref(), notify::STOPPING);
        house.instance.announce_stopping().await;
        if !is_drained {
            drained.await;
        }
        failed.map_or(Ok(()), |error| Err(AgentError::system(&error)))
    }
}

/// Gives back, for ever, what bursts of connections and calls have left in memory: allocators keep it. The start
/// counts as one.
async fn give_memory_back(shares: &Shares, debugged: bool) {
    loop {
        // Twice: what ends last, such as a goodbye, has its part of the program mapped again.
        for _ in 0..2 {
            sleep(memory::SETTLED).await;
            memory::give_back();
            if !debugged {
                memory::let_go_of_program();
            }
        }
        shares.settled().await;
    }
}

/// The listening socket that an earlier program of this process or a service manager has made.
#[cfg(unix)]
fn handed_over(config: &Config, inherited: Inherited) -> Result<Option<Listener>, AgentError> {
    use crate::socket::system::adopt;
    if config.flags.succeeds.is_some() {
        let Some((socket, is_managed)) = inherited.socket else { return Ok(None) };
        let adopted = adopt(socket).map(|socket| if is_managed { socket } else { socket.made_here() });
        return Ok(adopted.inspect_err(|error| tracing::warn!(%error, "the socket is bound anew")).ok());
    }
    let unfit = |error: &dyn std::fmt::Display| {
        let message = format!("the socket of the service manager cannot be used: {error}");
        AgentError::new(ErrorKind::Misconfigured, message, "compare its unit with the one in packaging/")
    };
    let descriptor = system::handed_over_socket(config.socket_handed_over).map_err(|error| unfit(&error))?;
    descriptor.map(adopt).transpose().map_err(|error| unfit(&error))
}

/// Pipes are not handed over.
#[cfg(windows)]
fn handed_over(_: &Config, _: Inherited) -> Result<Option<Listener>, AgentError> {
    Ok(None)
}

/// Lets the core finish, then gives the last answers a moment to reach their callers.
async fn drain(core: &dyn Core, mut serving: JoinHandle<()>) {
    if timeout(STOPPING_LIMIT, core.drain(STOPPING_LIMIT)).await.is_err() {
        tracing::error!("stopped before everything was finished");
    }
    if !serving.is_finished() && timeout(FLUSH, &mut serving).await.is_err() {
        tracing::info!("connections were cut");
    }
    serving.abort();
}

#[cfg(unix)]
#[cfg(test)]
mod tests;
