//! The process: what it reads when it starts, that there is one of it, where it logs, how it stops. [`serve`]
//! and [`start_in_background`] are all that the binary calls.

mod assemble;
pub(crate) mod config;
mod crash;
mod handed;
mod house;
mod inherited;
pub(crate) mod instance;
mod journal;
mod launch;
mod logging;
mod memory;
mod notify;
mod owner_file;
mod predecessor;
mod run;
#[cfg(target_os = "linux")]
mod scope;
mod stop;
mod successor;
#[cfg(unix)]
#[path = "process/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "process/windows.rs"]
mod system;
mod watch;
mod wipe;

use std::sync::Arc;
use std::time::Duration;

pub use config::Flags;
use seqera_agent_proto::limits;
pub use wipe::{WIPING, Wiping};

use self::assemble::assemble;
use self::config::{Config, Starter};
use self::run::{Ended, run};
use self::stop::Stop;
use crate::error::{AgentError, ErrorKind};
use crate::site::Site;

/// One for the runtime, since a call takes microseconds of work; one for a file that may hang, one for the state,
/// one for the keychain, one to read a file.
const THREADS: usize = 5;

/// How long a thread of the runtime that has read a file or a certificate waits for the next one.
const THREAD_KEPT: Duration = Duration::from_secs(1);
/// Events that are taken from the system at a time. Whatever they wake goes to the queue of the runtime, which never
/// shrinks again: a connection that ends wakes its 64 streams.
const MOST_EVENTS: usize = 8;
/// How many tasks run before the system is asked for more events, if so many are in the queue. An event wakes a connection
/// and that its streams, so that it would grow if tasks ran only for as many as there were events.
const TASKS_BETWEEN_EVENTS: u32 = 1024;
/// What an agent that serves nobody has open: socket, log, lock, timers, signals.
const FEWEST_FILES: usize = 16;

/// Starts an agent in the background and returns when it serves; at once where one serves already.
///
/// # Errors
/// The new agent's own words where it could not start; `MISCONFIGURED` where no home folder is known.
pub fn start_in_background(flags: Flags) -> Result<(), AgentError> {
    system::start_clean();
    system::take_usual_share();
    limits::short_of_files(FEWEST_FILES).map_or(Ok(()), |limit| Err(AgentError::exhausted(limit)))?;
    let site = Arc::new(Site::of_this_program());
    let config = Config::read(flags, &config::environment, &site)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| AgentError::system(&error))?.block_on(launch::launch(&config))
}

/// Is the agent of this user, host and configuration folder until it is told to stop.
///
/// # Errors
/// Where it cannot start: another agent runs, places that are not safe, settings that make no sense.
pub fn serve(mut flags: Flags) -> Result<(), AgentError> {
    flags.succeeds = flags.succeeds.map(inherited::open_only);
    let (kept, has_more) = config::kept_environment(Starter::Direct);
    if has_more && let Err(error) = system::start_again_with(kept) {
        return Err(AgentError::system(&error));
    }
    let inherited = system::start_clean();
    let hardened = if flags.dumpable { Ok(()) } else { system::harden() };
    system::take_name();
    memory::without_huge_pages();
    if flags.detached && flags.succeeds.is_none() {
        system::leave_session().map_err(AgentError::internal)?;
    }
    let short = limits::short_of_files(FEWEST_FILES);
    let short = short.or_else(|| limits::short_of_threads(THREADS));
    short.map_or(Ok(()), |limit| Err(AgentError::exhausted(limit)))?;
    let site = Arc::new(Site::of_this_program());
    let mut config = Config::read(flags, &config::environment, &site)?;
    config.met.extend(logging::start(&mut config.log));
    config.met.extend(hardened.err().map(|error| format!("core dumps cannot be forbidden: {error}")));
    config.met.extend(inherited.into_iter().map(|what| format!("{what} (from whoever started the agent)")));
    crash::arm(config.crash_at.clone());

    let runtime = tokio::runtime::Builder::new_current_thread()
        .thread_keep_alive(THREAD_KEPT)
        .max_io_events_per_tick(MOST_EVENTS)
        .event_interval(TASKS_BETWEEN_EVENTS)
        .enable_all()
        .build()
        .map_err(|error| AgentError::system(&error))?;
    let outcome = runtime.block_on(agent(config));
    // A keychain or a file system that hangs must not hold the exit up.
    runtime.shutdown_background();
    outcome.inspect_err(|error| tracing::error!(%error, "the agent ends"))
}

async fn agent(config: Config) -> Result<(), AgentError> {
    let detached = config.flags.detached;
    let ready = || {
        if detached && let Err(error) = system::report_ready(launch::READY) {
            tracing::error!(%error, "the launcher could not be told");
        }
    };
    match run(config, Stop::new(), assemble, ready).await? {
        Ended::Served => Ok(()),
        Ended::Elsewhere(_) if detached => {
            println!("{}", launch::READY);
            Ok(())
        }
        Ended::Elsewhere(running) => Err(AgentError::new(
            ErrorKind::BadRequest,
            format!(
                "an agent is running already: pid {}, version {}, socket {}",
                running.pid,
                running.version,
                running.socket.display()
            ),
            "use that one, or end it with 'seqera agent stop'",
        )),
    }
}
