//! One request to the server and what comes back. No redirect is followed: it would take the token elsewhere.

use std::path::Path;
use std::time::{Duration, SystemTime};

use reqwest::header::{ACCEPT, CONTENT_TYPE, DATE, HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, Method, NoProxy, Proxy, Response, Url};
use seqera_client::proto::configuration::Configuration;
use seqera_client::proto::files;
use seqera_client::proto::values::{self, token_file::unix_time};

use crate::events::LARGEST;
use crate::problem::Problem;
use crate::source::Fresh;
use crate::target::is_this_machine;

/// A connection that takes longer will not be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Hundreds of authorities.
const LARGEST_BUNDLE: u64 = 1 << 20;

/// The session at the server, as its headers go out with each request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Session {
    /// `Mcp-Session-Id`; empty: the server keeps none.
    pub(crate) id: String,
    /// `MCP-Protocol-Version`, as `initialize` has settled it; empty before that.
    pub(crate) version: String,
    /// Counts the sessions of this process.
    pub(crate) generation: u64,
    /// Whose it is. It goes with no other account's token, and to no other server.
    pub(crate) owner: Owner,
}

/// Whose a session at a server is: `profile use`, or a sign-in by another name, can change it while the bridge runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Owner {
    profile: String,
    authority: String,
    account: String,
    /// Scheme, host and port of the server.
    origin: String,
}

impl Owner {
    pub(crate) fn of(token: &Fresh, url: &Url) -> Self {
        let (profile, authority, account) =
            (token.profile.clone(), token.authority.clone(), token.account.clone());
        Self { profile, authority, account, origin: url.origin().ascii_serialization() }
    }
}

/// A client for the servers of a profile, which reaches them as `config.json` and the environment say.
pub(crate) fn client(url: &Url, profile: &str, file: &Configuration) -> Result<Client, Problem> {
    let set = |key: &str| file.of_profile(profile, key).or(file.text(key)).filter(|text| !text.is_empty());
    let mut builder = Client::builder()
        .user_agent(concat!("seqera-mcp/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT_LIMIT);
    if is_this_machine(url) {
        builder = builder.no_proxy();
    } else if let Some(proxy) = set("proxy") {
        // The address may hold a password, so no error repeats it; what could be read in two ways is refused.
        let bad = |odd: &str| misconfigured(format!("'proxy' in config.json {odd}"));
        values::proxy::read(proxy).map_err(bad)?;
        let proxy = Proxy::all(proxy).map_err(|_| bad("is no address"))?;
        builder = builder.proxy(proxy.no_proxy(set("noProxy").and_then(NoProxy::from_string)));
    }
    for certificate in certificates(set("caFile"))? {
        builder = builder.add_root_certificate(certificate);
    }
    builder.build().map_err(|error| misconfigured(format!("no request can be made: {}", causes(&error))))
}

fn misconfigured(what: String) -> Problem {
    Problem::new("MISCONFIGURED", 2, what, "")
}

/// Authorities that are trusted besides the system's.
#[expect(clippy::disallowed_methods, reason = "the file beats the variables, which the agent reads as well")]
fn certificates(of_file: Option<&str>) -> Result<Vec<Certificate>, Problem> {
    let variable = |name: &str| std::env::var(name).ok().filter(|path| !path.trim().is_empty());
    if of_file.is_some_and(|path| !Path::new(path.trim()).is_absolute()) {
        // It would be another file in each folder, and a repository has whatever files it wants.
        return Err(misconfigured("'caFile' in config.json must be an absolute path".into()));
    }
    let path = of_file.map(str::to_owned);
    let Some(path) = path.or_else(|| variable("NODE_EXTRA_CA_CERTS")).or_else(|| variable("SSL_CERT_FILE"))
    else {
        return Ok(Vec::new());
    };
    let path = Path::new(path.trim());
    let bundle = files::read_trusted(path, LARGEST_BUNDLE);
    let bundle = bundle.map_err(|error| misconfigured(files::sentence(path, &error)))?;
    let read = Certificate::from_pem_bundle(&bundle);
    read.map_err(|_| misconfigured(format!("{} holds no certificates", path.display())))
}

/// Sends one request with the token. `resume`: the last event that was seen of a stream.
pub(crate) async fn send(
    client: &Client,
    (method, url): (Method, Url),
    (token, session): (&Fresh, &Session),
    body: Option<&str>,
    resume: Option<&str>,
) -> Result<Response, reqwest::Error> {
    let mut headers = HeaderMap::new();
    let both = HeaderValue::from_static("application/json, text/event-stream");
    headers.insert(ACCEPT, if body.is_some() { both } else { HeaderValue::from_static("text/event-stream") });
    let texts = [
        ("mcp-session-id", session.id.as_str()),
        ("mcp-protocol-version", session.version.as_str()),
        ("last-event-id", resume.unwrap_or_default()),
    ];
    for (name, text) in texts {
        if let Ok(value) = HeaderValue::from_bytes(text.as_bytes())
            && !text.is_empty()
        {
            headers.insert(name, value);
        }
    }
    let request = client.request(method, url).headers(headers).bearer_auth(token.secret.as_str());
    let request = match body {
        Some(body) => request.header(CONTENT_TYPE, "application/json").body(body.to_owned()),
        None => request,
    };
    request.send().await
}

/// What an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Json,
    Events,
    /// The name of the type, for people.
    Other,
}

pub(crate) fn kind(response: &Response) -> Kind {
    match content_type(response).as_str() {
        "application/json" => Kind::Json,
        "text/event-stream" => Kind::Events,
        _ => Kind::Other,
    }
}

/// The type alone, without its parameters; empty if none is given.
pub(crate) fn content_type(response: &Response) -> String {
    let given =
        response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// True if the server refuses the token. A 403 counts only once the token is over by the server's own clock: else the
/// account may not do this, and another token of it may neither.
pub(crate) fn refuses(response: &Response, token: &Fresh) -> bool {
    let date = response.headers().get(DATE).and_then(|date| date.to_str().ok()).and_then(http_date);
    match response.status().as_u16() {
        401 => true,
        403 => token.expires_at.zip(date).is_some_and(|(end, date)| end <= date),
        _ => false,
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
fn http_date(text: &str) -> Option<SystemTime> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, rest) = text.split_once(", ")?;
    let words: Vec<&str> = rest.split(' ').collect();
    let [day, month, year, time, "GMT"] = words.as_slice() else { return None };
    let month = MONTHS.iter().position(|name| name == month)? + 1;
    let seconds = unix_time(&format!("{year}-{month:02}-{day}T{time}Z"))?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

/// A body of at most [`LARGEST`] bytes.
pub(crate) async fn text(mut response: Response) -> Result<String, Problem> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(piece)) => body.extend(piece),
            Ok(None) => break,
            Err(error) => return Err(broken(&error)),
        }
        if body.len() > LARGEST {
            return Err(too_large());
        }
    }
    String::from_utf8(body).map_err(|_| Problem::of_server("the server's answer is no text", ""))
}

pub(crate) fn too_large() -> Problem {
    Problem::of_server(format!("the server's message is larger than {} MiB", LARGEST >> 20), "")
}

/// The connection ended before the answer did.
pub(crate) fn broken(error: &reqwest::Error) -> Problem {
    let hint = "the server may have acted on it or not: look before it is repeated";
    Problem::of_server(format!("the connection to the server broke off: {}", causes(error)), hint)
}

/// True if a proxy refuses the user name and the password, or wants them (407). The words are hyper-util's; a test holds
/// it to them.
pub(crate) fn wants_user(error: &reqwest::Error) -> bool {
    error.is_connect() && causes(error).contains("proxy authorization required")
}

/// An error with its causes, without the address, which may have a secret in its query.
pub(crate) fn causes(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text = cause.to_string();
        next = cause.source();
    }
    if text.is_empty() { "no answer".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_of_http_is_read() {
        let at = |text| http_date(text).and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        assert_eq!(at("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::from_secs(784_111_777)));
        for odd in [
            "",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 6 Now 1994 0:0:0 GMT",
        ] {
            assert_eq!(at(odd), None, "{odd}");
        }
    }
}
