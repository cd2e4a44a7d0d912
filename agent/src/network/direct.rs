//! Which hosts are reached without the proxy: the forms of `NO_PROXY` that programs have made up, since nobody
//! specified it. Those of curl, Go, Node and Windows are understood.

use std::borrow::Cow;
use std::net::IpAddr;

use seqera_agent_proto::values::address;
use url::{Host, Url};

/// True if an entry of the list names this address.
pub(crate) fn is_direct(no_proxy: &str, url: &Url) -> bool {
    let host = match url.host() {
        Some(Host::Domain(name)) => name.trim_end_matches('.').to_owned(),
        Some(Host::Ipv4(ip)) => ip.to_string(),
        Some(Host::Ipv6(ip)) => ip.to_canonical().to_string(),
        None => return false,
    };
    let port = url.port_or_known_default();
    entries(no_proxy).filter_map(Entry::read).any(|entry| entry.names(&host, port))
}

/// The entries that nobody understands; they name no host.
pub(crate) fn odd(no_proxy: &str) -> Vec<&str> {
    entries(no_proxy).filter(|entry| Entry::read(entry).is_none()).collect()
}

fn entries(no_proxy: &str) -> impl Iterator<Item = &str> {
    no_proxy
        .split(|c: char| matches!(c, ',' | ';' | '|') || c.is_whitespace())
        .filter(|entry| !entry.is_empty())
}

struct Entry {
    which: Which,
    port: Option<u16>,
}

enum Which {
    /// An address, or as many of its first bits as count.
    Net(IpAddr, u8),
    /// A host and all below it.
    Domain(String),
    /// With `*` for anything.
    Pattern(String),
}

impl Entry {
    fn read(text: &str) -> Option<Self> {
        let (schemeless, has_scheme) = match text.split_once("://") {
            Some((_, rest)) => (rest.trim_end_matches('/'), true),
            None => (text, false),
        };
        if let Some(which) =
            net(&unbracketed(schemeless)).filter(|_| !has_scheme || !schemeless.contains('/'))
        {
            return Some(Self { which, port: None });
        }
        let (host, port) = match schemeless.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (schemeless, None),
        };
        if let Some(inner) = host.strip_prefix('[') {
            return Some(Self { which: net(inner.strip_suffix(']')?)?, port });
        }
        Some(Self { which: net(host).or_else(|| named(host))?, port })
    }

    fn names(&self, host: &str, port: Option<u16>) -> bool {
        if self.port.is_some() && self.port != port {
            return false;
        }
        match &self.which {
            Which::Net(net, bits) => host.parse().is_ok_and(|ip| is_within(ip, *net, *bits)),
            Which::Domain(domain) => {
                host.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            Which::Pattern(pattern) => fits(pattern, host),
        }
    }
}

/// `[2001:db8::]/32` without its brackets.
fn unbracketed(text: &str) -> Cow<'_, str> {
    match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((ip, rest)) if rest.is_empty() || rest.starts_with('/') => Cow::Owned(format!("{ip}{rest}")),
        _ => Cow::Borrowed(text),
    }
}

fn net(text: &str) -> Option<Which> {
    let (ip, bits) = text.split_once('/').map_or((text, None), |(ip, bits)| (ip, Some(bits)));
    let given: IpAddr = ip.parse().ok()?;
    let most = if given.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(most), |bits| bits.parse().ok().filter(|bits| *bits <= most))?;
    let is_whole = bits == most;
    // `::ffff:10.0.0.1` is 10.0.0.1.
    let ip = if is_whole { given.to_canonical() } else { given };
    Some(Which::Net(ip, if is_whole && ip.is_ipv4() { 32 } else { bits }))
}

fn is_within(ip: IpAddr, net: IpAddr, bits: u8) -> bool {
    let (one, other, width) = match (ip, net) {
        (IpAddr::V4(ip), IpAddr::V4(net)) => (u128::from(ip.to_bits()), u128::from(net.to_bits()), 32),
        (IpAddr::V6(ip), IpAddr::V6(net)) => (ip.to_bits(), net.to_bits(), 128),
        _ => return false,
    };
    (one ^ other).checked_shr(width - u32::from(bits)).unwrap_or_default() == 0
}

fn named(host: &str) -> Option<Which> {
    let host = host.to_lowercase();
    let host = host.trim_end_matches('.');
    if host.contains('*') {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '*');
        return host.chars().all(is_part).then(|| Which::Pattern(host.to_owned()));
    }
    // In the letters of the name system, as the address has it.
    let spelled = address::read(&format!("https://{}", host.trim_start_matches('.'))).ok()?;
    let domain = spelled.strip_prefix("https://").filter(|domain| !domain.contains('/'))?;
    Some(Which::Domain(domain.to_owned()))
}

/// Each `*` takes as little as lets the rest fit somewhere; the last one takes what is left.
fn fits(pattern: &str, host: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = host.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, behind)) = rest.split_once(part) else { return false };
        rest = behind;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direct(no_proxy: &str, url: &str) -> bool {
        is_direct(no_proxy, &Url::parse(url).unwrap())
    }

    #[test]
    fn every_form_names_its_hosts_and_no_others() {
        for (no_proxy, named, other) in [
            ("corp.test", "https://corp.test/", "https://notcorp.test/"),
            ("corp.test", "https://a.b.corp.test/", "https://corp.test.x/"),
            (".corp.test", "https://a.corp.test/", "https://acorp.test/"),
            (".corp.test", "https://corp.test/", "https://test/"),
            ("*.corp.test", "https://a.corp.test/", "https://acorp.test/"),
            ("*corp.test", "https://mycorp.test/", "https://corp.test.x/"),
            ("*", "https://a.test/", "data:x"),
            ("CORP.Test", "https://a.corp.test/", "https://corp.x/"),
            ("corp.test.", "https://a.corp.test/", "https://corp.x/"),
            ("corp.test", "https://a.corp.test./", "https://corp.x/"),
            ("https://corp.test/", "https://a.corp.test/", "https://corp.x/"),
            ("corp.test:8443", "https://a.corp.test:8443/", "https://a.corp.test/"),
            ("corp.test:443", "https://a.corp.test/", "https://a.corp.test:8443/"),
            ("*.corp.test:443", "https://a.corp.test/", "https://a.corp.test:8443/"),
            ("x.test corp.test", "https://corp.test/", "https://y.test/"),
            ("x.test, corp.test ,", "https://corp.test/", "https://y.test/"),
            ("x.test;corp.test|y.test", "https://corp.test/", "https://z.test/"),
            ("10.1.2.3", "https://10.1.2.3/", "https://10.1.2.30/"),
            ("10.1.2.3:8443", "https://10.1.2.3:8443/", "https://10.1.2.3/"),
            ("10.0.0.0/8", "https://10.9.9.9/", "https://11.0.0.1/"),
            ("10.1.2.3/8", "https://10.9.9.9/", "https://11.0.0.1/"),
            ("10.*", "https://10.9.9.9/", "https://110.0.0.1/"),
            ("0.0.0.0/0", "https://10.9.9.9/", "https://a.test/"),
            ("2001:db8::1", "https://[2001:db8::1]/", "https://[2001:db8::2]/"),
            ("[2001:db8::1]", "https://[2001:db8::1]:8443/", "https://[2001:db8::2]/"),
            ("[2001:db8::1]:8443", "https://[2001:db8::1]:8443/", "https://[2001:db8::1]/"),
            ("2001:DB8::/32", "https://[2001:db8:9::1]/", "https://[2001:db9::1]/"),
            ("[2001:db8::]/32", "https://[2001:db8:9::1]/", "https://[2001:db9::1]/"),
            ("::ffff:10.0.0.1", "https://10.0.0.1/", "https://10.0.0.2/"),
            ("10.0.0.0/8", "https://[::ffff:10.0.0.1]/", "https://[::ffff:11.0.0.1]/"),
            ("::/0", "https://[2001:db8::1]/", "https://10.0.0.1/"),
            ("bücher.example", "https://xn--bcher-kva.example/", "https://bucher.example/"),
            ("a*c.*.test", "https://abc.x.test/", "https://abc.test/"),
        ] {
            assert!(direct(no_proxy, named), "{no_proxy} {named}");
            assert!(!direct(no_proxy, other), "{no_proxy} {other}");
            assert!(odd(no_proxy).is_empty(), "{no_proxy}");
        }
        assert!(!direct("", "https://a.test/") && !direct(" , ", "https://a.test/"));
    }

    #[test]
    fn what_names_no_host_is_odd_and_spoils_nothing() {
        for bad in [
            "10.0.0.0/33",
            "[2001:db8::1",
            "corp.test:99999",
            "<local>",
            "/var/run/docker.sock",
            "a..b",
            "10.0.0",
        ] {
            assert_eq!(odd(&format!("a.test,{bad}")), [bad]);
            assert!(direct(&format!("{bad},a.test"), "https://a.test/"), "{bad}");
            assert!(!direct(bad, "https://b.test/"), "{bad}");
        }
    }
}
