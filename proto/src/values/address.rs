//! Addresses of authorities, APIs and backends. One address has one spelling (RFC 3986, sections 6.2.2 and 6.2.3):
//! whoever writes the host in capitals means the same account. The spelling is that of the WHATWG's URL standard
//! with a few bounds: what it would guess at is refused.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::text::{trimmed, unquoted};

/// The longest name of a host (RFC 1035, section 2.3.4).
const LONGEST_HOST: usize = 253;

/// The dots that a Japanese or Chinese keyboard gives (IDNA, UTS 46).
const DOTS: [char; 3] = ['\u{3002}', '\u{ff0e}', '\u{ff61}'];

/// An address as it was typed, in its one spelling: scheme and host in lower case, no default port, no slash at the
/// end. A host alone means https.
///
/// # Errors
/// What is odd about it; completes a sentence that begins with its place.
pub fn read(text: &str) -> Result<String, &'static str> {
    let text = unquoted(trimmed(text));
    if text.is_empty() {
        return Err("is empty");
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("contains a blank or a line break");
    }
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
        None => ("https".to_owned(), text),
    };
    let is_bare = rest.len() == text.len();
    let end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    // Some readers take `https:/user:password@host` for an address as well.
    if authority.contains('@') || (authority.is_empty() || is_bare) && path.contains('@') {
        return Err(NAMES_USER);
    }
    if !matches!(scheme.as_str(), "https" | "http") {
        return Err("does not begin with https://");
    }
    let (host, port) = parted(authority)?;
    let host = host_of(host)?;
    if matches!(host.as_str(), "https" | "http") {
        return Err("does not begin with https:// once");
    }
    if is_bare && !host.contains(['.', ':']) && port.is_none() && host != "localhost" {
        return Err("is not a full host name");
    }
    let usual = if scheme == "https" { 443 } else { 80 };
    let port = port.filter(|port| *port != usual).map(|port| format!(":{port}")).unwrap_or_default();
    Ok(format!("{scheme}://{host}{port}{}", path_of(path)?))
}

/// Why an address with a user name is refused: addresses are shown and recorded.
pub const NAMES_USER: &str = "contains a user name or a password";

/// The one spelling of an address that is in use already; one that would be refused today stays as it is.
pub fn recorded(text: &str) -> String {
    read(text).unwrap_or_else(|_| text.trim_end_matches('/').to_owned())
}

/// True if both are one address in two spellings.
pub fn same(one: &str, other: &str) -> bool {
    one == other || recorded(one) == recorded(other)
}

/// Host and port.
fn parted(authority: &str) -> Result<(&str, Option<u16>), &'static str> {
    let after_brackets = authority.rfind(']').map_or(0, |end| end + 1);
    match authority[after_brackets..].find(':') {
        None => Ok((authority, None)),
        Some(colon) => {
            let (host, port) = authority.split_at(after_brackets + colon);
            match &port[1..] {
                "" => Ok((host, None)),
                digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                    let port = digits.parse().ok().filter(|port| *port != 0);
                    Ok((host, Some(port.ok_or("has a port that is not valid")?)))
                }
                _ => Err("has a port that is not valid"),
            }
        }
    }
}

fn host_of(host: &str) -> Result<String, &'static str> {
    if let Some(inner) = host.strip_prefix('[') {
        let ip: Ipv6Addr = inner.strip_suffix(']').and_then(|ip| ip.parse().ok()).ok_or(NO_HOST)?;
        return Ok(format!("[{ip}]"));
    }
    // Almost all are, and take a tenth of the time without the tables of Unicode.
    let lower =
        if host.is_ascii() { host.to_ascii_lowercase() } else { host.to_lowercase().replace(DOTS, ".") };
    // The root of the name system may be written or not.
    let lower = lower.strip_suffix('.').unwrap_or(&lower);
    let host = if lower.is_ascii() {
        lower.split('.').try_for_each(ascii_label).map(|()| lower.to_owned())?
    } else {
        lower.split('.').map(label).collect::<Result<Vec<_>, _>>()?.join(".")
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    let numeric = last.starts_with("0x") || last.bytes().all(|byte| byte.is_ascii_digit());
    match host.len() {
        1..=LONGEST_HOST if !numeric || host.parse::<Ipv4Addr>().is_ok() => Ok(host),
        _ => Err(NO_HOST),
    }
}

const NO_HOST: &str = "names no host";

/// The longest part of a host's name (RFC 1035, section 2.3.4).
const LONGEST_LABEL: usize = 63;

fn ascii_label(label: &str) -> Result<(), &'static str> {
    let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    let is_label = (1..=LONGEST_LABEL).contains(&label.len()) && label.bytes().all(fits);
    if is_label { Ok(()) } else { Err(NO_HOST) }
}

/// One part of a host's name, in the form that the name system knows (RFC 5891, section 4.4).
fn label(label: &str) -> Result<String, &'static str> {
    if label.is_ascii() {
        return ascii_label(label).map(|()| label.to_owned());
    }
    let fits = |c: char| if c.is_ascii() { matches!(c, 'a'..='z' | '0'..='9' | '-' | '_') } else { true };
    if !label.chars().all(fits) {
        return Err(NO_HOST);
    }
    // Anything else, an accent that stands for itself for one, needs the tables of Unicode.
    let encoded = if label.chars().all(|c| c.is_alphanumeric() || c == '-') { punycode(label) } else { None };
    let encoded = encoded.map(|encoded| format!("xn--{encoded}")).filter(|name| name.len() <= LONGEST_LABEL);
    encoded.ok_or("names a host in letters that are not understood here; write it in its form with xn--")
}

/// RFC 3492, section 6.3, with the parameters of section 5.
fn punycode(label: &str) -> Option<String> {
    let (mut next, mut delta, mut bias) = (128_u32, 0_u32, 72_u32);
    let mut encoded: String = label.chars().filter(char::is_ascii).collect();
    let basic = u32::try_from(encoded.len()).ok()?;
    let mut handled = basic;
    if basic > 0 {
        encoded.push('-');
    }
    let total = u32::try_from(label.chars().count()).ok()?;
    while handled < total {
        let smallest = label.chars().map(u32::from).filter(|c| *c >= next).min()?;
        delta = delta.checked_add((smallest - next).checked_mul(handled + 1)?)?;
        next = smallest;
        for c in label.chars().map(u32::from) {
            if c < next {
                delta = delta.checked_add(1)?;
            } else if c == next {
                integer(delta, bias, &mut encoded);
                bias = adapted(delta, handled + 1, handled == basic);
                (delta, handled) = (0, handled + 1);
            }
        }
        (delta, next) = (delta + 1, next + 1);
    }
    Some(encoded)
}

/// A number in digits of a base that changes with the place (RFC 3492, section 3.3).
fn integer(mut number: u32, bias: u32, to: &mut String) {
    let digit = |value: u32| char::from(b"abcdefghijklmnopqrstuvwxyz0123456789"[value as usize]);
    for place in (36_u32..).step_by(36) {
        let threshold = place.saturating_sub(bias).clamp(1, 26);
        if number < threshold {
            break;
        }
        to.push(digit(threshold + (number - threshold) % (36 - threshold)));
        number = (number - threshold) / (36 - threshold);
    }
    to.push(digit(number));
}

/// RFC 3492, section 6.1.
fn adapted(delta: u32, count: u32, is_first: bool) -> u32 {
    let mut delta = if is_first { delta / 700 } else { delta / 2 };
    delta += delta / count;
    let mut bias = 0;
    while delta > 35 * 26 / 2 {
        delta /= 35;
        bias += 36;
    }
    bias + 36 * delta / (delta + 38)
}

/// The path, without slashes at its end and without steps.
fn path_of(path: &str) -> Result<String, &'static str> {
    if path.contains(['?', '#']) {
        return Err("has a query or a fragment, which no base address has");
    }
    if path.contains(['\\', '"', '<', '>', '`', '{', '}', '|', '^']) {
        return Err("contains a character that no address may have");
    }
    let mut steps: Vec<&str> = Vec::new();
    for step in path.split('/').skip(1) {
        match step {
            "." => {}
            ".." => drop(steps.pop()),
            step => steps.push(step),
        }
    }
    let mut written = String::new();
    for step in steps {
        written.push('/');
        for byte in step.bytes() {
            if byte.is_ascii() { written.push(char::from(byte)) } else { written += &format!("%{byte:02X}") }
        }
    }
    written.truncate(written.trim_end_matches('/').len());
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_one_spelling() {
        for text in [
            "https://a.test/api",
            "HTTPS://A.TEST/api",
            "https://a.test:443/api/",
            "https://a.test:/api//",
            "https://a.test:0443/api",
            "https://A.test./api",
            "  https://a.test/api\r\n",
            "\u{feff}https://a.test/api",
            "\"https://a.test/api\"",
            "<https://a.test/api>",
            "https://a.test/./x/../api",
            "a.test/api",
            "A.Test:443/api/",
        ] {
            assert_eq!(read(text).as_deref(), Ok("https://a.test/api"), "{text:?}");
            assert!(same(text, "https://a.test/api"), "{text:?}");
        }
        for (text, spelled) in [
            ("https://A.test/API", "https://a.test/API"),
            ("https://a.test:8443/", "https://a.test:8443"),
            ("http://LOCALHOST:80/x", "http://localhost/x"),
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
            ("https://[::1]:443/", "https://[::1]"),
            ("https://[2001:DB8:0:0::1]:8443", "https://[2001:db8::1]:8443"),
            ("localhost:8000", "https://localhost:8000"),
            ("https://host/api", "https://host/api"),
            ("https://a_b.test/a@b", "https://a_b.test/a@b"),
            ("https://a.test/grün", "https://a.test/gr%C3%BCn"),
            ("https://a.test/a//b", "https://a.test/a//b"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(spelled), "{text:?}");
            assert_eq!(read(spelled).as_deref(), Ok(spelled));
        }
    }

    #[test]
    fn a_name_in_other_letters_is_the_one_that_the_name_system_knows() {
        for (text, spelled) in [
            ("https://Bücher.example", "https://xn--bcher-kva.example"),
            ("https://münchen.test/api", "https://xn--mnchen-3ya.test/api"),
            ("https://例え。テスト", "https://xn--r8jz45g.xn--zckzah"),
            ("https://пример.испытание", "https://xn--e1afmkfd.xn--80akhbyknj4f"),
            ("https://faß.de", "https://xn--fa-hia.de"),
            ("https://XN--bcher-kva.example", "https://xn--bcher-kva.example"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(spelled), "{text}");
        }
        assert!(read("https://bu\u{308}cher.example").unwrap_err().contains("xn--"));
    }

    #[test]
    fn what_is_in_doubt_is_refused_with_what_is_odd() {
        for (text, odd) in [
            ("", "empty"),
            (" \n", "empty"),
            ("https://", "no host"),
            ("https:///api", "no host"),
            ("https:a.test", "port"),
            ("https:/a.test", "https://"),
            ("https//a.test", "https://"),
            ("no address", "blank"),
            ("https://a.test/api https://b.test", "blank"),
            ("https://a.te\nst", "blank"),
            ("production", "is not a full host name"),
            ("ftp://a.test", "https://"),
            ("https://https://a.test", "once"),
            ("https://a.test:x", "port"),
            ("https://a.test:65536", "port"),
            ("https://a.test:0", "port"),
            ("https://::1/api", "port"),
            ("https://[::1", "port"),
            ("https://[::1]x", "no host"),
            ("https://[fe80::1%25eth0]", "no host"),
            ("https://1.2.3", "no host"),
            ("https://0x7f.1", "no host"),
            ("https://256.1.1.1", "no host"),
            ("https://a..test", "no host"),
            ("https://a%2etest", "no host"),
            ("https://*.a.test", "no host"),
            ("https://a.test/api?x=1", "query"),
            ("https://a.test/#/login", "query"),
            ("https:\\\\a.test", ""),
            ("https://a.test\\@b.test", "character"),
            ("https://a.test/{id}", "character"),
            ("$AUTHORITY", ""),
        ] {
            let told = read(text).expect_err(text);
            assert!(told.contains(odd), "{text}: {told}");
        }
    }

    #[test]
    fn an_address_that_names_a_user_is_refused_however_it_is_written() {
        for text in [
            "https://ada:x@a.test",
            "https://ada@a.test/api",
            "ada:x@a.test/api",
            "https:/ada:x@a.test",
            "https:///ada:x@a.test",
            "https:ada:x@a.test",
            "https:\\\\ada:x@a.test",
            "HTTPS://ADA:X@a.test",
        ] {
            assert_eq!(read(text), Err(NAMES_USER), "{text}");
        }
    }

    #[test]
    fn what_was_recorded_and_would_be_refused_today_stays_as_it_was() {
        assert_eq!(recorded("HTTPS://A.test:443/api/"), "https://a.test/api");
        assert_eq!(recorded("https://a.test/api?tenant=1"), "https://a.test/api?tenant=1");
        assert_eq!(recorded(""), "");
        assert!(!same("https://a.test/api", "https://b.test/api") && !same("", "https://a.test"));
        assert!(!same("http://a.test", "https://a.test") && !same("https://a.test:444", "https://a.test"));
    }
}
