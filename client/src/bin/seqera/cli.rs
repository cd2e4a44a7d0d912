//! The command line.

pub(crate) mod quick;

use clap::Parser;
use seqera_client::proto::BUILD;

use crate::commands::Command;
use crate::commands::login::Login;
use crate::commands::logout::Logout;
use crate::screen::Output;
use crate::settings::provider::Provider;

/// Signs in to Seqera and hands out access tokens.
///
/// A background agent, started when first needed, keeps the session and renews it; this command asks the
/// agent. Begin with `seqera login`; each command has examples in its own `--help`.
#[derive(Debug, Parser)]
#[command(name = "seqera", version = BUILD, after_help = AFTER, after_long_help = REFERENCE, max_term_width = 80)]
pub(crate) struct Cli {
    /// Profile to use: a name for one account at one host [variable: SEQERA_PROFILE]
    #[arg(long, short, global = true, value_name = "NAME", help_heading = EVERYWHERE)]
    pub(crate) profile: Option<String>,
    /// Print results and errors for people, or each as one JSON object [variable: SEQERA_CLI_OUTPUT_FORMAT]
    #[arg(long, short, global = true, value_name = "FORMAT", help_heading = EVERYWHERE)]
    pub(crate) output: Option<Output>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The heading for the options that every command has, below those of the command itself.
const EVERYWHERE: &str = "Options of every command";

const AFTER: &str = include_str!("help/short.txt");

/// `--help` and the manual pages also list every variable and file.
const REFERENCE: &str = concat!(include_str!("help/short.txt"), "\n\n", include_str!("help/reference.txt"));

impl Cli {
    /// The kind of provider that the command is about. `profile` is the one that the environment names.
    pub(crate) fn provider(&self, profile: Option<&str>) -> Provider {
        match (&self.command, self.profile.as_deref().or(profile)) {
            (Command::Login(Login { provider: Some(provider), .. }), _) => *provider,
            (_, Some(profile)) => Provider::named(profile),
            (Command::Logout(Logout { clean_legacy: true, all: false, .. }), None) => {
                Provider::WITH_TOKEN_FILES
            }
            (_, None) => Provider::default(),
        }
    }
}

#[cfg(test)]
mod tests;
