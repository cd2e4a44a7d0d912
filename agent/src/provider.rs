//! The kinds of provider, and what each takes for granted where nobody says otherwise.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::profile::{Profile, ProfileName};

/// Which kind of provider a profile signs in to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Provider {
    /// A Seqera Platform, or any OIDC provider.
    #[default]
    Platform,
    /// SciToolkit: one token for each user, which does not renew.
    SciToolkit,
}

/// A text that names no kind of provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnknownProvider(String);

impl fmt::Display for UnknownProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this agent knows no provider {:?}", self.0.chars().take(80).collect::<String>())
    }
}

impl Provider {
    const ALL: [Self; 2] = [Self::Platform, Self::SciToolkit];

    /// As contract, records and configuration write it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::SciToolkit => "scitoolkit",
        }
    }

    /// The profile that a login means which names neither profile nor authority. Platforms are many, and
    /// their profiles go by the authority (design, section 8).
    pub(crate) fn own_profile(self) -> Option<ProfileName> {
        match self {
            Self::Platform => None,
            Self::SciToolkit => Some(ProfileName::imported(self.as_str())),
        }
    }

    /// The profile of this name that is there without anybody having configured it.
    pub(crate) fn built_in(name: &ProfileName) -> Option<Profile> {
        let provider =
            Self::ALL.into_iter().find(|provider| provider.own_profile().as_ref() == Some(name))?;
        Some(provider.defaults())
    }

    /// A profile of which nothing is known but its kind.
    pub(crate) fn defaults(self) -> Profile {
        match self {
            Self::Platform => Profile::default(),
            Self::SciToolkit => Profile {
                authority: "https://scitoolkit.org".into(),
                client_id: String::new(),
                audience: String::new(),
                scopes: String::new(),
                provider: self,
                ..Profile::default()
            },
        }
    }

    /// The REST API at an authority, where the profile does not say; empty: the authority itself.
    pub(crate) fn api_url(self, authority: &str) -> String {
        match self {
            Self::Platform => String::new(),
            Self::SciToolkit => format!("{authority}/api"),
        }
    }
}

impl FromStr for Provider {
    type Err = UnknownProvider;

    fn from_str(text: &str) -> Result<Self, UnknownProvider> {
        let named = Self::ALL.into_iter().find(|provider| provider.as_str() == text);
        named.ok_or_else(|| UnknownProvider(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_as_it_is_written() {
        for provider in Provider::ALL {
            assert_eq!(provider.as_str().parse(), Ok(provider));
            assert_eq!(serde_json::to_value(provider).unwrap(), provider.as_str());
            assert_eq!(provider.defaults().provider, provider);
        }
        let unknown = "gitlab".parse::<Provider>().unwrap_err();
        assert_eq!(unknown.to_string(), "this agent knows no provider \"gitlab\"");
    }

    #[test]
    fn only_scitoolkit_has_a_profile_that_nobody_configured() {
        let built_in = |name: &str| Provider::built_in(&name.parse().unwrap());
        assert_eq!(built_in("scitoolkit").map(|profile| profile.provider), Some(Provider::SciToolkit));
        assert_eq!((built_in("default"), built_in("platform")), (None, None));
    }
}
