//! The provider's description of itself (OIDC Discovery; RFC 8414), kept so that a renewal needs one request,
//! and goes on while the description alone cannot be fetched.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use seqera_agent_proto::values::address;
use serde::Deserialize;
use url::Url;

use crate::clock::{Clock, Moment};
use crate::error::{AgentError, ErrorKind};
use crate::foreign::Exact;
use crate::network::is_loopback;
use crate::outcome::{Outcome, Why};
use crate::profile::Profile;
use crate::providers::NoAccess;
use crate::providers::http::{Fault, Http, Reply};

/// A description is used so long without a look at the provider. Endpoints move rarely, and a provider that
/// moves them serves the old ones for a while.
const FRESH: Duration = Duration::from_secs(3600);

const NOT_FOUND: u16 = 404;

/// Both hosts of Seqera Cloud serve one API, and either may be named as the issuer.
const CLOUD: [&str; 2] = ["https://api.cloud.seqera.io", "https://cloud.seqera.io/api"];

/// Where something of an authority lies.
type Address = fn(authority: &str) -> Result<Url, url::ParseError>;

/// Between host and path of the issuer (RFC 8414, section 3.1).
pub(in crate::providers) fn by_rfc_8414(authority: &str) -> Result<Url, url::ParseError> {
    let mut url = Url::parse(authority)?;
    let path = format!("/.well-known/oauth-authorization-server{}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

/// What differs between the kinds of provider that speak OAuth 2.0.
pub(in crate::providers) struct Dialect {
    /// Where the description of an authority lies.
    pub(in crate::providers) description: Address,
    /// Where a second description may lie, which may offer a revocation that the first one does not.
    pub(in crate::providers) also: Option<Address>,
    /// What a provider of this kind is called; completes "is no …".
    pub(in crate::providers) provider: &'static str,
    /// What its description is called; completes "is not …".
    pub(in crate::providers) document: &'static str,
    /// What a login asks for; empty: nothing in particular.
    pub(in crate::providers) scope: fn(&Profile) -> String,
    /// What a person can do where there is no sign-in on another device.
    pub(in crate::providers) without_device: &'static str,
}

/// What the agent needs of the description.
#[derive(Debug, Clone)]
pub(in crate::providers) struct Metadata {
    pub(super) issuer: String,
    pub(super) authorization_endpoint: Url,
    pub(super) token_endpoint: Url,
    pub(super) revocation_endpoint: Option<Url>,
    /// RFC 8628, section 4.
    pub(super) device_endpoint: Option<Url>,
    pub(super) jwks_uri: Option<Url>,
    /// OIDC Core, section 5.3. One that cannot be used counts as none: a login does not need it.
    pub(super) user_info_endpoint: Option<Url>,
    /// Of ID tokens, as the provider names them.
    pub(super) signing_algs: Vec<String>,
    /// The provider puts `iss` into its authorization answers (RFC 9207, section 3).
    pub(super) announces_iss: bool,
}

/// Why there is no description, for a person who signs in.
pub(super) fn told<T>(failure: Outcome<T>, authority: &str) -> Result<T, AgentError> {
    match failure {
        Outcome::Granted(described) => Ok(described),
        Outcome::Transient(why, _) | Outcome::Unknown(why) => Err(unreachable(authority, why)),
        Outcome::Rejected(why) | Outcome::Misconfigured(why) | Outcome::Unclear(why) => {
            Err(misconfigured(why))
        }
    }
}

/// The authority cannot be reached while somebody signs in.
pub(in crate::providers) fn unreachable(authority: &str, why: impl Into<Why>) -> AgentError {
    let why = why.into();
    let hint = why.hint_or("check the network and the authority, then run '{again}' again");
    AgentError::new(ErrorKind::Unreachable, format!("{authority} cannot be reached: {why}"), hint)
}

/// A login was granted, and brought no access token that can be served.
pub(in crate::providers) fn without_access(authority: &str, why: &NoAccess) -> AgentError {
    match why {
        NoAccess::Missing(why) => unreachable(authority, why.as_str()),
        NoAccess::Odd(_) => {
            let hint = "whoever runs the provider has to fix that; nothing was changed here";
            AgentError::new(ErrorKind::Misconfigured, format!("{authority}: {why}"), hint)
        }
    }
}

/// Something about authority or client is wrong.
pub(super) fn misconfigured(why: impl Into<Why>) -> AgentError {
    let why = why.into();
    let hint = "check the authority (--authority, SEQERA_AUTH_DOMAIN; a Platform's is https://<host>/api) \
                and the client id (SEQERA_AUTH_CLI_CLIENT_ID)";
    AgentError::new(ErrorKind::Misconfigured, why.to_string(), why.hint_or(hint))
}

/// The person or the provider said no.
pub(super) fn denied(why: &str) -> AgentError {
    AgentError::new(ErrorKind::LoginDenied, why, "run '{again}' again; nothing was changed")
}

/// Both name one issuer: equal but for a slash at the end, or the two hosts of Seqera Cloud.
pub(super) fn same_issuer(a: &str, b: &str) -> bool {
    let (a, b) = (bare(a), bare(b));
    a == b || (CLOUD.contains(&a) && CLOUD.contains(&b))
}

/// True if a description that calls itself `issuer` is the one of `authority`. A provider may write its host in
/// capitals or its usual port, and then does so in all that it signs: from here on the issuer's own spelling counts,
/// character by character. The path has one spelling alone.
fn is_of(issuer: &str, authority: &str) -> bool {
    let spelled = |text: &str| {
        let from = text.find("://").map_or(0, |at| at + "://".len());
        let (origin, path) = text.split_at(text[from..].find('/').map_or(text.len(), |at| from + at));
        address::read(origin).map(|origin| origin + path)
    };
    match (spelled(issuer), spelled(authority)) {
        (Ok(issuer), Ok(authority)) => same_issuer(&issuer, &authority),
        _ => same_issuer(issuer, authority),
    }
}

fn bare(issuer: &str) -> &str {
    issuer.strip_suffix('/').unwrap_or(issuer)
}

/// As it is sent (OIDC Discovery, section 3; RFC 8414, section 2).
#[derive(Deserialize)]
struct Document {
    issuer: Exact,
    authorization_endpoint: Exact,
    token_endpoint: Exact,
    revocation_endpoint: Option<Exact>,
    device_authorization_endpoint: Option<Exact>,
    jwks_uri: Option<Exact>,
    userinfo_endpoint: Option<Exact>,
    #[serde(default)]
    id_token_signing_alg_values_supported: Vec<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// What a second description is asked for.
#[derive(Deserialize)]
struct Second {
    issuer: Exact,
    revocation_endpoint: Option<Exact>,
}

/// The description of one authority.
pub(super) struct Discovery {
    http: Http,
    clock: Arc<dyn Clock>,
    authority: String,
    dialect: &'static Dialect,
    /// Never held across an await: two fetches at once cost a request and do no harm.
    kept: Mutex<Option<(Moment, Arc<Metadata>)>>,
}

impl Discovery {
    pub(super) fn new(http: Http, clock: Arc<dyn Clock>, authority: &str, dialect: &'static Dialect) -> Self {
        Self { http, clock, authority: bare(authority).to_owned(), dialect, kept: Mutex::new(None) }
    }

    /// The last good description, however old.
    pub(super) fn last_good(&self) -> Option<Arc<Metadata>> {
        Some(self.kept()?.1)
    }

    /// A fresh description, or the last good one while the provider cannot be asked.
    pub(super) async fn metadata(&self) -> Outcome<Arc<Metadata>> {
        let kept = self.kept();
        if let Some((at, metadata)) = &kept
            && self.clock.now().since(*at) < FRESH
        {
            return Outcome::Granted(metadata.clone());
        }
        match (self.fetch().await, kept) {
            (Outcome::Granted(metadata), _) => {
                let metadata = Arc::new(metadata);
                let entry = (self.clock.now(), metadata.clone());
                *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(entry);
                Outcome::Granted(metadata)
            }
            (Outcome::Transient(why, _), Some((_, metadata))) => {
                tracing::debug!(authority = self.authority, %why, "discovery fails, the last one is used");
                Outcome::Granted(metadata)
            }
            (failure, _) => failure.map(Arc::new),
        }
    }

    /// True if the authority answers that it has no description.
    pub(super) async fn is_missing(&self) -> bool {
        let Ok(url) = (self.dialect.description)(&self.authority) else { return false };
        self.http.fetch(&url, None).await.is_ok_and(|reply| reply.status == NOT_FOUND)
    }

    fn kept(&self) -> Option<(Moment, Arc<Metadata>)> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where tokens are revoked; `None`: no description of the provider names such a place.
    pub(super) async fn revocation_endpoint(&self) -> Outcome<Option<Url>> {
        let metadata = match self.metadata().await.granted() {
            Ok(metadata) => metadata,
            Err(failure) => return failure,
        };
        match (&metadata.revocation_endpoint, self.dialect.also) {
            (Some(endpoint), _) => Outcome::Granted(Some(endpoint.clone())),
            (None, None) => Outcome::Granted(None),
            (None, Some(also)) => self.second(also).await,
        }
    }

    /// The revocation endpoint in the second description. One that is missing or another issuer's offers none.
    async fn second(&self, address: Address) -> Outcome<Option<Url>> {
        let reply = match self.ask(address).await.granted() {
            Ok((_, reply)) => reply,
            Err(failure) => return failure,
        };
        let second: Option<Second> = if reply.is_success() { reply.json() } else { None };
        let ours = second.filter(|second| same_issuer(second.issuer.verbatim(), &self.authority));
        let told = ours.and_then(|ours| ours.revocation_endpoint);
        let endpoint = told.map(|told| self.endpoint("revocation_endpoint", &told)).transpose();
        endpoint.map_or_else(Outcome::Misconfigured, Outcome::Granted)
    }

    /// Asks for a description. Fails where there is no answer, or one that may be better later.
    async fn ask(&self, address: Address) -> Outcome<(Url, Reply)> {
        let url = match address(&self.authority) {
            Ok(url) => url,
            Err(error) => return Outcome::Misconfigured(self.wrong(&format!("is not a URL: {error}"))),
        };
        match self.http.fetch(&url, None).await {
            Ok(reply) if reply.is_transient() => {
                let why = format!("discovery answered with status {}", reply.status);
                Outcome::Transient(why.into(), reply.retry_after)
            }
            Ok(reply) => Outcome::Granted((url, reply)),
            // A question that spends nothing: whether it arrived makes no difference.
            Err(Fault::NotSent(why) | Fault::Unanswered(why)) => Outcome::Transient(why, None),
            Err(Fault::Misconfigured(why)) => Outcome::Misconfigured(why),
        }
    }

    async fn fetch(&self) -> Outcome<Metadata> {
        let Dialect { description, provider, document, .. } = self.dialect;
        let (url, reply) = match self.ask(*description).await.granted() {
            Ok(answered) => answered,
            Err(failure) => return failure,
        };
        if !reply.is_success() {
            let why = format!("is no {provider}: {url} answered with status {}", reply.status);
            return Outcome::Misconfigured(self.wrong(&why));
        }
        if let Some(why) = reply.cut {
            return Outcome::Transient(why.into(), None);
        }
        let accepted = match reply.json() {
            Some(read) => self.accept(read),
            None => Err(self.wrong(&format!("is no {provider}: {url} is not {document}"))),
        };
        accepted.map_or_else(Outcome::Misconfigured, Outcome::Granted)
    }

    /// OIDC Discovery, section 4.3; RFC 8414, section 3.3: a description that names another issuer is somebody
    /// else's.
    fn accept(&self, document: Document) -> Result<Metadata, Why> {
        if !is_of(document.issuer.verbatim(), &self.authority) {
            return Err(self.wrong(&format!("calls itself {:?}, which is another issuer", document.issuer)));
        }
        let optional = |name, url: Option<Exact>| url.map(|url| self.endpoint(name, &url)).transpose();
        Ok(Metadata {
            authorization_endpoint: self
                .endpoint("authorization_endpoint", &document.authorization_endpoint)?,
            token_endpoint: self.endpoint("token_endpoint", &document.token_endpoint)?,
            revocation_endpoint: optional("revocation_endpoint", document.revocation_endpoint)?,
            device_endpoint: optional(
                "device_authorization_endpoint",
                document.device_authorization_endpoint,
            )?,
            jwks_uri: optional("jwks_uri", document.jwks_uri)?,
            user_info_endpoint: optional("userinfo_endpoint", document.userinfo_endpoint).unwrap_or_default(),
            issuer: document.issuer.verbatim().to_owned(),
            signing_algs: document.id_token_signing_alg_values_supported,
            announces_iss: document.authorization_response_iss_parameter_supported,
        })
    }

    /// An endpoint, or a page for the person, is https, or a loopback address named by a loopback authority.
    pub(super) fn endpoint(&self, name: &str, told: &Exact) -> Result<Url, Why> {
        let url = told.address().map_err(|why| self.wrong(&format!("names a bad {name}: {why}")))?;
        // It would be shown, and what stands before the `@` deceives its reader.
        if !url.username().is_empty() || url.password().is_some() {
            return Err(self.wrong(&format!("names a {name} that contains a user name or a password")));
        }
        let local = || Url::parse(&self.authority).is_ok_and(|authority| is_loopback(&authority));
        if url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url) && local()) {
            return Ok(url);
        }
        Err(self.wrong(&format!("names a {name} that is not https: {told}")))
    }

    fn wrong(&self, what: &str) -> Why {
        format!("{} {what}", self.authority).into()
    }
}

#[cfg(test)]
mod tests {
    use super::{is_of, same_issuer};

    #[test]
    fn issuers_are_equal_but_for_a_slash_and_the_cloud_pair() {
        for (a, b) in [
            ("https://x.test/api", "https://x.test/api"),
            ("https://x.test/api/", "https://x.test/api"),
            ("https://cloud.seqera.io/api", "https://api.cloud.seqera.io"),
            ("https://api.cloud.seqera.io/", "https://cloud.seqera.io/api"),
        ] {
            assert!(same_issuer(a, b), "{a} {b}");
        }
        for (a, b) in [
            ("https://x.test/api", "https://x.test"),
            ("https://x.test/api", "http://x.test/api"),
            ("https://x.test/api//", "https://x.test/api"),
            ("https://X.test/api", "https://x.test/api"),
            ("https://cloud.seqera.io", "https://api.cloud.seqera.io"),
            ("https://cloud.seqera.io/api", "https://x.test/api"),
        ] {
            assert!(!same_issuer(a, b), "{a} {b}");
        }
    }

    #[test]
    fn a_description_is_that_of_its_authority_however_the_provider_spells_its_host() {
        for issuer in [
            "https://x.test/api",
            "https://x.test/api/",
            "https://X.Test/api",
            "HTTPS://x.test/api",
            "https://x.test:443/api",
            "https://x.test./api",
        ] {
            assert!(is_of(issuer, "https://x.test/api"), "{issuer}");
        }
        for issuer in [
            "https://x.test/API",
            "https://x.test/api//",
            "https://x.test/./api",
            "https://x.test:8443/api",
            "http://x.test/api",
            "https://y.test/api",
            "https://u@x.test/api",
            "x.test.y.test/api",
            "",
        ] {
            assert!(!is_of(issuer, "https://x.test/api"), "{issuer}");
        }
    }
}
