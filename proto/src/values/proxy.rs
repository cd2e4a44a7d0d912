//! The address of a proxy, which may contain a user name and a password. Neither is shown: either may be a token.

use super::address;
use super::text::{trimmed, unquoted};

/// A proxy, and what it wants to know of its user.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy<'a> {
    /// Scheme, host and port.
    pub address: String,
    /// `user` or `user:password`, as it stands in the address.
    pub user: Option<&'a str>,
}

/// Reads `http://[user:password@]host:port`. Like curl, takes an address without a scheme for an http proxy.
///
/// # Errors
/// What is odd about it; completes a sentence that begins with its place.
pub fn read(text: &str) -> Result<Proxy<'_>, &'static str> {
    let text = unquoted(trimmed(text));
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "https" => {}
        scheme if scheme.starts_with("socks") => return Err("is a SOCKS proxy, which cannot be used"),
        _ => return Err("is not an http or https proxy"),
    }
    let has_scheme = rest.len() < text.len();
    let begins = |name: &str| rest.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name));
    if !has_scheme && (begins("http:") || begins("https:")) {
        return Err("is not clear: write http:// with both slashes");
    }
    let (user, host) = rest.rsplit_once('@').map_or((None, rest), |(user, host)| (Some(user), host));
    // Readers differ in where the host begins, and some would take the password for a part of the path.
    if user.is_some_and(|user| user.contains(['/', '\\', '?', '#'])) {
        return Err(
            "is not clear: write / as %2F, \\ as %5C, ? as %3F and # as %23 in a user name or a password",
        );
    }
    let spelled = address::read(&format!("{scheme}://{host}"))?;
    let root = spelled.find("://").map_or(0, |at| at + "://".len());
    let end = spelled[root..].find('/').map_or(spelled.len(), |at| root + at);
    Ok(Proxy { address: spelled[..end].to_owned(), user: user.filter(|user| !user.is_empty()) })
}

/// What may be shown of a proxy.
pub fn shown(text: &str) -> String {
    read(text).map_or_else(|_| "an address that is not shown".to_owned(), |proxy| proxy.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_read_and_shown_without_its_user() {
        for (text, address, user) in [
            ("http://proxy:3128", "http://proxy:3128", None),
            ("p:3128", "http://p:3128", None),
            ("HTTPS://ada:p%40x@P.test:8443/", "https://p.test:8443", Some("ada:p%40x")),
            ("ada:c@n@p:1", "http://p:1", Some("ada:c@n")),
            ("http://canary@p:1", "http://p:1", Some("canary")),
            ("http://p:1/canary", "http://p:1", None),
            ("http://@p:1", "http://p:1", None),
            ("[::1]:3128", "http://[::1]:3128", None),
        ] {
            let proxy = read(text).unwrap_or_else(|odd| panic!("{text} {odd}"));
            assert_eq!((proxy.address.as_str(), proxy.user), (address, user), "{text}");
            assert_eq!(shown(text), address);
        }
    }

    #[test]
    fn what_readers_could_read_in_two_ways_is_refused_and_nothing_of_it_is_shown() {
        for text in [
            "http:/ada:canary@host:9",
            "http:ada:canary@host:9",
            "http:\\\\ada:canary@host:9",
            "http:///ada:canary@host:9",
            "http:/canary:9",
            "http://host:9/#canary",
            "http://host:9#canary@p",
            "http://host:9?canary",
            "http://ada:can/ary@host",
            "http://ada:canary@",
            "http://ada:canary@p:x",
            "socks5://ada:canary@p",
            "canary p",
            "",
        ] {
            let odd = read(text).err().unwrap_or_else(|| panic!("{text} is read"));
            assert!(!odd.contains("canary") && !shown(text).contains("canary"), "{text}");
        }
    }
}
