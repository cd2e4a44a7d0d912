//! How a profile reaches its provider: the proxy and private certificate authorities. These settings come with
//! a login and are never read from the agent's own environment. Pure.

pub(crate) mod direct;

use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use seqera_agent_proto::values::proxy;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::sealed::{Acquaintance, Sealed};

/// The proxy and the certificate authorities of one profile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Network {
    /// `http://user@host:port`, or https, without a password. Empty: no proxy.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub proxy: String,
    /// Hosts that are reached without the proxy, as [`direct`] reads them.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub no_proxy: String,
    /// A PEM file of certificate authorities that are trusted in addition to the system's. Empty: no others.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ca_file: String,
    /// The proxy's password, as the login passed it. The store keeps it, never `sessions.json`.
    #[serde(skip)]
    pub password: Option<Password>,
}

/// The password of a proxy, percent-encoded as in its URL. Sealed in memory but while a connection is made;
/// clones share it. `Debug` redacts it.
#[derive(Debug, Clone)]
pub(crate) struct Password(Sealed);

/// Knows a password as long as somebody else keeps it.
pub(crate) struct KnownPassword(Acquaintance);

impl Password {
    /// Takes the password as it stands in a URL.
    pub(crate) fn new(encoded: &str) -> Self {
        Self(Sealed::new(encoded))
    }

    /// The password as it stands in a URL, for the proxy and the store only.
    pub(crate) fn open(&self) -> SecretString {
        self.0.open()
    }

    /// Does not keep the password alive.
    pub(crate) fn acquaintance(&self) -> KnownPassword {
        KnownPassword(self.0.acquaintance())
    }
}

impl KnownPassword {
    /// The password, if somebody still keeps it.
    pub(crate) fn meet(&self) -> Option<Password> {
        self.0.meet().map(Password)
    }
}

impl PartialEq for Password {
    fn eq(&self, other: &Self) -> bool {
        self.open().expose_secret() == other.open().expose_secret()
    }
}

impl Eq for Password {}

/// Why the proxy or the certificate authorities cannot be used. Never contains a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub(crate) struct BadNetwork {
    what: String,
    /// What the person can do.
    pub hint: &'static str,
}

impl Network {
    /// Reads the settings that a caller passed, and separates the password from the proxy's URL.
    ///
    /// # Errors
    /// [`BadNetwork`] if `proxy` is not the address of an http or https proxy, or `ca_file` is not an absolute
    /// path.
    pub(crate) fn read(proxy: &str, no_proxy: &str, ca_file: &str) -> Result<Self, BadNetwork> {
        if !ca_file.is_empty() && !Path::new(ca_file).is_absolute() {
            let hint = "give the absolute path of a PEM file as caFile or in SSL_CERT_FILE";
            return Err(BadNetwork { what: format!("'{ca_file}' is not an absolute path"), hint });
        }
        let (proxy, password) = if proxy.is_empty() { Default::default() } else { read_proxy(proxy)? };
        Ok(Self { proxy, password, no_proxy: no_proxy.to_owned(), ca_file: ca_file.to_owned() })
    }

    /// True if the proxy's address names a user, so that the proxy wants to know who asks.
    pub(crate) fn has_user(&self) -> bool {
        self.proxy.contains('@')
    }

    /// What may be shown of the proxy: a user name may be a token. Empty: no proxy.
    pub(crate) fn shown_proxy(&self) -> String {
        if self.proxy.is_empty() { String::new() } else { proxy::shown(&self.proxy) }
    }

    /// These settings without the password, as `sessions.json` records them; the store keeps the password.
    #[must_use]
    pub(crate) fn recorded(&self) -> Self {
        Self { password: None, ..self.clone() }
    }
}

/// Separates address and password.
fn read_proxy(text: &str) -> Result<(String, Option<Password>), BadNetwork> {
    const HINT: &str = "write it as http://[user:password@]host:port; https works as well, SOCKS does not";
    let bad = |what: &str| BadNetwork { what: format!("the proxy {what}"), hint: HINT };
    let proxy = proxy::read(text).map_err(bad)?;
    let mut url = Url::parse(&proxy.address).map_err(|_| bad("is not valid"))?;
    let (user, password) = proxy.user.map_or(("", None), |user| match user.split_once(':') {
        Some((user, password)) => (user, Some(password).filter(|password| !password.is_empty())),
        None => (user, None),
    });
    let no_host = |()| bad("names no host");
    url.set_username(user).map_err(no_host)?;
    url.set_password(password).map_err(no_host)?;
    let password = url.password().map(Password::new);
    url.set_password(None).map_err(no_host)?;
    Ok((url.as_str().trim_end_matches('/').to_owned(), password))
}

/// True if nobody can read on the way what is sent to this address: https, or plain http to this machine.
pub(crate) fn keeps_secrets(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

/// True for 127.0.0.0/8, `::1` and `localhost`.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_parted_from_the_address_and_shown_nowhere() {
        let network = Network::read("http://ada:can%40ry@proxy.test:3128/", "", "").unwrap();
        assert_eq!(network.proxy, "http://ada@proxy.test:3128");
        assert_eq!(network.password.as_ref().unwrap().open().expose_secret(), "can%40ry");
        let written = serde_json::to_string(&network).unwrap();
        assert!(!format!("{written}{network:?}{:?}", network.recorded()).contains("can"), "{network:?}");
        assert!(network.has_user() && network.recorded().password.is_none());
        assert_eq!(network.shown_proxy(), "http://proxy.test:3128");
        let token = Network::read("http://canary@proxy.test", "", "").unwrap();
        assert!(token.has_user() && token.shown_proxy() == "http://proxy.test");
    }

    #[test]
    fn an_address_without_a_scheme_is_an_http_proxy() {
        assert_eq!(Network::read("proxy.test:3128", "", "").unwrap().proxy, "http://proxy.test:3128");
        assert_eq!(Network::read("", "*", "/ca.pem").unwrap().proxy, "");
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_a_word_of_its_secret() {
        for proxy in [
            "socks5://ada:canary@proxy:1080",
            "http://ada:canary@:x",
            "http:/ada:canary@proxy:9",
            "http://proxy:9/#canary",
            "http://",
        ] {
            let error = Network::read(proxy, "", "").unwrap_err();
            assert!(!error.to_string().contains("canary") && error.hint.contains("http://"), "{error}");
        }
        assert!(Network::read("", "", "ca.pem").unwrap_err().to_string().contains("ca.pem"));
    }

    #[test]
    fn what_is_recorded_is_read_again_and_old_records_have_none() {
        let network = Network::read("http://ada@proxy.test:3128", ".corp", "/etc/corp.pem").unwrap();
        let json = serde_json::to_string(&network).unwrap();
        assert_eq!(serde_json::from_str::<Network>(&json).unwrap(), network);
        assert_eq!(serde_json::from_str::<Network>("{}").unwrap(), Network::default());
    }
}
