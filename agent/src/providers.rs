//! Who issues tokens: the traits that every kind of provider implements, and what passes through them. A further
//! kind of provider is a new file beside `oidc.rs`, its `mod` line here and one in `known.rs`, and no `if` elsewhere.

pub(crate) mod browser;
pub(crate) mod http;
pub(crate) mod known;
pub(crate) mod oauth2;
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

use crate::token::{Organization, Workspace};

pub(crate) use self::browser::{Callback, CallbackRequest, Flow, Landing, Page};
use crate::clock::{Clock, Moment};
use crate::error::{AgentError, ErrorKind};
use crate::foreign::Label;
use crate::outcome::{Outcome, Why};
use crate::profile::{Profile, ProviderId};
use crate::providers::http::Http;
use crate::providers::page::Whose;
use crate::token::{Access, AccessToken, Account, Credential, Kind, Memberships, RefreshToken};

/// What came of spending a refresh token. The one in a 2xx answer is saved before anything else is judged.
pub(crate) type Renewal = Outcome<Renewed>;

/// A renewal that the provider granted.
#[derive(Debug, Clone)]
pub(crate) struct Renewed {
    /// Missing: keep the old one (RFC 6749, section 6).
    pub refresh: Option<RefreshToken>,
    /// How long the refresh token may be held without being used, where told and not zero.
    pub refresh_lifetime: Option<Duration>,
    /// How long the sign-in lasts from now on however often it is used, where told and not zero.
    pub authorization_lifetime: Option<Duration>,
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

impl From<NoAccess> for Unservable {
    fn from(why: NoAccess) -> Self {
        Self::Odd(why.to_string())
    }
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

/// Why an answer with tokens has no access token that can be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoAccess {
    /// There is none in it, or the answer is not whole.
    #[error("{0}")]
    Missing(String),
    /// There is one, and it cannot be used.
    #[error("the access token in the answer cannot be used: {0}")]
    Odd(String),
}

/// The tokens of one answer, before anybody has looked whose they are.
pub(crate) struct Tokens {
    /// What may be served, or why nothing may.
    pub access: Result<Access, NoAccess>,
    /// Missing: none was given.
    pub refresh: Option<RefreshToken>,
    /// How long the refresh token may be held without being used, where told and not zero.
    pub refresh_lifetime: Option<Duration>,
    /// How long the sign-in lasts from now on however often it is used, where told and not zero.
    pub authorization_lifetime: Option<Duration>,
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
    /// The provider's own spelling.
    pub text: Label,
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

/// Why a provider did not say what an account belongs to.
#[derive(Debug)]
pub(crate) enum Untold {
    /// 401: another token of the session may do.
    Refused(AgentError),
    /// Anything else.
    Failed(AgentError),
}

impl From<Untold> for AgentError {
    fn from(untold: Untold) -> Self {
        match untold {
            Untold::Refused(error) | Untold::Failed(error) => error,
        }
    }
}

/// Whose token it is, and what its provider says of itself. Empty: not known, or there is no such thing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Description {
    /// The owner.
    pub account: Account,
    /// What the account belongs to.
    pub organizations: Vec<Organization>,
    /// What could not be asked for, in sentences.
    pub problems: Vec<String>,
    /// The REST API that was asked.
    pub api_url: String,
    /// Co-Scientist's backend.
    pub backend_url: String,
    /// Of the REST API.
    pub api_version: String,
    /// Of the installation.
    pub version: String,
}

/// An address of a provider that shows whether it can be reached, for somebody who looks for a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Probe {
    /// What is asked: `authority`, `API`.
    pub what: &'static str,
    /// Answered without a token.
    pub url: String,
    /// What an answer other than 2xx means.
    pub otherwise: Otherwise,
}

/// What an unsuccessful answer to a [`Probe`] means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Otherwise {
    /// Nothing: any answer shows that somebody is there.
    Fine,
    /// A part of the provider is missing, with what follows from that.
    Missing(&'static str),
    /// It is not the provider, with what to do.
    Wrong(&'static str),
}

/// How a provider is reached.
pub(crate) struct Means {
    /// By the way of the profile.
    pub http: Http,
    /// Gives the time.
    pub clock: Arc<dyn Clock>,
}

/// One kind of provider: what is taken for granted about all of it, and its issuers.
pub(crate) trait Provider: Sync {
    /// Its name in contract, records and configuration.
    fn id(&self) -> ProviderId;
    /// The profile that is there without anybody having configured it, for a kind of which there is only one.
    fn own_profile(&self) -> Option<&'static str> {
        None
    }
    /// A profile of which nothing is known but its kind.
    fn defaults(&self) -> Profile;
    /// The REST API at an authority, where the profile does not name one; empty: the authority itself.
    fn api_url(&self, _authority: &str) -> String {
        String::new()
    }
    /// The issuer of a profile, for credentials of one kind.
    fn issuer(&self, means: Means, profile: &Profile, kind: Kind) -> Arc<dyn Issuer>;
}

/// The provider of one profile. The methods that are `async` wait on the network. Each refuses by default, so
/// that an implementation says only what it can do.
#[async_trait]
pub(crate) trait Issuer: Send + Sync {
    /// The answer to what this provider cannot do; `what` completes "it offers no …".
    fn refusal(&self, what: &str) -> AgentError {
        let message = format!("this provider offers no {what}");
        AgentError::new(
            ErrorKind::Misconfigured,
            message,
            "'seqera login --help' lists other ways to sign in",
        )
    }
    /// Where the browser of a login comes back to.
    fn landing(&self) -> Landing {
        Landing { path: "/callback", ports: 0..0 }
    }
    /// True where a sign-out leaves the token as it is at the provider, unless the person asks to revoke it.
    fn outlives_sign_out(&self) -> bool {
        false
    }
    /// The authority that was meant, where the one that was given answers that it has nothing of the kind: people
    /// know the host of their Platform, and its authority lies below that. Not asked in a renewal.
    async fn meant(&self) -> Option<String> {
        None
    }
    /// Begins a login in a browser that comes back to `redirect_uri`.
    async fn start(&self, _redirect_uri: &Url) -> Result<Flow, AgentError> {
        Err(self.refusal("login in a browser"))
    }
    /// Begins a login on another device.
    async fn start_device(&self) -> Result<DeviceFlow, AgentError> {
        Err(self.refusal("login on another device"))
    }
    /// Asks once for the tokens of a device login.
    async fn poll(&self, _flow: &DeviceFlow) -> Poll {
        Poll::Ended(self.refusal("login on another device"))
    }
    /// Judges a request to the loopback listener.
    fn callback(&self, _flow: &Flow, _request: &CallbackRequest) -> Callback {
        Callback::NotYet(page::not_found())
    }
    /// The page that ends a login, good or bad.
    fn page(&self, outcome: Result<&Account, &AgentError>, whose: &Whose) -> Page {
        match outcome {
            Ok(account) => page::signed_in(account, whose),
            Err(error) => page::failed(error, whose),
        }
    }
    /// Turns the answer into a session. Tokens of a login that fails its checks are revoked before it returns.
    async fn finish(&self, _answer: Answer) -> Result<Granted, AgentError> {
        Err(self.refusal("login of this kind"))
    }
    /// Spends the refresh token once; `subject` is who must be in the answer.
    async fn renew(&self, _refresh: &RefreshToken, _subject: &str) -> Renewal {
        Renewal::Misconfigured(self.refusal("renewal of this token").to_string().into())
    }
    /// Asks whether a token still works.
    async fn check(&self, _token: &AccessToken) -> Check {
        Check::Unsure(self.refusal("way to check a token").to_string().into())
    }
    /// Revokes what is given, refresh token first.
    async fn revoke(&self, _what: &Revocable) -> Revocation {
        Revocation::Refused(self.refusal("revocation").to_string())
    }
    /// Whose token it is, and what the provider says of itself.
    async fn describe(&self, _token: &AccessToken) -> Result<Description, AgentError> {
        Err(self.refusal("account for a token"))
    }
    /// The organisations of the token's owner.
    async fn organizations(&self, _token: &AccessToken) -> Result<Vec<Organization>, Untold> {
        Err(Untold::Failed(self.refusal("organizations and workspaces")))
    }
    /// The workspaces that the token's owner may use; `user` is the account's id at the Platform, 0 where that
    /// is not known.
    async fn workspaces(&self, _token: &AccessToken, _user: i64) -> Result<Vec<Workspace>, Untold> {
        Err(Untold::Failed(self.refusal("organizations and workspaces")))
    }
    /// What shows whether the provider can be reached, the authority first.
    fn probes(&self) -> Vec<Probe> {
        Vec::new()
    }
}

/// What an account belongs to; `None`: the provider has no such thing, or did not say.
pub(crate) async fn memberships(issuer: &dyn Issuer, token: &AccessToken, user: i64) -> Option<Memberships> {
    let (organizations, workspaces) =
        tokio::join!(issuer.organizations(token), issuer.workspaces(token, user));
    // Without the organisations there is nothing to choose from.
    Some(Memberships { organizations: organizations.ok()?, workspaces: workspaces.ok() })
}

/// Finds the issuer of a profile. The workers know this trait only, so that tests can play the provider.
pub(crate) trait Issuers: Send + Sync {
    /// The issuer that a credential of this kind came from.
    fn issuer(&self, profile: &Profile, kind: Kind) -> Arc<dyn Issuer>;
}
