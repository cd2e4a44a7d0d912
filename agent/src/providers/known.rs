//! The kinds of provider that this agent knows, and the issuers of its profiles. A further kind is a file of
//! its own in this folder and one line in [`KNOWN`].

use std::sync::{Arc, Mutex};

use super::platform::Platform;
use super::{Issuer, Issuers, Means, Provider, oauth2, oidc, scitoolkit};
use crate::clock::Clock;
use crate::error::{AgentError, ErrorKind};
use crate::foreign::Label;
use crate::lock::lock;
use crate::profile::{Profile, ProfileName, ProviderId};
use crate::providers::http::Http;
use crate::token::Kind;

/// All kinds. The first one is meant where none is named.
const KNOWN: [&dyn Provider; 3] =
    [&oidc::OidcProvider, &scitoolkit::SciToolkitProvider, &oauth2::OAuth2Provider];

/// More profiles than anybody has; what is dropped costs one request for discovery.
const KEPT: usize = 64;

/// A name of a kind of provider that this agent does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this agent knows no provider {:?}", Label::from(self.0.as_str()))]
pub(crate) struct UnknownProvider(String);

fn find(name: &str) -> Option<&'static dyn Provider> {
    KNOWN.into_iter().find(|provider| provider.id().as_str() == name)
}

/// The id of the kind that is called so.
///
/// # Errors
/// [`UnknownProvider`].
pub(crate) fn named(name: &str) -> Result<ProviderId, UnknownProvider> {
    find(name).map(Provider::id).ok_or_else(|| UnknownProvider(name.to_owned()))
}

/// The names of all kinds, for a hint.
pub(crate) fn names() -> String {
    let names: Vec<_> = KNOWN.iter().map(|provider| format!("'{}'", provider.id().as_str())).collect();
    names.join(" or ")
}

/// The profile that a login means which names neither profile nor authority; `None`: the authority decides.
pub(crate) fn own_profile(provider: &ProviderId) -> Option<ProfileName> {
    find(provider.as_str())?.own_profile().map(ProfileName::imported)
}

/// The profile of this name that is there without anybody having configured it.
pub(crate) fn built_in(name: &ProfileName) -> Option<Profile> {
    let is_own = |provider: &&dyn Provider| provider.own_profile() == Some(name.as_str());
    KNOWN.into_iter().find(is_own).map(Provider::defaults)
}

/// A profile of which nothing is known but its kind of provider.
pub(crate) fn defaults(provider: &ProviderId) -> Profile {
    let unknown = || Profile { provider: provider.clone(), ..Profile::default() };
    find(provider.as_str()).map_or_else(unknown, Provider::defaults)
}

/// The REST API at an authority, where the profile does not name one; empty: the authority itself.
pub(crate) fn api_url(provider: &ProviderId, authority: &str) -> String {
    find(provider.as_str()).map(|provider| provider.api_url(authority)).unwrap_or_default()
}

/// An issuer that was needed, and for what.
type Kept = (Profile, Kind, Arc<dyn Issuer>);

/// Finds the issuer of a profile by its settings. One that was needed is kept, and with it its discovery.
pub(crate) struct Providers {
    http: Http,
    clock: Arc<dyn Clock>,
    kept: Mutex<Vec<Kept>>,
}

impl Providers {
    /// Asks nobody yet.
    pub(crate) fn new(http: Http, clock: Arc<dyn Clock>) -> Self {
        Self { http, clock, kept: Mutex::default() }
    }

    /// The way to a profile's provider.
    pub(crate) fn http(&self, profile: &Profile) -> Http {
        self.http.over(&profile.network)
    }

    /// The REST API of a profile's Platform.
    pub(crate) fn platform(&self, profile: &Profile) -> Platform {
        Platform::new(self.http(profile), profile.api())
    }
}

impl Issuers for Providers {
    fn issuer(&self, profile: &Profile, kind: Kind) -> Arc<dyn Issuer> {
        let mut kept = lock(&self.kept);
        let same = |(known, of, _): &&Kept| known == profile && *of == kind;
        if let Some((.., issuer)) = kept.iter().find(same) {
            return Arc::clone(issuer);
        }
        let means = Means { http: self.http(profile), clock: Arc::clone(&self.clock) };
        let issuer = match find(profile.provider.as_str()) {
            Some(provider) => provider.issuer(means, profile, kind),
            None => Arc::new(Unknown(UnknownProvider(profile.provider.as_str().to_owned()))),
        };
        // A login brings the password of its proxy along, which must not outlive it here.
        if profile.network.password.is_none() {
            if kept.len() == KEPT {
                kept.remove(0);
            }
            kept.push((profile.clone(), kind, Arc::clone(&issuer)));
        }
        issuer
    }
}

/// The issuer of a profile that a newer version has written: it refuses, and nothing is lost.
struct Unknown(UnknownProvider);

#[async_trait::async_trait]
impl Issuer for Unknown {
    fn refusal(&self, _: &str) -> AgentError {
        let hint = "update the agent: another version of it has made this profile";
        AgentError::new(ErrorKind::Misconfigured, self.0.to_string(), hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Outcome;
    use crate::providers::Revocable;
    use crate::providers::Revocation;
    use crate::token::RefreshToken;

    #[test]
    fn every_kind_is_found_by_its_name_and_makes_profiles_of_its_own() {
        for provider in KNOWN {
            let id = provider.id();
            assert_eq!(named(id.as_str()).as_ref(), Ok(&id));
            assert_eq!(serde_json::to_value(&id).unwrap(), id.as_str());
            assert_eq!(defaults(&id).provider, id);
        }
        let unknown = named("gitlab").unwrap_err();
        assert_eq!(unknown.to_string(), "this agent knows no provider \"gitlab\"");
        assert_eq!(named(ProviderId::default().as_str()), Ok(KNOWN[0].id()));
    }

    #[test]
    fn only_scitoolkit_has_a_profile_that_nobody_configured() {
        let built_in = |name: &str| built_in(&name.parse().unwrap());
        assert_eq!(built_in("scitoolkit").map(|profile| profile.provider), Some(scitoolkit::ID));
        assert_eq!((built_in("default"), built_in("platform")), (None, None));
    }

    #[tokio::test]
    async fn a_profile_of_a_newer_version_is_refused_and_its_token_is_kept() {
        let profile: Profile =
            serde_json::from_str(r#"{"authority": "https://a.test", "clientId": "c", "provider": "moon"}"#)
                .unwrap();
        let clock = crate::clock::FakeClock::new();
        let http = Http::new(clock.clone(), crate::providers::http::Limits::default());
        let issuer = Providers::new(http, clock).issuer(&profile, Kind::Renewable);
        let renewal = issuer.renew(&RefreshToken::new("r"), "ada").await;
        assert!(matches!(&renewal, Outcome::Misconfigured(why) if why.contains("moon")), "{renewal:?}");
        assert!(
            matches!(issuer.revoke(&Revocable::default()).await, Revocation::Refused(why) if why.contains("moon"))
        );
        assert_eq!(serde_json::to_value(&profile).unwrap()["provider"], "moon");
    }
}
