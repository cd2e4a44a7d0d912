//! A profile: a name for one account at one authority.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use seqera_agent_proto::configuration::names_a_user;
use seqera_agent_proto::values::address;
use seqera_agent_proto::values::name::{self, LONGEST, is_device, is_part, is_profile};
use serde::{Deserialize, Serialize};

use url::Url;

use crate::network::{Network, keeps_secrets};

/// A parsed profile name: `[a-z0-9][a-z0-9._-]{0,62}`, not a Windows device name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct ProfileName(String);

/// A text that is not a profile name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadName(String);

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Debug escapes whatever the text contains.
        write!(f, "{:?} is not a profile name", self.0.chars().take(80).collect::<String>())
    }
}

impl std::error::Error for BadName {}

impl BadName {
    /// Says what a name may look like.
    pub(crate) const HINT: &'static str = name::RULE;
}

impl ProfileName {
    /// The name that applies when the caller gives none and none was chosen as the default.
    pub(crate) fn fallback() -> Self {
        Self("default".to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The name under which a store keeps the token of a lease. Profile names cannot contain `~`, so no profile
    /// has this name and lists of profiles leave it out.
    pub(crate) fn of_lease(id: &str) -> Self {
        Self(format!("lease~{id}"))
    }

    /// A name for an account at `authority`, made from its host.
    pub(crate) fn after_host(authority: &str) -> Self {
        let host = url::Url::parse(authority).ok().and_then(|url| url.host_str().map(str::to_owned));
        Self::imported(host.as_deref().unwrap_or("profile"))
    }

    /// A name made from one of another program: in lower case, with `_` for characters that are not allowed.
    pub(crate) fn imported(foreign: &str) -> Self {
        let allowed = |c: char| if is_part(c) { c } else { '_' };
        let mut name: String = foreign.to_lowercase().chars().map(allowed).take(LONGEST).collect();
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || is_device(&name) {
            name.insert(0, 'p');
            name.truncate(LONGEST);
        }
        Self(name)
    }
}

impl FromStr for ProfileName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        if is_profile(text) { Ok(Self(text.to_owned())) } else { Err(BadName(text.to_owned())) }
    }
}

impl TryFrom<String> for ProfileName {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<ProfileName> for String {
    fn from(name: ProfileName) -> Self {
        name.0
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a kind of provider, as the contract, records and configuration write it. `providers::known`
/// knows what the names mean; a name that it does not know is kept, since a newer version may have written it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct ProviderId(Cow<'static, str>);

impl ProviderId {
    /// Creates an id from a name that is known when the program is built.
    pub(crate) const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A Seqera Platform, or any other OpenID provider.
impl Default for ProviderId {
    fn default() -> Self {
        Self::new("platform")
    }
}

/// Where and how a profile reaches its provider. Its refresh token goes to no other authority, and is used with
/// no other client id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Profile {
    /// The OIDC issuer's base URL, in its one spelling.
    #[serde(deserialize_with = "recorded")]
    pub authority: String,
    /// The OAuth client id of a public client, which has no secret.
    pub client_id: String,
    /// The `audience` parameter of the authorization request. Empty: not sent.
    #[serde(default)]
    pub audience: String,
    /// Base URL of the Platform's REST API, as it was set. Read it by [`Profile::api`]. Empty: the authority's.
    #[serde(default, deserialize_with = "recorded")]
    pub api_url: String,
    /// Base URL of the Co-Scientist backend, as it was set. Read it by [`Profile::backend`]. Empty: none is set.
    #[serde(default, deserialize_with = "recorded")]
    pub backend_url: String,
    /// The authority that the addresses above were set for, if they lie elsewhere than the authority itself. A
    /// token goes to no other address: a variable that is set for one account must not lead the token of another
    /// account to a stranger. Empty in what older versions recorded.
    #[serde(default, skip_serializing_if = "String::is_empty", deserialize_with = "recorded")]
    pub endpoints_of: String,
    /// The scopes to request, separated by spaces; `openid` is always requested.
    #[serde(default)]
    pub scopes: String,
    #[serde(default)]
    pub provider: ProviderId,
    /// The proxy and certificate authorities on the way to the provider.
    #[serde(default)]
    pub network: Network,
}

/// Seqera Cloud, with the CLI's public client.
impl Default for Profile {
    fn default() -> Self {
        Self {
            authority: Self::CLOUD_AUTHORITY.into(),
            client_id: Self::CLIENT_ID.into(),
            audience: Self::AUDIENCE.into(),
            api_url: String::new(),
            backend_url: String::new(),
            endpoints_of: String::new(),
            scopes: Self::SCOPES.into(),
            provider: ProviderId::default(),
            network: Network::default(),
        }
    }
}

impl Profile {
    /// The authority of Seqera Cloud ([Documented defaults](crate::manual::providers#documented-defaults)).
    pub(crate) const CLOUD_AUTHORITY: &'static str = "https://cloud.seqera.io/api";
    /// The CLI's public client.
    pub(crate) const CLIENT_ID: &'static str = "seqera_ai_cli";
    /// The audience of tokens for the Platform.
    pub(crate) const AUDIENCE: &'static str = "platform";
    /// The scopes to request; `offline_access` asks for a refresh token (OIDC Core, section 11).
    pub(crate) const SCOPES: &'static str = "openid profile email offline_access";

    /// Base URL of this profile's Platform API: the one that is set for this authority, else the authority.
    pub(crate) fn api(&self) -> &str {
        if self.api_url.is_empty() || !self.owns(&self.api_url) { &self.authority } else { &self.api_url }
    }

    /// Base URL of the Co-Scientist backend that is set for this authority. Empty: none is.
    pub(crate) fn backend(&self) -> &str {
        if self.owns(&self.backend_url) { &self.backend_url } else { "" }
    }

    /// True if this profile's tokens may go to `url`: it lies at the authority's own origin, or was set for this
    /// authority, and nobody can read them on the way.
    pub(crate) fn owns(&self, url: &str) -> bool {
        let of_it = !self.endpoints_of.is_empty() && self.serves(&self.endpoints_of);
        !names_a_user(url)
            && (same_origin(&self.authority, url)
                || (of_it && Url::parse(url).is_ok_and(|url| keeps_secrets(&url))))
    }

    /// What is recorded, and not used, because it was not set for this authority. An older version has recorded
    /// such addresses.
    pub(crate) fn strangers(&self) -> Vec<&str> {
        let set = [self.api_url.as_str(), self.backend_url.as_str()];
        set.into_iter().filter(|url| !url.is_empty() && !self.owns(url)).collect()
    }

    /// True if `authority` is this profile's authority, in whatever spelling.
    pub(crate) fn serves(&self, authority: &str) -> bool {
        canonical(&self.authority) == canonical(authority)
    }

    /// True if a secret that came from `other` may be used with this profile.
    pub(crate) fn same_party(&self, other: &Self) -> bool {
        self.provider == other.provider
            && address::same(&self.authority, &other.authority)
            && self.client_id == other.client_id
    }
}

/// True if scheme, host and port are the same. The two hosts of Seqera Cloud count as one.
fn same_origin(one: &str, other: &str) -> bool {
    let origin = |text: &str| Url::parse(text).ok().map(|url| url.origin().ascii_serialization());
    let cloud = ["https://cloud.seqera.io", "https://api.cloud.seqera.io"];
    match (origin(one), origin(other)) {
        (Some(one), Some(other)) => {
            one == other || (cloud.contains(&one.as_str()) && cloud.contains(&other.as_str()))
        }
        _ => false,
    }
}

/// The one spelling of an authority. On Seqera Cloud two hosts serve the same API, and the discovery document of
/// one may name the other ([Platform: addresses](crate::manual::providers#platform-addresses)). Everywhere else
/// two addresses are two authorities.
pub(crate) fn canonical(authority: &str) -> String {
    let spelled = address::recorded(authority);
    if spelled == "https://api.cloud.seqera.io" { Profile::CLOUD_AUTHORITY.to_owned() } else { spelled }
}

/// Reads an address that an earlier version recorded as it was typed.
fn recorded<'de, D: serde::Deserializer<'de>>(source: D) -> Result<String, D::Error> {
    Ok(address::recorded(&String::deserialize(source)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_token_goes_to_addresses_of_its_own_authority_only() {
        let at = |authority: &str, api: &str, set_for: &str| Profile {
            authority: authority.into(),
            api_url: api.into(),
            backend_url: api.into(),
            endpoints_of: set_for.into(),
            ..Profile::default()
        };
        for (authority, api, set_for) in [
            ("https://a.test/api", "https://a.test/v2", ""),
            ("https://a.test/api", "https://api.a.test", "https://a.test/api/"),
            ("https://cloud.seqera.io/api", "https://api.cloud.seqera.io", ""),
        ] {
            let profile = at(authority, api, set_for);
            assert_eq!((profile.api(), profile.backend()), (api, api), "{authority} {api}");
            assert!(profile.strangers().is_empty());
        }
        for (authority, api, set_for) in [
            ("https://a.test/api", "https://b.test/api", ""),
            ("https://a.test/api", "http://ai.a.test", "https://a.test/api"),
            ("https://a.test/api", "https://b.test/api", "https://b.test/api"),
            ("https://a.test/api", "https://a.test:444/api", ""),
            ("https://a.test/api", "http://a.test/api", ""),
            ("https://cloud.seqera.io/api", "https://ai-api.seqera.io", ""),
            ("https://a.test/api", "no address", ""),
        ] {
            let profile = at(authority, api, set_for);
            assert_eq!((profile.api(), profile.backend()), (authority, ""), "{authority} {api}");
            assert_eq!(profile.strangers(), [api, api]);
        }
    }

    #[test]
    fn names_are_checked() {
        for good in ["default", "a", "9", "work.eu-1_x", &"a".repeat(63)] {
            assert!(good.parse::<ProfileName>().is_ok(), "{good}");
        }
        let long = "a".repeat(64);
        for bad in ["", "Work", ".x", "-x", "a/b", "a b", "../x", "con", "nul.txt", "com1", "ü", &long] {
            assert!(bad.parse::<ProfileName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn another_spelling_is_the_same_authority_and_the_same_party() {
        let at = |authority: &str| Profile { authority: authority.into(), ..Profile::default() };
        let profile = at("https://a.test/api");
        for typed in ["HTTPS://A.test/api", "https://a.test:443/api/", "https://A.TEST./api", "a.test/api"] {
            assert!(profile.serves(typed) && at(typed).serves("https://a.test/api"), "{typed}");
            assert!(profile.same_party(&at(typed)), "{typed}");
        }
        assert!(at("HTTPS://CLOUD.seqera.io/api").serves("https://api.cloud.seqera.io:443/"));
        for other in
            ["https://a.test/API", "https://a.test:444/api", "http://a.test/api", "https://b.test/api", ""]
        {
            assert!(!profile.serves(other) && !profile.same_party(&at(other)), "{other}");
        }
    }

    #[test]
    fn what_was_recorded_in_another_spelling_is_read_in_the_one_of_today() {
        let json = r#"{"authority": "HTTPS://A.test:443/api/", "clientId": "C", "apiUrl": "https://API.a.test/",
            "backendUrl": "", "endpointsOf": "https://A.test/api"}"#;
        let profile: Profile = serde_json::from_str(json).unwrap();
        assert_eq!((profile.authority.as_str(), profile.client_id.as_str()), ("https://a.test/api", "C"));
        assert_eq!((profile.api(), profile.backend()), ("https://api.a.test", ""));
        let odd = json.replace("HTTPS://A.test:443/api/", "https://a.test/api?tenant=1");
        let odd: Profile = serde_json::from_str(&odd).unwrap();
        assert_eq!(odd.authority, "https://a.test/api?tenant=1", "no session is lost for it");
    }

    #[test]
    fn the_one_spelling_is_the_one_of_the_url_standard() {
        for text in [
            "HTTPS://A.test:443/api/",
            "http://LOCALHOST:8000/x/../api",
            "https://Bücher.example/grün",
            "https://例え。テスト",
            "https://faß.de/api",
            "https://[2001:DB8:0::1]:8443/api",
            "https://127.0.0.1/a//b",
        ] {
            let (own, standard) = (address::read(text).unwrap(), Url::parse(text).unwrap());
            assert_eq!(own, standard.as_str().trim_end_matches('/'), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_imported_name_is_a_name(foreign in ".*") {
            let name = ProfileName::imported(&foreign);
            prop_assert_eq!(name.as_str().parse::<ProfileName>().unwrap(), name);
        }
    }
}
