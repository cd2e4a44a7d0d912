//! The commands, one file each with its arguments. Several commands share the other files: `session` and
//! `described` show a session and an account, `choices` and `listing` serve `org` and `workspace`, and
//! `handover` and `backend` decide what is given to other programs.

mod agent;
mod ai;
mod backend;
mod choices;
pub(crate) mod completions;
mod described;
mod ends;
pub(crate) mod exec;
mod handover;
mod info;
pub(crate) mod listing;
pub(crate) mod login;
pub(crate) mod logout;
mod mcp;
mod nextflow;
mod org;
mod profile;
pub(crate) mod scitoolkit;
mod session;
mod status;
pub(crate) mod token;
pub(crate) mod toolkit_files;
mod waiting;
mod whoami;
mod workspace;

use clap::Subcommand;

use self::agent::Agent;
use self::ai::{Ai, Elsewhere};
use self::completions::{Complete, Completions};
use self::exec::Exec;
use self::login::Login;
use self::logout::Logout;
use self::mcp::Mcp;
use self::org::Org;
use self::profile::Profile;
use self::session::Check;
use self::workspace::Workspace;
use crate::screen::failure::Failure;
use crate::settings::context::Context;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Login(Login),
    Logout(Logout),
    /// Show who is signed in and how the session is kept
    ///
    /// Answers from the agent's memory and changes nothing.
    ///
    /// 'Session expires' is the end of the sign-in if the provider tells it, and else that of the access token,
    /// which is renewed automatically; both have lines of their own below. Each value is followed by where it
    /// comes from: an option, a variable, a file, 'login' (it was recorded at the sign-in), the command that has
    /// chosen it, 'service-info' (the Platform says so), or 'default'.
    #[command(after_help = "Example: seqera status --profile work")]
    Status(Check),
    /// Show the account and how it signed in
    #[command(after_help = "Example: seqera whoami -o json")]
    Whoami(Check),
    Token(token::Args),
    Exec(Exec),
    Mcp(Mcp),
    Ai(Ai),
    /// Show user, backend and the connection to the Platform, each with its source
    ///
    /// A source is an option, a variable, a file, 'login' (it was recorded at the sign-in), the command that has
    /// chosen it, 'service-info' (the Platform says so), or 'default'.
    #[command(after_help = "Example: seqera info -o json")]
    Info,
    #[command(hide = true)]
    Skill(Elsewhere),
    #[command(hide = true)]
    Update(Elsewhere),
    Org(Org),
    Workspace(Workspace),
    Profile(Profile),
    /// Control the background agent
    #[command(subcommand, after_help = "Example: seqera agent status")]
    Agent(Agent),
    Completions(Completions),
    #[command(name = "__complete", hide = true)]
    Complete(Complete),
}

/// Runs a command. `whole` builds the definition of the whole command line, which completions need.
pub(crate) fn run(
    context: &Context,
    command: Command,
    whole: impl FnOnce() -> clap::Command,
) -> Result<(), Failure> {
    match command {
        Command::Login(args) => login::run(context, args),
        Command::Logout(args) => logout::run(context, &args),
        Command::Status(args) => status::run(context, args),
        Command::Whoami(args) => whoami::run(context, args),
        Command::Token(args) => token::run(context, &args),
        Command::Exec(args) => exec::run(context, &args),
        Command::Mcp(args) => mcp::run(context, args),
        Command::Ai(args) => ai::run(context, &args),
        Command::Info => info::run(context),
        Command::Skill(args) => ai::elsewhere(context, "skill", &args),
        Command::Update(args) => ai::elsewhere(context, "update", &args),
        Command::Org(args) => org::run(context, args),
        Command::Workspace(args) => workspace::run(context, args),
        Command::Profile(args) => profile::run(context, args),
        Command::Agent(command) => agent::run(context, command),
        Command::Completions(args) => completions::run(args),
        Command::Complete(args) => completions::complete(context, &args, whole()),
    }
}
