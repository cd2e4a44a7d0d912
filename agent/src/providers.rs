//! Who issues tokens: the trait that every kind of provider implements, and the named outcomes by which the
//! rest of the agent decides. A second kind of provider is a new file beside `oidc.rs`, and no `if` elsewhere.

pub(crate) mod browser;
pub(crate) mod http;
pub(crate) mod known;
pub(crate) mod oidc;
pub(crate) mod page;
pub(crate) mod pat;
pub(crate) mod platform;
pub(crate) mod scitoolkit;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use url::Url;

pub(crate) use self::browser::{Callback, CallbackRequest, Flow, Landing, Page};
use crate::clock::Moment;
use crate::error::AgentError;
use crate::outcome::{Outcome, Why};
use crate::profile::Profile;
use crate::token::{Access, AccessToken, Account, Credential, Kind, Memberships, RefreshToken};

/// What came of spending a refresh token. The one in a 2xx answer is saved before anything else is judged.
pub(crate) type Renewal = Outcome<Renewed>;

/// A renewal that the provider granted.
#[derive(Debug, Clone)]
pub(crate) struct Renewed {
    /// Missing: keep the old one (RFC 6749, section 6).
    pub refresh: Option<RefreshToken>,
    /// `refresh_expires_in`, where told and not zero.
    pub refresh_lifetime: Option<Duration>,
    /// What may be served, or why nothing may.
    pub access: Result<Access, Unservable>,
    /// `sub` of the ID token, where there is one.
    pub subject: Option<String>,
}

/// Why a granted answer is saved and not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unservable {
    /// No usable access token in it. The old one may be served on.
    Odd(String),
    /// The ID token in it names another account or issuer: nothing is served any more.
    OtherAccount(String),
}

/// What the API says of a fixed credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Check {
    /// Good.
    Valid(Account),
    /// 401: it does not work any more.
    Refused,
    /// Anything else, 403 included: no verdict.
    Unsure(Why),
}

/// What came of a revocation (RFC 7009).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Revocation {
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
pub(crate) struct Revocable {
    /// Of a renewable credential.
    pub refresh: Option<RefreshToken>,
    /// The access token, or the fixed credential itself.
    pub access: Option<AccessToken>,
}

/// The tokens of one answer, before anybody has looked whose they are.
pub(crate) struct Tokens {
    /// What may be served, or why nothing may.
    pub access: Result<Access, String>,
    /// Missing: none was given.
    pub refresh: Option<RefreshToken>,
    /// `refresh_expires_in`, where told and not zero.
    pub refresh_lifetime: Option<Duration>,
    /// As it came, unchecked.
    pub id_token: Option<String>,
}

impl Tokens {
    /// All of them, where they have to be given back.
    pub(crate) fn revocable(&self) -> Revocable {
        let access = self.access.as_ref().ok().map(|access| access.token.clone());
        Revocable { refresh: self.refresh.clone(), access }
    }
}

/// A login on another device that has begun (RFC 8628, section 3.2).
pub(crate) struct DeviceFlow {
    /// For the person.
    pub code: UserCode,
    /// Secret: whoever has it gets the tokens.
    pub device_code: SecretString,
    /// PKCE, which some providers ask for here as well.
    pub code_verifier: String,
    /// The least time between two polls.
    pub interval: Duration,
    /// How long the code can be entered, from when it was asked for.
    pub lifetime: Duration,
}

/// What a person enters on another device, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserCode {
    /// The provider's own spelling, without control characters.
    pub text: String,
    /// Where it is entered.
    pub page: Url,
    /// The same with the code in it.
    pub page_with_code: Option<Url>,
}

/// What came of one poll for the tokens of a device login (RFC 8628, section 3.5).
#[derive(Debug)]
pub(crate) enum Poll {
    /// The person has not decided.
    Pending,
    /// The same, and the polls come too fast.
    SlowDown,
    /// The tokens, and when they were asked for, since their lives count from then; or an answer that may
    /// be another one at the next poll. `Rejected`: the device code is unknown, or was spent by a poll whose
    /// answer was lost.
    Answered(Outcome<(Box<Tokens>, Moment)>),
    /// Denied, expired, refused, or granted in an answer that cannot be read: the login ends.
    Ended(AgentError),
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(redacted)")
    }
}

/// What ends the person's part of a login.
pub(crate) enum Answer {
    /// What a browser brought, and the flow that it belongs to.
    Code(SecretString, Box<Flow>),
    /// What the last poll of a device login brought, and when it was sent.
    Tokens(Box<Tokens>, Moment),
    /// A token that the person brought, and when.
    Given(AccessToken, Moment),
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answer(redacted)")
    }
}

/// What a finished login gives.
#[derive(Debug, Clone)]
pub(crate) struct Granted {
    /// The tokens.
    pub credential: Credential,
    /// Who signed in.
    pub account: Account,
    /// When the request for the tokens was sent: their lives count from here.
    pub sent: Moment,
    /// What the account belongs to; `None`: the provider has no such thing, or did not tell.
    pub memberships: Option<Memberships>,
    /// Sentences for the person.
    pub notes: Vec<String>,
}

impl Granted {
    /// The tokens, where they would have to be revoked. One that the person brought is the person's own.
    pub(crate) fn revocable(&self) -> Option<Revocable> {
        match &self.credential {
            Credential::Fixed { minted: false, .. } => None,
            Credential::Fixed { token, .. } => Some(Revocable { refresh: None, access: Some(token.clone()) }),
            Credential::Renewable(grant) => {
                Some(Revocable { refresh: grant.refresh.clone(), access: Some(grant.access.token.clone()) })
            }
        }
    }
}

/// One kind of provider, for one profile. The methods that are `async` wait on the network.
#[async_trait]
pub(crate) trait Issuer: Send + Sync {
    /// Where the browser of a login comes back to.
    fn landing(&self) -> Landing;
    /// True where a sign-out leaves the token as it is at the provider, unless the person asks to revoke it.
    fn outlives_sign_out(&self) -> bool;
    /// Begins a login in a browser that comes back to `redirect_uri`.
    async fn start(&self, redirect_uri: &Url) -> Result<Flow, AgentError>;
    /// Begins a login on another device; `MISCONFIGURED` where the provider offers none.
    async fn start_device(&self) -> Result<DeviceFlow, AgentError>;
    /// Asks once for the tokens of a device login.
    async fn poll(&self, flow: &DeviceFlow) -> Poll;
    /// Judges a request to the loopback listener.
    fn callback(&self, flow: &Flow, request: &CallbackRequest) -> Callback;
    /// The page that ends a login, good or bad.
    fn page(&self, outcome: Result<&Account, &AgentError>) -> Page;
    /// Turns the answer into a session. Tokens of a login that fails its checks are revoked before it returns.
    async fn finish(&self, answer: Answer) -> Result<Granted, AgentError>;
    /// Spends the refresh token once; `subject` is who must be in the answer.
    async fn renew(&self, refresh: &RefreshToken, subject: &str) -> Renewal;
    /// Asks whether a token still works.
    async fn check(&self, token: &AccessToken) -> Check;
    /// Revokes what is given, refresh token first.
    async fn revoke(&self, what: &Revocable) -> Revocation;
}

/// Finds the issuer of a profile. The workers know this trait only, so that tests can play the provider.
pub(crate) trait Issuers: Send + Sync {
    /// The issuer that a credential of this kind came from.
    fn issuer(&self, profile: &Profile, kind: Kind) -> Arc<dyn Issuer>;
}
