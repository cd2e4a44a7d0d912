//! The kinds of provider: all that the command knows of any of them by name.

use clap::ValueEnum;

/// As the agent calls it, the profile of it that needs no name, and the other name of this program.
const SCITOOLKIT: &str = "scitoolkit";

const SCITOOLKIT_TOKEN: &str = "SCITOOLKIT_TOKEN";

/// Which kind of provider a command is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Provider {
    /// A Seqera Platform, or any OpenID provider
    #[default]
    Platform,
    /// SciToolkit: one token for all toolkits
    Scitoolkit,
}

impl Provider {
    /// The one whose programs keep tokens in files of their own, which can be taken over and removed.
    pub(crate) const WITH_TOKEN_FILES: Self = Self::Scitoolkit;

    /// Where those are.
    pub(crate) const TOKEN_FOLDER: &str = "~/.scitoolkit";

    /// The kind of this name. It is also the name of the profile that needs none, and what a link to this
    /// program can be called; every other name means a Platform.
    pub(crate) fn named(name: &str) -> Self {
        if name == SCITOOLKIT { Self::Scitoolkit } else { Self::Platform }
    }

    /// The kind whose tokens this variable holds.
    pub(crate) fn of_variable(variable: &str) -> Self {
        if variable == SCITOOLKIT_TOKEN { Self::Scitoolkit } else { Self::Platform }
    }

    pub(crate) fn is_platform(self) -> bool {
        self == Self::Platform
    }

    /// For the agent, which takes an empty name for a Platform.
    pub(crate) fn name(self) -> &'static str {
        self.own_profile().unwrap_or_default()
    }

    /// The profile that is meant where none is named; `None`: the agent chooses.
    pub(crate) fn own_profile(self) -> Option<&'static str> {
        match self {
            Self::Platform => None,
            Self::Scitoolkit => Some(SCITOOLKIT),
        }
    }

    /// As people call it.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Platform => "Seqera",
            Self::Scitoolkit => "SciToolkit",
        }
    }

    /// The command that signs in there, for a person who has `called` this program so.
    pub(crate) fn login(self, called: &str) -> &'static str {
        match (self, called) {
            (Self::Platform, _) => "seqera login",
            (Self::Scitoolkit, SCITOOLKIT) => "scitoolkit login",
            (Self::Scitoolkit, _) => "seqera login --provider scitoolkit",
        }
    }

    /// Variables that hold a token, best first.
    pub(crate) fn token_variables(self) -> &'static [&'static str] {
        match self {
            Self::Platform => &["SEQERA_ACCESS_TOKEN", "TOWER_ACCESS_TOKEN"],
            Self::Scitoolkit => &[SCITOOLKIT_TOKEN],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_signs_in_is_that_of_the_program_that_was_called() {
        assert_eq!(Provider::Scitoolkit.login("scitoolkit"), "scitoolkit login");
        assert_eq!(Provider::Scitoolkit.login("seqera"), "seqera login --provider scitoolkit");
        assert_eq!(Provider::Platform.login("seqera"), "seqera login");
    }

    #[test]
    fn names_and_variables_lead_back_to_their_provider() {
        for provider in Provider::value_variants() {
            assert_eq!(Provider::named(provider.name()), *provider);
            for variable in provider.token_variables() {
                assert_eq!(Provider::of_variable(variable), *provider);
            }
        }
    }
}
