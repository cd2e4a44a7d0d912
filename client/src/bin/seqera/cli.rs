//! The command line.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::agent::Agent;
use crate::commands::completions::{Complete, Completions};
use crate::commands::org::Org;
use crate::commands::profile::Profile;
use crate::commands::workspace::Workspace;
use crate::screen::Output;
use crate::screen::time::parse_length;
use crate::settings::provider::Provider;

/// Signs in to Seqera and hands out access tokens.
///
/// A background agent, started when first needed, keeps the session and renews it; this command asks the
/// agent. Begin with `seqera login`; each command has examples in its own `--help`.
#[derive(Debug, Parser)]
#[command(name = "seqera", version, after_help = AFTER, after_long_help = REFERENCE, max_term_width = 80)]
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

/// Beneath the options of the command itself.
const EVERYWHERE: &str = "Options of every command";

const AFTER: &str = include_str!("help/short.txt");

/// With `--help` and in the manual: every variable and file as well.
const REFERENCE: &str = concat!(include_str!("help/short.txt"), "\n\n", include_str!("help/reference.txt"));

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Login(Login),
    Logout(Logout),
    /// Show who is signed in and how the session is kept
    ///
    /// Answers from the agent's memory and changes nothing.
    #[command(after_help = "Example: seqera status --profile work")]
    Status(Check),
    /// Show the account and how it signed in
    #[command(after_help = "Example: seqera whoami -o json")]
    Whoami(Check),
    Token(Token),
    Exec(Exec),
    Ai(crate::commands::ai::Ai),
    /// Show user, backend and the connection to the Platform, each with its source
    #[command(after_help = "Example: seqera info -o json")]
    Info,
    #[command(hide = true)]
    Skill(crate::commands::ai::Elsewhere),
    #[command(hide = true)]
    Update(crate::commands::ai::Elsewhere),
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

/// Sign in with a browser, on another device, or with an access token
///
/// While it waits for a browser it takes the address that a browser on another machine ended on: paste it and
/// press Enter. With `-o json` the address, or the code, comes as one JSON object a line on standard error.
///
/// Proxy and private certificate authorities are those of HTTPS_PROXY, NO_PROXY and NODE_EXTRA_CA_CERTS or
/// SSL_CERT_FILE, or `proxy`, `noProxy` and `caFile` of config.json, which beats the variables. They stay with the
/// profile.
#[derive(Default, Args)]
#[command(after_help = "\
Examples:
  seqera login
  seqera login --profile work --authority https://seqera.example.com/api
  seqera login --device
  seqera login --organization genomics
  seqera login --with-token < token.txt
  seqera login --provider scitoolkit
  seqera login --import")]
pub(crate) struct Login {
    /// OIDC issuer base URL [variable: SEQERA_AUTH_DOMAIN; default: https://cloud.seqera.io/api]
    #[arg(long, value_name = "URL")]
    pub(crate) authority: Option<String>,
    /// Sign in to another kind of provider
    #[arg(long, value_name = "KIND")]
    pub(crate) provider: Option<Provider>,
    /// Print the URL only [variable: SEQERA_BROWSER_AUTO_OPEN=false]
    #[arg(long)]
    pub(crate) no_browser: bool,
    /// Show a code to enter in a browser anywhere, such as on a phone
    #[arg(long)]
    pub(crate) device: bool,
    /// Read an access token from standard input instead
    #[arg(long, conflicts_with_all = ["token", "no_browser", "device"])]
    pub(crate) with_token: bool,
    /// Use this access token instead; other users of this machine can see it, --with-token hides it
    #[arg(long, value_name = "VALUE", conflicts_with_all = ["no_browser", "device"])]
    pub(crate) token: Option<String>,
    /// Take over what the earlier CLI and Nextflow have left, without asking
    #[arg(long, conflicts_with_all = ["token", "with_token", "device"])]
    pub(crate) import: bool,
    /// Choose this organization; without it the choice of before is kept, else the first is taken
    #[arg(long, value_name = "NAME|ID")]
    pub(crate) organization: Option<String>,
    /// Sign in again although a session exists
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Check {
    /// Ask the Platform too, whether it accepts the token now
    #[arg(long)]
    pub(crate) check: bool,
}

/// Sign out: revoke at the provider, then remove what is stored
#[derive(Debug, Default, Args)]
#[command(after_help = "Example: seqera logout --all")]
pub(crate) struct Logout {
    /// Sign out of every profile
    #[arg(long, conflicts_with = "profile")]
    pub(crate) all: bool,
    /// Delete a personal access token at the Platform, too
    #[arg(long)]
    pub(crate) revoke: bool,
    /// Also where programs hold tokens of 'seqera exec --long', which are deleted
    #[arg(long)]
    pub(crate) force: bool,
    /// Remove files with SciToolkit tokens for single toolkits, too; without a profile, SciToolkit's is meant
    #[arg(long)]
    pub(crate) clean_legacy: bool,
}

/// Print an access token
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  curl -H \"$(seqera token --format header)\" https://api.cloud.seqera.io/orgs
  seqera token --min-valid 5m")]
pub(crate) struct Token {
    /// How long the token shall be valid at least, such as 90s, 5m or 1h30m
    #[arg(long, value_name = "TIME", value_parser = parse_length)]
    pub(crate) min_valid: Option<Duration>,
    /// How long to wait for it
    #[arg(long, value_name = "TIME", value_parser = parse_length, default_value = "30s")]
    pub(crate) timeout: Duration,
    /// In which form: the token alone, an object, a header line, or lines for a shell to read
    #[arg(long, value_name = "FORM")]
    pub(crate) format: Option<Form>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    Raw,
    Json,
    Header,
    Env,
}

/// Run a program with an access token in its environment
///
/// Sets SEQERA_ACCESS_TOKEN and TOWER_ACCESS_TOKEN, and endpoint and workspace where the profile has them.
/// The session's token lives for an hour or so, and the program cannot renew it. With --long the agent makes a
/// personal access token for the program, and deletes it when the program ends. That is for you to choose: such
/// a token has no scope, and works until it is deleted ('seqera agent leases').
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seqera exec nextflow run hello -with-tower
  seqera exec --profile work -- tw runs list
  seqera exec --long -- nextflow run hello -with-tower
  seqera exec --long --for 12h -- sbatch job.sh")]
pub(crate) struct Exec {
    /// Give the program a token of its own, for what runs longer than the session's token lives
    #[arg(long)]
    pub(crate) long: bool,
    /// Keep that token for so long, whenever the program ends: for sbatch, nextflow -bg and the like
    #[arg(long = "for", value_name = "TIME", value_parser = parse_length, requires = "long")]
    pub(crate) keep: Option<Duration>,
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("authority", &self.authority).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_names_every_key_of_the_file() {
        use seqera_client::proto::configuration::{OF_PROFILE, TOP};
        for key in TOP.iter().chain(&OF_PROFILE) {
            let named = REFERENCE.split([' ', ',', ':', '.', '\n']).any(|word| word == *key);
            assert!(named, "{key}");
        }
    }

    #[test]
    fn a_profile_may_stand_before_and_after_the_command() {
        for line in ["seqera --profile work token", "seqera token --profile work"] {
            assert_eq!(parse(line).unwrap().profile.as_deref(), Some("work"));
        }
    }

    #[test]
    fn flags_behind_the_program_belong_to_the_program() {
        for line in
            ["seqera exec nextflow run -o x --profile p", "seqera exec -- nextflow run -o x --profile p"]
        {
            let cli = parse(line).unwrap();
            let Command::Exec(exec) = cli.command else { panic!("{line}") };
            assert_eq!(exec.command, ["nextflow", "run", "-o", "x", "--profile", "p"]);
            assert_eq!(cli.profile, None);
        }
        let cli = parse("seqera exec --profile work -- tw --profile p").unwrap();
        assert_eq!(cli.profile.as_deref(), Some("work"));
        assert_eq!(parse("seqera exec").unwrap_err().exit_code(), 2);
    }

    #[test]
    fn what_excludes_each_other_is_refused() {
        for line in [
            "seqera login --with-token --token x",
            "seqera login --with-token --device",
            "seqera logout --all --profile work",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn debug_does_not_show_a_token() {
        let cli = parse("seqera login --token canary").unwrap();
        assert!(!format!("{cli:?}").contains("canary"));
    }
}
