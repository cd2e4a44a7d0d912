//! Which kind of provider a command is about.

use clap::ValueEnum;

use crate::cli::{Cli, Command, Login, Logout};

/// The profile of SciToolkit that needs no name.
pub(crate) const SCITOOLKIT: &str = "scitoolkit";

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Provider {
    /// A Seqera Platform, or any OpenID provider
    #[default]
    Platform,
    /// SciToolkit: one token for all toolkits
    Scitoolkit,
}

impl Provider {
    /// What a command is about. `profile` is the one of the environment.
    pub(crate) fn of(cli: &Cli, profile: Option<&str>) -> Self {
        match (&cli.command, cli.profile.as_deref().or(profile)) {
            (Command::Login(Login { provider: Some(provider), .. }), _) => *provider,
            (Command::Logout(Logout { clean_legacy: true, all: false, .. }), None) => Self::Scitoolkit,
            (_, Some(SCITOOLKIT)) => Self::Scitoolkit,
            _ => Self::Platform,
        }
    }

    /// As people call it.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Platform => "Seqera",
            Self::Scitoolkit => "SciToolkit",
        }
    }

    /// A hint of the agent, which knows one command for signing in, in the words that sign in here.
    pub(crate) fn renamed(self, hint: &str, called: &str) -> String {
        let command = match (self, called) {
            (Self::Platform, _) => return hint.to_owned(),
            (Self::Scitoolkit, SCITOOLKIT) => "scitoolkit login",
            (Self::Scitoolkit, _) => "seqera login --provider scitoolkit",
        };
        let bare =
            ["--profile scitoolkit", "--provider scitoolkit"].iter().fold(hint.to_owned(), |text, more| {
                text.replace(&format!("seqera login {more}"), "seqera login")
            });
        bare.replace("seqera login", command)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn what_is_about_scitoolkit_is_known_by_provider_or_profile() {
        for (line, profile, expected) in [
            ("seqera login --provider scitoolkit", None, true),
            ("seqera login --provider platform --profile scitoolkit", None, false),
            ("seqera login --provider scitoolkit --profile lab", Some("work"), true),
            ("seqera whoami --profile scitoolkit", None, true),
            ("seqera whoami", Some("scitoolkit"), true),
            ("seqera whoami --profile work", Some("scitoolkit"), false),
            ("seqera logout --clean-legacy", None, true),
            ("seqera logout --clean-legacy --all", None, false),
            ("seqera logout", None, false),
        ] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(Provider::of(&cli, profile) == Provider::Scitoolkit, expected, "{line}");
        }
    }

    #[test]
    fn a_hint_names_the_command_that_signs_in_there() {
        let renamed =
            |provider: Provider, called| provider.renamed("run 'seqera login --profile scitoolkit'", called);
        assert_eq!(renamed(Provider::Scitoolkit, "scitoolkit"), "run 'scitoolkit login'");
        assert_eq!(renamed(Provider::Scitoolkit, "seqera"), "run 'seqera login --provider scitoolkit'");
        assert_eq!(renamed(Provider::Platform, "seqera"), "run 'seqera login --profile scitoolkit'");
        let other =
            Provider::Scitoolkit.renamed("'seqera login --provider scitoolkit --with-token'", "scitoolkit");
        assert_eq!(other, "'scitoolkit login --with-token'");
    }
}
