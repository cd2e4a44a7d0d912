//! A value, and where it comes from.

use std::fmt;
use std::path::PathBuf;

use seqera_client::proto::values::address;

use crate::settings::config::Config;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Flag(&'static str),
    Variable(&'static str),
    File(PathBuf),
    /// Nobody set the value.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Variable(name) => f.write_str(name),
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A value that somebody set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) text: String,
    pub(crate) source: Source,
}

pub(crate) fn variable(name: &'static str, value: Option<String>) -> Option<Setting> {
    value.map(|text| Setting { text, source: Source::Variable(name) })
}

pub(crate) fn in_file(config: &Config, value: Option<&str>) -> Option<Setting> {
    let text = value.filter(|text| !text.is_empty())?.to_owned();
    Some(Setting { text, source: Source::File(config.path.clone()) })
}

/// A value that says where a token may go, with the authority that it was set for.
#[derive(Debug, Clone)]
pub(crate) struct Owned {
    pub(crate) setting: Setting,
    /// `None`: it was set without an authority, and belongs to nobody's account.
    owner: Option<String>,
    /// It is an address that a token is sent to.
    is_address: bool,
}

impl Owned {
    pub(crate) fn new(setting: Setting, owner: Option<String>) -> Self {
        Self { setting, owner, is_address: false }
    }

    /// An address: one at an authority's own origin belongs to that authority, whoever set it.
    pub(crate) fn address(setting: Setting, owner: Option<String>) -> Self {
        let owner = owner.or_else(|| origin(&setting.text).map(str::to_owned));
        Self { setting, owner, is_address: true }
    }

    /// True if it may be used for this authority.
    pub(crate) fn belongs_to(&self, authority: &str) -> bool {
        if self.is_in_the_clear() {
            return false;
        }
        let own = self.owner.as_deref().is_some_and(|owner| same_authority(owner, authority));
        own || (origin(&self.setting.text).is_some() && same_origin(&self.setting.text, authority))
    }

    fn is_in_the_clear(&self) -> bool {
        self.is_address && in_the_clear(&self.setting.text)
    }

    /// Why it is not used for this authority.
    pub(crate) fn ignored_for(&self, authority: &str) -> String {
        let Setting { text, source } = &self.setting;
        let of = match authority {
            "" => "the account that is meant".to_owned(),
            authority => authority.to_owned(),
        };
        if let Some(why) = odd_for_token(text).filter(|_| self.is_address) {
            return format!("{source} is {}: it is ignored, since {why}", shown(text));
        }
        match &self.owner {
            Some(owner) if origin(text) != Some(owner.as_str()) => {
                format!("{source} is {text}, which was set for {owner}: it is ignored for {of}")
            }
            _ => {
                let hint = "set SEQERA_AUTH_DOMAIN beside it to say whose it is";
                format!("{source} is {text}, without an authority: it is ignored for {of}; {hint}")
            }
        }
    }
}

/// The authority if no other one is named.
pub(crate) const CLOUD_AUTHORITY: &str = "https://cloud.seqera.io/api";

/// Another address of the same API (the agent's manual, providers, "Platform: addresses").
pub(crate) const CLOUD_API: &str = "https://api.cloud.seqera.io";

const CLOUD_ORIGINS: [&str; 2] = ["https://cloud.seqera.io", CLOUD_API];

/// Host and port of an address, as people name the place.
pub(crate) fn host(url: &str) -> &str {
    origin(url).and_then(|origin| origin.split_once("://")).map_or(url, |(_, host)| host)
}

/// Scheme, host and port of an address, as it is written.
fn origin(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty())?;
    Some(&url[..scheme.len() + "://".len() + host.len()])
}

/// True if a token must not go to this address ([`odd_for_token`]).
pub(crate) fn in_the_clear(url: &str) -> bool {
    odd_for_token(url).is_some()
}

/// Why a token must not go to this address: others could read it on the way, since it is plain http and not to this
/// machine, or the address is none that every program reads alike. Completes a sentence.
pub(crate) fn odd_for_token(url: &str) -> Option<String> {
    let spelled = match address::read(url) {
        Err(odd) => return Some(format!("the address {odd}")),
        // A text without a scheme is https for us alone.
        Ok(_) if !url.contains("://") => return Some("the address has no https:// before it".to_owned()),
        Ok(spelled) => spelled,
    };
    let Some((scheme, authority)) = origin(&spelled).and_then(|origin| origin.split_once("://")) else {
        return Some("the address names no host".to_owned());
    };
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let is_ip = |host: &str| host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let here = host == "localhost" || is_ip(host.trim_matches(['[', ']']));
    (scheme != "https" && !here).then(|| "a token would go there unencrypted; use https".to_owned())
}

/// An address as people may see it: one with a user name may hold a password.
pub(crate) fn shown(url: &str) -> &str {
    if address::read(url) == Err(address::NAMES_USER) { "an address that is not shown" } else { url }
}

/// The two hosts of Seqera Cloud are one.
pub(crate) fn same_origin(one: &str, other: &str) -> bool {
    let (Some(one), Some(other)) = (origin(one), origin(other)) else { return false };
    let is_cloud = |origin: &str| CLOUD_ORIGINS.iter().any(|cloud| cloud.eq_ignore_ascii_case(origin));
    one.eq_ignore_ascii_case(other) || (is_cloud(one) && is_cloud(other))
}

/// Another spelling does not make another authority, and Cloud has two addresses.
pub(crate) fn same_authority(one: &str, other: &str) -> bool {
    address::same(one, other) || (is_cloud(one) && is_cloud(other))
}

/// True for both authorities of Seqera Cloud.
pub(crate) fn is_cloud(authority: &str) -> bool {
    [CLOUD_AUTHORITY, CLOUD_API].contains(&address::recorded(authority).as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(text: &str, owner: Option<&str>) -> Owned {
        let setting = Setting { text: text.into(), source: Source::Variable("SEQERA_PLATFORM_API_URL") };
        Owned::address(setting, owner.map(str::to_owned))
    }

    #[test]
    fn an_address_belongs_to_the_authority_it_was_set_for_and_to_that_of_its_own_origin() {
        for (text, owner, authority) in [
            ("https://api.a.test", Some("https://a.test/api"), "https://a.test/api/"),
            ("https://a.test/v2", None, "https://a.test/api"),
            ("https://A.test/v2", None, "https://a.test/api"),
            ("https://api.cloud.seqera.io", None, "https://cloud.seqera.io/api"),
        ] {
            assert!(owned(text, owner).belongs_to(authority), "{text} {authority}");
        }
        for (text, owner, authority) in [
            ("https://b.test/api", Some("https://b.test/api"), "https://a.test/api"),
            ("https://b.test/api", None, "https://a.test/api"),
            ("https://a.test.b.test/api", None, "https://a.test/api"),
            ("https://a.test@b.test/api", None, "https://a.test/api"),
            ("https://a.test:444/api", None, "https://a.test/api"),
            ("http://a.test/api", None, "https://a.test/api"),
            ("https://b.test", None, ""),
            ("http://ai.a.test", Some("https://a.test/api"), "https://a.test/api"),
        ] {
            assert!(!owned(text, owner).belongs_to(authority), "{text} {authority}");
        }
    }

    #[test]
    fn a_token_goes_by_https_or_to_this_machine() {
        for safe in [
            "https://a.test",
            "HTTPS://a.test",
            "http://127.0.0.1:1/x",
            "http://[::1]:8000",
            "http://localhost",
        ] {
            assert!(!in_the_clear(safe), "{safe}");
        }
        for open in [
            "http://a.test",
            "ftp://a.test",
            "http://127.0.0.1.a.test",
            "http://localhost@a.test",
            "http://127.0.0.1:x@a.test",
            "http:evil.test",
            "http:/evil.test",
            "http:\\\\evil.test",
            "https:evil.test",
            "javascript:1",
            "https://u:p@a.test",
            "a.test",
            "",
        ] {
            assert!(in_the_clear(open), "{open}");
        }
    }

    #[test]
    fn what_no_token_goes_to_is_told_with_the_reason_and_without_a_password() {
        for (text, why) in [
            ("http://ai.a.test", "a token would go there unencrypted; use https"),
            ("ai.a.test", "the address has no https:// before it"),
            ("https://a.test:x", "the address has a port that is not valid"),
            ("https://a.test/?q", "the address has a query or a fragment, which no base address has"),
            ("ftp://a.test", "the address does not begin with https://"),
        ] {
            let note = owned(text, Some("https://a.test/api")).ignored_for("https://a.test/api");
            let expected = format!("SEQERA_PLATFORM_API_URL is {text}: it is ignored, since {why}");
            assert_eq!(note, expected);
        }
        let note = owned("https://ada:canary@a.test", None).ignored_for("https://a.test/api");
        assert!(note.contains("a user name or a password") && !note.contains("canary"), "{note}");
    }

    #[test]
    fn what_is_ignored_names_both_sides() {
        let note = owned("https://api.b.test", Some("https://b.test/api")).ignored_for("https://a.test/api");
        for part in
            ["SEQERA_PLATFORM_API_URL", "https://api.b.test", "https://b.test/api", "https://a.test/api"]
        {
            assert!(note.contains(part), "{note}");
        }
        let unowned = owned("https://ai.b.test", None).ignored_for("https://a.test/api");
        assert!(
            unowned.contains("without an authority") && unowned.contains("SEQERA_AUTH_DOMAIN"),
            "{unowned}"
        );
    }
}
