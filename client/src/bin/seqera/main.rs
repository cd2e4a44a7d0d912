//! The `seqera` command: one file for each subcommand, which asks the agent through `seqera_client`.
//!
//! `args` says what can be typed, `env` and `config` what else is read, `subject` whose token is meant,
//! `screen` how answers and failures look.

mod agent;
mod ai;
mod args;
mod ask;
mod backend;
mod browser;
mod choices;
mod completions;
mod config;
mod context;
mod defect;
mod device;
mod doctor;
mod env;
mod exec;
mod failure;
mod findings;
mod follow;
mod handover;
mod hints;
mod import;
mod info;
mod layout;
mod leases;
mod listing;
mod login;
mod logout;
mod logs;
#[cfg(test)]
mod manual;
mod network;
mod nextflow;
mod org;
mod paste;
mod profile;
mod provider;
mod qr;
mod scitoolkit;
mod screen;
mod settings;
mod status;
mod subject;
mod terminal;
mod time;
mod token;
mod toolkit_files;
mod whoami;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};
use crate::context::Context;
use crate::env::Env;
use crate::failure::Failure;
use crate::provider::Provider;
use crate::screen::Screen;

fn main() -> ExitCode {
    let env = Env::of_process();
    if scitoolkit::is_called(std::env::args_os().next().as_deref()) {
        return scitoolkit::main(env);
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return unparsed(&error, &env, "seqera"),
    };
    let env = match Provider::of(&cli, env.profile().as_deref()) {
        Provider::Platform => env,
        Provider::Scitoolkit => env.for_scitoolkit(),
    };
    let context = Context::new(env, cli.output, cli.profile);
    perform(&context, "seqera", || run(&context, cli.command))
}

/// Runs a command and tells its failure. `called` is the name that the program was called by.
fn perform(context: &Context, called: &str, command: impl FnOnce() -> Result<(), Failure>) -> ExitCode {
    defect::end_with_words_on(context.screen);
    if let Some(format) = context.env.odd_format() {
        let known = "'console' and 'json' are the formats; it is ignored";
        context.screen.warn(&format!("SEQERA_CLI_OUTPUT_FORMAT is '{format}': {known}"));
    }
    let Err(mut failure) = command() else { return ExitCode::SUCCESS };
    failure.hint = failure.hint.map(|hint| context.env.provider().renamed(&hint, called));
    context.screen.failure(&failure);
    toolkit_files::mention(context, &failure);
    ExitCode::from(failure.exit)
}

fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Login(args) => login::run(context, args),
        Command::Logout(args) => logout::run(context, &args),
        Command::Status(args) => status::run(context, args),
        Command::Whoami(args) => whoami::run(context, args),
        Command::Token(args) => token::run(context, &args),
        Command::Exec(args) => exec::run(context, &args),
        Command::Ai(args) => ai::run(context, &args),
        Command::Info => info::run(context),
        Command::Skill(args) => ai::elsewhere(context, "skill", &args),
        Command::Update(args) => ai::elsewhere(context, "update", &args),
        Command::Org(args) => org::run(context, args),
        Command::Workspace(args) => workspace::run(context, args),
        Command::Profile(args) => profile::run(context, args),
        Command::Agent(command) => agent::run(context, command),
        Command::Completions(args) => completions::run(args),
        Command::Complete(args) => completions::complete(context, &args),
    }
}

/// Help and version, which are no failures, or a wrong use.
fn unparsed(error: &clap::Error, env: &Env, called: &str) -> ExitCode {
    // `args` would end the process at a word that is not Unicode.
    let words: Vec<_> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let json = words.iter().any(|word| matches!(word.as_str(), "-ojson" | "-o=json" | "--output=json"))
        || words.windows(2).any(|pair| matches!(pair[0].as_str(), "-o" | "--output") && pair[1] == "json");
    if error.use_stderr() && (json || env.wants_json()) {
        let text = error.render().to_string();
        let message = text.trim_start_matches("error: ").lines().next().unwrap_or_default();
        let hint = format!("run '{called} --help'");
        Screen::new(true, env).failure(&Failure::usage(message, Some(&hint)));
    } else {
        // Nobody can be told that the stream is gone.
        let _ = error.print();
    }
    ExitCode::from(if error.use_stderr() { 2 } else { 0 })
}
