//! `seqera-agent`: parses the flags, runs the agent, and sets the exit code.

use std::process::ExitCode;

use seqera_agent::error::{AgentError, ErrorKind};
use seqera_agent::process::{self, Flags, WIPING, Wiping};
use seqera_agent_proto::BUILD;
use seqera_agent_proto::reason::EXIT_NO_AGENT;

#[global_allocator]
static ALLOCATOR: Wiping = WIPING;

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
  SEQERA_AGENT_HOST_ID     name of this host, where that of the system changes, as in containers; hosts that
                           share the home folder need different ones
  SEQERA_CREDENTIAL_STORE  auto, keychain, file or memory
  SEQERA_LOG_LEVEL         off, error, warn, info, debug or trace
  SEQERA_LOG_FILE          path of the log (else $XDG_STATE_HOME/seqera/agent.log, or the journal)
  SEQERA_AGENT_IDLE_EXIT   seconds without a session and a caller after which it exits; 0: never (600)
";

/// The exit code for a usage error follows the table of `seqera`; other programs exit with `EX_USAGE`, 64.
const USAGE: u8 = 2;

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Command {
    Serve(Flags),
    Launch(Flags),
    Print(String),
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
        Command::Serve(flags) => process::serve(flags),
        Command::Launch(flags) => process::start_in_background(flags),
        Command::Print(text) => {
            print!("{text}");
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            if !error.hint().is_empty() {
                eprintln!("hint: {}", error.hint());
            }
            exit_code(&error)
        }
    }
}

/// An agent that cannot run for want of room is told from one that refuses to: clients pass the code on.
fn exit_code(error: &AgentError) -> ExitCode {
    match error.kind {
        ErrorKind::Exhausted => ExitCode::from(EXIT_NO_AGENT),
        _ => ExitCode::FAILURE,
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
            Long("succeeds") => flags.succeeds = Some(parser.value()?.parse()?),
            Short('V') | Long("version") => {
                return Ok(Command::Print(format!("seqera-agent {BUILD}\n")));
            }
            Short('h') | Long("help") => return Ok(Command::Print(HELP.into())),
            other => return Err(other.unexpected()),
        }
    }
    Ok(if launch { Command::Launch(flags) } else { Command::Serve(flags) })
}
