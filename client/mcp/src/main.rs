//! `seqera-mcp`, which `seqera mcp` becomes: a bridge between the standard streams of a coding assistant and an MCP
//! server ("Streamable HTTP" of the Model Context Protocol), so that the configuration of an assistant holds a command
//! and no secret. Every request goes out with a token that the agent has just given.
//!
//! Messages are passed on as they are. The types of an SDK would drop what a later version of the protocol adds, so
//! only what the transport needs is looked at: ids, `initialize` and its answer, and cancellations.
//!
//! - `target`: where a token may go
//! - `source`: where tokens come from
//! - `events`: server-sent events, of which the answers of a server are made
//! - `http`: one request and its answer
//! - `bridge`: the two directions, the session at the server, and its end

mod bridge;
mod events;
mod http;
mod problem;
mod source;
mod target;

use std::process::ExitCode;

use lexopt::prelude::{Long, Short, Value, ValueExt};

use seqera_client::Error;
use seqera_client::proto::limits;

use crate::bridge::Bridge;
use crate::problem::Problem;
use crate::source::Wish;

/// For the agent, the server (an answer, a stream, and addresses that are tried side by side), certificates, timers and
/// signals.
const FEWEST_FILES: usize = 24;

/// One reads standard input, one writes, one looks up names.
const FEWEST_THREADS: usize = 3;

const USAGE: &str = "\
Usage: seqera mcp [--profile NAME] [URL]

Connects a coding assistant with Seqera's MCP server, with the account of a profile. URL has to be at the origin
of that server: https://mcp.seqera.io, or the key 'mcpUrl' of the profile in config.json. A token of a variable goes
to the one that a profile there names for the token's own authority.
";

fn main() -> ExitCode {
    let wish = match read(lexopt::Parser::from_env()) {
        Ok(Some(wish)) => wish,
        Ok(None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("error: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let done = begin(wish);
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            problem.print();
            ExitCode::from(problem.exit)
        }
    }
}

/// Runs on this thread, if the system gives what that takes.
fn begin(wish: Wish) -> Result<(), Problem> {
    seqera_client::runtime::check(FEWEST_FILES)?;
    if let Some(limit) = limits::short_of_threads(FEWEST_THREADS) {
        return Err(Error::Exhausted(limit).into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| match limits::behind_start(&error) {
        Some(limit) => Error::Exhausted(limit).into(),
        None => Problem::new("SYSTEM", 1, format!("cannot wait for input and output: {error}"), ""),
    })?;
    let done = runtime.block_on(run(wish));
    // The thread that reads standard input cannot be ended.
    runtime.shutdown_background();
    done
}

async fn run(wish: Wish) -> Result<(), Problem> {
    let bridge = Bridge::new(wish)?;
    bridge.check().await?;
    bridge.serve().await
}

/// `None`: the person asks for help.
fn read(mut arguments: lexopt::Parser) -> Result<Option<Wish>, lexopt::Error> {
    let mut wish = Wish::default();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("help") | Short('h') => return Ok(None),
            Long("profile") | Short('p') => wish.profile = arguments.value()?.string()?,
            Long("authority") => wish.authority = arguments.value()?.string()?,
            Long("variable") => {
                // A repository's configuration must not have other secrets sent.
                let name = arguments.value()?;
                match name.to_str().filter(|name| source::VARIABLES.contains(name)) {
                    Some(name) => wish.variable = name.to_owned(),
                    None => return Err("--variable names none that holds a token".into()),
                }
            }
            Value(url) if wish.url.is_empty() => wish.url = url.string()?,
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(wish))
}
