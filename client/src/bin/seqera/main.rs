//! The `seqera` command: one file for each subcommand, which asks the agent through `seqera_client`.
//!
//! `args` says what can be typed, `env` and `config` what else is read, `subject` whose token is meant,
//! `screen` how answers and failures look.

mod cli;
mod commands;
mod ending;
#[cfg(test)]
mod manual;
mod screen;
mod settings;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::screen::failure::Failure;
use crate::settings::context::Context;
use crate::settings::env::Env;
use crate::settings::provider::Provider;

fn main() -> ExitCode {
    let env = Env::of_process();
    if commands::scitoolkit::is_called(std::env::args_os().next().as_deref()) {
        return commands::scitoolkit::main(env);
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return ending::unparsed(&error, &env, "seqera"),
    };
    let env = match Provider::of(&cli, env.profile().as_deref()) {
        Provider::Platform => env,
        Provider::Scitoolkit => env.for_scitoolkit(),
    };
    let context = Context::new(env, cli.output, cli.profile);
    ending::perform(&context, "seqera", || run(&context, cli.command))
}

fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Login(args) => commands::login::run(context, args),
        Command::Logout(args) => commands::logout::run(context, &args),
        Command::Status(args) => commands::status::run(context, args),
        Command::Whoami(args) => commands::whoami::run(context, args),
        Command::Token(args) => commands::token::run(context, &args),
        Command::Exec(args) => commands::exec::run(context, &args),
        Command::Ai(args) => commands::ai::run(context, &args),
        Command::Info => commands::info::run(context),
        Command::Skill(args) => commands::ai::elsewhere(context, "skill", &args),
        Command::Update(args) => commands::ai::elsewhere(context, "update", &args),
        Command::Org(args) => commands::org::run(context, args),
        Command::Workspace(args) => commands::workspace::run(context, args),
        Command::Profile(args) => commands::profile::run(context, args),
        Command::Agent(command) => commands::agent::run(context, command),
        Command::Completions(args) => commands::completions::run(args),
        Command::Complete(args) => commands::completions::complete(context, &args),
    }
}
