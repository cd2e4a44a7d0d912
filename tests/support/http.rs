//! A small, blocking HTTP/1.1 client for loopback addresses, with one request per connection. The tests use
//! it to act as a browser and to read statistics, so it does nothing more.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use serde_json::Value;

/// Longer than any answer takes, unless it is meant to hang.
const LIMIT: Duration = Duration::from_secs(60);

/// A response.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Names in lower case, in the order they arrived.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
}

impl Reply {
    /// The first header with this name, which must be in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

/// `GET` with extra headers.
#[track_caller]
pub fn get(url: &str, headers: &[(&str, &str)]) -> Reply {
    request("GET", url, headers, "").unwrap_or_else(|error| panic!("GET {url}: {error}"))
}

/// `POST` of a JSON value.
#[track_caller]
pub(crate) fn post_json(url: &str, value: &Value) -> Reply {
    let headers = [("content-type", "application/json")];
    let reply = request("POST", url, &headers, &value.to_string());
    reply.unwrap_or_else(|error| panic!("POST {url}: {error}"))
}

/// Any request. A `host` among the headers replaces the real one.
///
/// # Errors
///
/// If the connection fails, or the response is not HTTP.
///
/// # Panics
///
/// If the address is not on this machine, because tests never leave it.
pub fn request(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> std::io::Result<Reply> {
    let (host, path) = split(url);
    let address = loopback(host)?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "host") {
        head += &format!("host: {host}\r\n");
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&answer).ok_or_else(|| std::io::Error::other(format!("no HTTP answer: {} bytes", answer.len())))
}

/// Host with port, and path with query, of `http://host:port/path?query`.
pub fn split(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("http://").unwrap_or_else(|| panic!("not a plain http address: {url}"));
    let rest = rest.split('#').next().unwrap_or(rest);
    match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    }
}

/// Percent-encodes everything that is not unreserved (RFC 3986, section 2.3).
pub fn encode(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|b| if keep(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// The reverse of [`encode`].
pub fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = text_hex(tail).filter(|_| *first == b'%');
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn text_hex(tail: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(tail.get(..2)?).ok()?, 16).ok()
}

fn loopback(host: &str) -> std::io::Result<SocketAddr> {
    let address = host.to_socket_addrs()?.next().ok_or(std::io::ErrorKind::AddrNotAvailable)?;
    assert!(is_loopback(address.ip()), "tests stay on this machine: {host}");
    Ok(address)
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.is_loopback()
}

fn parse(answer: &[u8]) -> Option<Reply> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    let headers: Vec<_> = lines.filter_map(header).collect();
    let body = &answer[end + 4..];
    let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = if chunked { unchunk(body)? } else { body.to_vec() };
    Some(Reply { status, headers, body: String::from_utf8_lossy(&body).into_owned() })
}

/// Removes the chunk sizes (RFC 9112, section 7.1).
fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(&rest[..end]).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(end + 2..end + 2 + size)?);
        rest = rest.get(end + 2 + size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::{decode, encode, parse, split};

    #[test]
    fn an_answer_in_chunks_is_put_together() {
        let reply =
            parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n");
        let reply = reply.expect("it is HTTP");
        assert_eq!((reply.status, reply.body.as_str()), (200, "abcde"));
        assert_eq!(reply.header("transfer-encoding"), Some("chunked"));
    }

    #[test]
    fn an_answer_that_is_cut_off_in_its_head_is_none() {
        assert!(parse(b"HTTP/1.1 200 OK\r\nContent-").is_none());
    }

    #[test]
    fn encoding_can_be_undone() {
        assert_eq!(encode("ada@sandbox.test"), "ada%40sandbox.test");
        assert_eq!(decode("ada%40sandbox.test%"), "ada@sandbox.test%");
    }

    #[test]
    fn an_address_is_split_into_host_and_path() {
        assert_eq!(split("http://127.0.0.1:80/a?b#c"), ("127.0.0.1:80", "/a?b"));
        assert_eq!(split("http://[::1]:80"), ("[::1]:80", "/"));
    }
}
