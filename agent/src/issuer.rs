//! Who issues tokens: the trait that every kind of provider implements, and the named outcomes by which the
//! rest of the agent decides. A second kind of provider is a new file beside `oidc.rs`, and no `if` elsewhere.

pub mod oidc;
pub mod pat;
pub mod providers;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use url::Url;

use crate::clock::Moment;
use crate::error::AgentError;
use crate::profile::Profile;
use crate::token::{Access, AccessToken, Account, Credential, Kind, Organization, RefreshToken};

/// What came of spending a refresh token.
#[derive(Debug, Clone)]
pub enum Renewal {
    /// A 2xx answer. The refresh token in it is saved before anything else is judged.
    Renewed(Renewed),
    /// Not sent, or 408, 429, 5xx: the old token is still good. With `Retry-After`, where given.
    Transient(String, Option<Duration>),
    /// Sent, and no complete answer came: the old token may be spent or not.
    Unknown(String),
    /// `invalid_grant`: the only answer that ends a session.
    Rejected(String),
    /// `invalid_client`, discovery 404 and the like: somebody has to mend the configuration.
    Misconfigured(String),
    /// 400 or 401 without an error code that we know.
    Unclear(String),
}

/// A renewal that the provider granted.
#[derive(Debug, Clone)]
pub struct Renewed {
    /// Missing: keep the old one (RFC 6749, section 6).
    pub refresh: Option<RefreshToken>,
    /// `refresh_expires_in`, where told and not zero.
    pub refresh_lifetime: Option<Duration>,
    /// What may be served, or why nothing may.
    pub access: Result<Access, Unservable>,
}

/// Why a granted answer is saved and not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unservable {
    /// No usable access token in it. The old one may be served on.
    Odd(String),
    /// The ID token in it names another account or issuer: nothing is served any more.
    OtherAccount(String),
}

/// What the API says of a fixed credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// Good.
    Valid(Account),
    /// 401: it does not work any more.
    Refused,
    /// Anything else, 403 included: no verdict.
    Unsure(String),
}

/// What came of a revocation (RFC 7009).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revocation {
    /// 200, which unknown tokens get as well.
    Revoked,
    /// No revocation endpoint.
    NotOffered,
    /// The provider will not, with its word.
    Refused(String),
    /// Not reached, or 503: worth another try.
    Failed(String),
}

/// What is to be revoked; refresh token first.
#[derive(Debug, Clone, Default)]
pub struct Revocable {
    /// Of a renewable credential.
    pub refresh: Option<RefreshToken>,
    /// The access token, or the fixed credential itself.
    pub access: Option<AccessToken>,
}

/// A login that has begun. Its secrets never leave the agent, apart from what the URL shows.
pub struct Flow {
    /// What the browser opens.
    pub authorization_url: Url,
    /// Where the browser comes back to.
    pub redirect_uri: Url,
    /// Compared in constant time with what comes back.
    pub state: String,
    /// Bound into the ID token (OIDC Core, section 3.1.2.1).
    pub nonce: String,
    /// PKCE (RFC 7636).
    pub code_verifier: String,
    /// The organisation that the person asked for, by id or name; the login fills it in.
    pub organization: Option<String>,
}

/// A request that reached the loopback listener. Its `Host` has been checked.
#[derive(Debug, Clone, Default)]
pub struct CallbackRequest {
    /// `GET`, `POST`, `OPTIONS`.
    pub method: String,
    /// Path and query as sent.
    pub target: String,
    /// Lower-case names.
    pub headers: Vec<(String, String)>,
    /// At most 64 KiB.
    pub body: Vec<u8>,
}

/// An answer of the loopback listener.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// HTTP status code.
    pub status: u16,
    /// Further headers; length and closing are the listener's.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: String,
}

/// What a callback request means.
#[derive(Debug)]
pub enum Callback {
    /// Not the answer (wrong state, favicon, preflight): the login goes on.
    NotYet(Page),
    /// The answer. The page is owed until `finish` has ended.
    Answer(Answer),
    /// `access_denied` or another error of the provider: the login ends.
    Failed(Page, AgentError),
}

/// What the browser brought: an authorization code, or for other providers the token itself.
pub struct Answer(pub secrecy::SecretString);

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answer(redacted)")
    }
}

/// What a finished login gives.
#[derive(Debug, Clone)]
pub struct Granted {
    /// The tokens.
    pub credential: Credential,
    /// Who signed in.
    pub account: Account,
    /// When the request for the tokens was sent: their lives count from here.
    pub sent: Moment,
    /// The one asked for, else the account's first.
    pub organization: Option<Organization>,
    /// Sentences for the person.
    pub notes: Vec<String>,
}

impl Granted {
    /// The tokens, where they would have to be revoked. A fixed credential is the person's own.
    pub fn revocable(&self) -> Option<Revocable> {
        match &self.credential {
            Credential::Fixed { .. } => None,
            Credential::Renewable(grant) => {
                Some(Revocable { refresh: grant.refresh.clone(), access: Some(grant.access.token.clone()) })
            }
        }
    }
}

/// One kind of provider, for one profile. Every method but `callback` and `page` waits on the network.
#[async_trait]
pub trait Issuer: Send + Sync {
    /// Begins a login that comes back to `redirect_uri`.
    async fn start(&self, redirect_uri: &Url) -> Result<Flow, AgentError>;
    /// Judges a request to the loopback listener.
    fn callback(&self, flow: &Flow, request: &CallbackRequest) -> Callback;
    /// The page that ends a login, good or bad.
    fn page(&self, outcome: Result<&Account, &AgentError>) -> Page;
    /// Turns the answer into tokens. Tokens of a login that fails its checks are revoked before it returns.
    async fn finish(&self, flow: Flow, answer: Answer) -> Result<Granted, AgentError>;
    /// Spends the refresh token once; `subject` is who must be in the answer.
    async fn renew(&self, refresh: &RefreshToken, subject: &str) -> Renewal;
    /// Asks whether a token still works.
    async fn check(&self, token: &AccessToken) -> Check;
    /// Revokes what is given, refresh token first.
    async fn revoke(&self, what: &Revocable) -> Revocation;
}

/// Finds the issuer of a profile. The workers know this trait only, so that tests can play the provider.
pub trait Issuers: Send + Sync {
    /// The issuer that a credential of this kind came from.
    fn issuer(&self, profile: &Profile, kind: Kind) -> Arc<dyn Issuer>;
}
