//! `seqera-agent`: flags, log, runtime, exit code.

use std::process::ExitCode;

use seqera_agent::assemble::assemble;
use seqera_agent::config::{self, Config, Flags};
use seqera_agent::error::{AgentError, Kind};
use seqera_agent::run::{Ended, run};
use seqera_agent::stop::Stop;
use seqera_agent::{crash, launch, logging, process, wipe};

#[global_allocator]
static ALLOCATOR: wipe::Wiping = wipe::Wiping;

const HELP: &str = "\
Keeps Seqera sessions alive and hands out access tokens over a local socket.
'seqera' starts it when it is needed; a person seldom has to.

Usage: seqera-agent [--launch] [--dumpable]

  (no flag)     serve in the foreground, until SIGTERM or Ctrl-C; SIGHUP reads the configuration again
  --launch      start the agent in the background, wait until it serves, exit
  --dumpable    allow core dumps and debuggers (they can read every token)
  -V, --version
  -h, --help

Environment:
  SEQERA_CLI_CONFIG_DIR    configuration folder (else $XDG_CONFIG_HOME/seqera-ai, ~/.config/seqera-ai)
  SEQERA_AGENT_SOCK        path of the socket (else $XDG_RUNTIME_DIR/seqera/agent.sock and what follows)
  SEQERA_AGENT_HOST_ID     name of this host among those that share the home folder
  SEQERA_CREDENTIAL_STORE  auto, keychain, file or memory
  SEQERA_LOG_LEVEL         off, error, warn, info, debug or trace
  SEQERA_LOG_FILE          path of the log (else $XDG_STATE_HOME/seqera/agent.log, or the journal)
  SEQERA_AGENT_IDLE_EXIT   seconds without a session and a caller after which it exits; 0: never (600)
";

/// A call takes microseconds of work; the second thread answers while the first one is busy.
const THREADS: usize = 2;

/// `EX_USAGE` of other programs is 64; ours follow the table of `seqera`.
const USAGE: u8 = 2;

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Command {
    Serve(Flags),
    Launch(Flags),
    Say(String),
}

fn main() -> ExitCode {
    let command = match parse(lexopt::Parser::from_env()) {
        Ok(command) => command,
        Err(error) => {
            eprintln!("error: {error}\nhint: see 'seqera-agent --help'");
            return ExitCode::from(USAGE);
        }
    };
    let outcome = match command {
        Command::Serve(flags) => serve(flags),
        Command::Launch(flags) => launch_agent(flags),
        Command::Say(text) => {
            print!("{text}");
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the agent ends");
            eprintln!("error: {error}");
            if !error.hint().is_empty() {
                eprintln!("hint: {}", error.hint());
            }
            ExitCode::FAILURE
        }
    }
}

fn parse(mut parser: lexopt::Parser) -> Result<Command, lexopt::Error> {
    use lexopt::prelude::*;
    let mut flags = Flags::default();
    let mut launch = false;
    while let Some(flag) = parser.next()? {
        match flag {
            Long("launch") => launch = true,
            Long("detached") => flags.detached = true,
            Long("dumpable") => flags.dumpable = true,
            Short('V') | Long("version") => {
                return Ok(Command::Say(concat!("seqera-agent ", env!("CARGO_PKG_VERSION"), "\n").into()));
            }
            Short('h') | Long("help") => return Ok(Command::Say(HELP.into())),
            other => return Err(other.unexpected()),
        }
    }
    Ok(if launch { Command::Launch(flags) } else { Command::Serve(flags) })
}

fn launch_agent(flags: Flags) -> Result<(), AgentError> {
    let config = Config::read(flags, &config::environment)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(AgentError::internal)?;
    runtime.block_on(launch::launch(&config))
}

fn serve(flags: Flags) -> Result<(), AgentError> {
    let hardened = if flags.dumpable { Ok(()) } else { process::harden() };
    if flags.detached {
        process::leave_session().map_err(AgentError::internal)?;
    }
    let mut config = Config::read(flags, &config::environment)?;
    config.met.extend(logging::start(&config.log));
    config.met.extend(hardened.err().map(|error| format!("core dumps cannot be forbidden: {error}")));
    crash::arm(config.crash_at.clone());

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .map_err(AgentError::internal)?;
    let outcome = runtime.block_on(agent(config));
    // A keychain or a file system that hangs must not hold the exit up.
    runtime.shutdown_background();
    outcome
}

async fn agent(config: Config) -> Result<(), AgentError> {
    let detached = config.flags.detached;
    let ready = || {
        if detached && let Err(error) = process::report_ready(launch::READY) {
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
            Kind::BadRequest,
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
