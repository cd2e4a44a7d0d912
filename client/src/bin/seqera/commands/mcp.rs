//! `seqera mcp`: becomes the program that connects a coding assistant with Seqera's MCP server. That one speaks HTTP,
//! which this command does not.

use std::path::PathBuf;
use std::process::Command;

use clap::Args;
use seqera_client::program;

use crate::commands::handover::{become_program, not_run};
use crate::screen::failure::{Failure, Hint};
use crate::settings::context::Context;
use crate::settings::setting::CLOUD_AUTHORITY;
use crate::settings::subject::Subject;

/// The program, which lies beside this one or on the `PATH`.
const PROGRAM: &str = "seqera-mcp";

/// Connect a coding assistant with Seqera's MCP server
///
/// Speaks MCP on standard input and output, and passes each message on with a fresh token of the profile, so that
/// the assistant's configuration holds this command and no secret. A token of Cloud goes to https://mcp.seqera.io,
/// any other to the address in the key mcpUrl of the profile in config.json, if that is set for the authority of the
/// token, and nowhere else: a URL that stands in a repository's configuration is no consent. A token of a variable has
/// no profile: it goes to the mcpUrl of whichever profile there has the token's authority. Seqera's server may want an
/// OAuth login of its own instead, which this command does not do; that it takes the Platform's tokens is unproven.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  claude mcp add seqera -- seqera mcp
  seqera mcp --profile work https://mcp.example.com/mcp")]
pub(crate) struct Mcp {
    /// Another address at the same origin
    #[arg(value_name = "URL")]
    url: Option<String>,
}

pub(super) fn run(context: &Context, args: Mcp) -> Result<(), Failure> {
    let mut command = Command::new(found(context)?);
    match context.subject()? {
        Subject::Token(token) => {
            command.args(["--variable", token.variable]);
            let authority = context.settings_of(&token)?.authority;
            let authority = authority.map_or(CLOUD_AUTHORITY.to_owned(), |set| set.text);
            // A file says it itself, each time that it is read: it may hold another account's token tomorrow.
            if context.env.beside().is_none() {
                command.args(["--authority", &authority]);
            }
        }
        Subject::Profile(named) => {
            for (option, value) in [("--profile", named.profile), ("--authority", named.authority)] {
                if !value.is_empty() {
                    command.args([option, &value]);
                }
            }
        }
    }
    command.args(args.url.iter().flat_map(|url| ["--", url]));
    Err(not_run(PROGRAM, &become_program(command)))
}

fn found(context: &Context) -> Result<PathBuf, Failure> {
    let own = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.to_owned()));
    let folders = own.into_iter().chain(context.env.search_path());
    let name = format!("{PROGRAM}{}", std::env::consts::EXE_SUFFIX);
    let candidates = folders.map(|folder| folder.join(&name)).filter(|path| path.is_file());
    // It gets tokens, so nobody else may have put it there.
    let program = program::first(candidates).map_err(|error| Failure { exit: 126, ..error.into() })?;
    program.ok_or_else(|| Failure {
        reason: "NOT_RUN".into(),
        message: format!("no '{PROGRAM}' program was found"),
        hint: Hint::Words(format!("install {PROGRAM} beside seqera, or in a folder of PATH")),
        exit: 127,
    })
}
