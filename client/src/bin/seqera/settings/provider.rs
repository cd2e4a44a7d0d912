//! The kinds of provider: all that the command knows about any of them.

use clap::ValueEnum;

/// The agent's name for this kind, the profile that is used if none is named, and the other name of this
/// program.
const SCITOOLKIT: &str = "scitoolkit";

const SCITOOLKIT_TOKEN: &str = "SCITOOLKIT_TOKEN";

/// The kind of provider that a command is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Provider {
    /// A Seqera Platform, or any OpenID provider
    #[default]
    Platform,
    /// SciToolkit: one token for all toolkits
    Scitoolkit,
    /// An OAuth 2.0 server without OpenID Connect, by --authority and SEQERA_AUTH_CLI_CLIENT_ID
    Oauth2,
}

impl Provider {
    /// The kind whose programs keep tokens in their own files, which can be taken over and removed.
    pub(crate) const WITH_TOKEN_FILES: Self = Self::Scitoolkit;

    /// The folder of these files.
    pub(crate) const TOKEN_FOLDER: &str = "~/.scitoolkit";

    /// The kind with this name, if a profile and a link to this program have the same name. Every other name
    /// counts as a Platform.
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

    /// The name for the agent, which takes an empty name to mean a Platform.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Platform => "",
            Self::Scitoolkit => SCITOOLKIT,
            Self::Oauth2 => "oauth2",
        }
    }

    /// The profile to use if none is named; `None`: the agent chooses.
    pub(crate) fn own_profile(self) -> Option<&'static str> {
        match self {
            Self::Platform | Self::Oauth2 => None,
            Self::Scitoolkit => Some(SCITOOLKIT),
        }
    }

    /// Variables that are meant only for a Platform and say nothing about this kind.
    pub(crate) fn foreign_variables(self) -> &'static [&'static str] {
        match self {
            Self::Platform => &[],
            Self::Scitoolkit => &[
                "SEQERA_AUTH_DOMAIN",
                "SEQERA_PLATFORM_API_URL",
                "SEQERA_AI_BACKEND_URL",
                "SEQERA_AUTH_CLI_CLIENT_ID",
                "SEQERA_AUTH_AUDIENCE",
            ],
            Self::Oauth2 => &["SEQERA_PLATFORM_API_URL", "SEQERA_AI_BACKEND_URL"],
        }
    }

    /// The name that people know.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Platform => "Seqera",
            Self::Scitoolkit => "SciToolkit",
            Self::Oauth2 => "OAuth 2.0",
        }
    }

    /// The command that signs in to this kind, for a person who has called this program by the name `called`.
    pub(crate) fn login(self, called: &str) -> &'static str {
        match (self, called) {
            (Self::Platform, _) => "seqera login",
            (Self::Scitoolkit, SCITOOLKIT) => "scitoolkit login",
            (Self::Scitoolkit, _) => "seqera login --provider scitoolkit",
            (Self::Oauth2, _) => "seqera login --provider oauth2 --authority URL",
        }
    }

    /// The same with what was typed for it: a hint that leaves something out leads to another profile or host.
    pub(crate) fn login_typed(self, called: &str, profile: &str, authority: &str) -> String {
        let login = match self {
            Self::Oauth2 => "seqera login --provider oauth2",
            _ => self.login(called),
        };
        let option = |name: &str, value: &str| match value {
            "" => String::new(),
            value => format!(" --{name} {value}"),
        };
        let profile = if self.own_profile() == Some(profile) { "" } else { profile };
        format!("{login}{}{}", option("profile", profile), option("authority", authority))
    }

    /// Whether the file that `SEQERA_ACCESS_TOKEN_FILE` names may hold a token of this kind.
    pub(crate) fn has_token_file(self) -> bool {
        self != Self::Scitoolkit
    }

    /// Variables that hold a token, best first.
    pub(crate) fn token_variables(self) -> &'static [&'static str] {
        match self {
            Self::Platform | Self::Oauth2 => &["SEQERA_ACCESS_TOKEN", "TOWER_ACCESS_TOKEN"],
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
        assert_eq!(Provider::Oauth2.login("seqera"), "seqera login --provider oauth2 --authority URL");
        let typed = Provider::Oauth2.login_typed("seqera", "lab", "https://x.test");
        assert_eq!(typed, "seqera login --provider oauth2 --profile lab --authority https://x.test");
        assert_eq!(Provider::Platform.login_typed("seqera", "work", ""), "seqera login --profile work");
        assert_eq!(Provider::Scitoolkit.login_typed("scitoolkit", "scitoolkit", ""), "scitoolkit login");
    }

    #[test]
    fn names_and_variables_lead_back_to_their_provider() {
        for provider in [Provider::Platform, Provider::Scitoolkit] {
            assert_eq!(Provider::named(provider.name()), provider);
            for variable in provider.token_variables() {
                assert_eq!(Provider::of_variable(variable), provider);
            }
        }
    }

    #[test]
    fn a_kind_without_a_profile_of_its_own_has_the_variables_of_a_platform() {
        let kinds = Provider::value_variants().iter();
        for provider in kinds.filter(|provider| provider.own_profile().is_none()) {
            let named = Provider::named(provider.name());
            assert_eq!(named, Provider::Platform, "what a program gets comes with its endpoint");
            assert_eq!(provider.token_variables(), named.token_variables());
        }
    }

    #[test]
    fn the_agent_knows_each_kind_by_the_word_of_the_command_line() {
        for provider in Provider::value_variants().iter().filter(|provider| !provider.is_platform()) {
            assert_eq!(provider.to_possible_value().unwrap().get_name(), provider.name());
        }
    }
}
