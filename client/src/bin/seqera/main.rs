//! The `seqera` command, which asks the agent through `seqera_client`. Its parts, from top to bottom; each
//! uses only those below it:
//!
//! - `cli`, `ending`: what can be typed, how the command ends, and with which exit code
//! - `commands`: one file for each command, with its arguments. To add a command, add its file and name it in
//!   `commands.rs`; to add a field to `status`, add a line or two to `commands/session.rs`
//! - `settings`: what the environment and `config.json` say, which provider is meant, and whose session
//! - `arena`: memory for commands that end at once
//! - `screen`: how answers, questions and failures look

#![allow(rustdoc::bare_urls, reason = "the comments on arguments are the text of the help")]

mod arena;
mod cli;
mod commands;
mod ending;
#[cfg(all(test, unix))]
mod manual;
mod screen;
mod settings;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use seqera_client::proto::signals;

use crate::cli::Cli;
use crate::commands::{Command, scitoolkit};
use crate::settings::context::Context;
use crate::settings::env::Env;

#[global_allocator]
static ARENA: arena::Arena = arena::Arena::new();

fn main() -> ExitCode {
    signals::survive_full_files();
    signals::wait_for_children();
    let env = Env::of_process();
    if scitoolkit::is_called(std::env::args_os().next().as_deref()) {
        return by_other_name(env);
    }
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let cli = match cli::quick::read(&words).map_or_else(Cli::try_parse, Ok) {
        Ok(cli) => cli,
        Err(error) => return ending::unparsed(error, &env, "seqera"),
    };
    let provider = cli.provider(env.profile().as_deref());
    let context = Context::new(env.about(provider), "seqera", cli.output, cli.profile);
    let loops = matches!(cli.command, Command::Token(_));
    ending::perform(&context, loops, || commands::run(&context, cli.command, Cli::command))
}

/// Runs as the command of another provider, if called through a link with its name.
fn by_other_name(env: Env) -> ExitCode {
    let cli = match scitoolkit::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return ending::unparsed(error, &env, scitoolkit::NAME),
    };
    let context = Context::new(env.about(scitoolkit::PROVIDER), scitoolkit::NAME, cli.output, None);
    ending::perform(&context, false, || scitoolkit::run(&context, cli.command))
}
