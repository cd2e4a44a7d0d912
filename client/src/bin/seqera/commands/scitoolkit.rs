//! The command as SciToolkit documents it, for a link called `scitoolkit` that points to `seqera`.

use std::path::Path;

use clap::{Args, Parser, Subcommand};

use crate::commands::login;
use crate::commands::logout;
use crate::commands::session::Check;
use crate::commands::whoami;
use crate::screen::Output;
use crate::screen::failure::Failure;
use crate::settings::context::Context;
use crate::settings::provider::Provider;

pub(crate) const NAME: &str = "scitoolkit";

pub(crate) const PROVIDER: Provider = Provider::Scitoolkit;

/// Signs in to SciToolkit
///
/// One token stands for you in every toolkit that you have permission on. It is kept in ~/.scitoolkit/token,
/// readable by you alone.
#[derive(Parser)]
#[command(
    name = NAME,
    version,
    max_term_width = 80,
    after_help = "\
Examples:
  scitoolkit login
  scitoolkit login --token \"$SCITOOLKIT_TOKEN\"
  scitoolkit whoami
  scitoolkit logout

SCITOOLKIT_TOKEN in the environment is used instead of the token that is kept.
This is 'seqera' by another name: 'seqera login --provider scitoolkit' does the
same as 'scitoolkit login'."
)]
pub(crate) struct Cli {
    /// Print results and errors for people, or each as one JSON object
    #[arg(long, short, global = true, value_name = "FORMAT")]
    pub(crate) output: Option<Output>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    Login(Login),
    /// Show the e-mail address and the name of the account
    #[command(after_help = "Example: scitoolkit whoami --check")]
    Whoami(Check),
    Logout(Logout),
}

/// Sign in with a browser, or with a token
///
/// The browser opens scitoolkit.org; click Approve there. Where there is no browser, generate a token on the
/// page 'CLI Tokens' and pass it.
#[derive(Args)]
#[command(after_help = "\
Examples:
  scitoolkit login
  scitoolkit login --with-token < token.txt")]
pub(crate) struct Login {
    /// Deprecated: tokens for single toolkits are being phased out
    toolkit: Option<String>,
    /// Use this token; other users of this machine can see it, --with-token hides it
    #[arg(long, value_name = "VALUE", conflicts_with = "no_browser")]
    token: Option<String>,
    /// Read a token from standard input
    #[arg(long, conflicts_with_all = ["token", "no_browser"])]
    with_token: bool,
    /// Print the address only [variable: SEQERA_BROWSER_AUTO_OPEN=false]
    #[arg(long)]
    no_browser: bool,
    /// Sign in again although a session exists
    #[arg(long)]
    force: bool,
    /// Address of another SciToolkit [default: https://scitoolkit.org]
    #[arg(long, value_name = "URL")]
    authority: Option<String>,
}

/// Revoke the token at SciToolkit and remove it here
#[derive(Args)]
#[command(after_help = "Example: scitoolkit logout --clean-legacy")]
pub(crate) struct Logout {
    /// Remove files with tokens for single toolkits, too
    #[arg(long)]
    clean_legacy: bool,
}

/// True if the program was called by its other name.
pub(crate) fn is_called(program: Option<&std::ffi::OsStr>) -> bool {
    let stem = program.and_then(|program| Path::new(program).file_stem()?.to_str().map(str::to_lowercase));
    stem.as_deref() == Some(NAME)
}

pub(crate) fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Whoami(check) => whoami::run(context, check),
        Command::Login(login) => {
            login.toolkit.iter().for_each(|toolkit| context.screen.warn(&deprecated(toolkit)));
            login::run(context, login.into_login())
        }
        Command::Logout(logout) => {
            logout::run(context, &logout::Logout { clean_legacy: logout.clean_legacy, ..Default::default() })
        }
    }
}

impl Login {
    fn into_login(self) -> login::Login {
        login::Login {
            authority: self.authority,
            no_browser: self.no_browser,
            with_token: self.with_token,
            token: self.token,
            force: self.force,
            provider: Some(PROVIDER),
            ..login::Login::default()
        }
    }
}

/// The warning of phase B of the documented migration.
fn deprecated(toolkit: &str) -> String {
    format!(
        "DEPRECATED: 'scitoolkit login {toolkit}' will be removed. Tokens for single toolkits are no longer made; \
         you sign in once, for {toolkit} and every other toolkit that you have permission on. Use 'scitoolkit login'."
    )
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_name_alone_decides_wherever_the_link_lies() {
        for name in ["scitoolkit", "/usr/bin/scitoolkit", "./scitoolkit", "SciToolkit.EXE"] {
            assert!(is_called(Some(name.as_ref())), "{name}");
        }
        for name in ["seqera", "/opt/scitoolkit/seqera", "scitoolkit-x", ""] {
            assert!(!is_called(Some(name.as_ref())), "{name}");
        }
        assert!(!is_called(None));
    }

    #[test]
    fn the_documented_lines_are_understood() {
        for line in [
            "scitoolkit login",
            "scitoolkit login --token sct_user_x",
            "scitoolkit login mytool",
            "scitoolkit whoami",
            "scitoolkit logout",
            "scitoolkit logout --clean-legacy",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
    }
}
