//! Which kind of provider a command is about.

use clap::ValueEnum;

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
    use super::*;

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
