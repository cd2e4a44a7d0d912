//! The calls.

mod choices;
mod diagnose;
mod imports;
mod leases;
mod token_files;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use prost::Message;
use seqera_agent_proto::call::Method;
use seqera_agent_proto::methods::{control, sessions, tokens};
use seqera_agent_proto::place;
use seqera_agent_proto::v1::{self, describe_request::Subject, logout_request::Target};

use crate::connect;
use crate::error::Error;
use crate::options::Options;
use crate::reply::Reply;
use crate::route::{Call, Route};
use crate::stream::{Events, Watch};
use crate::token::Token;

/// A prompt of the keychain may stay open for 60 s while a token is imported; the agent's manual has it under storage, "Calls that may hang".
const IMPORT: Duration = Duration::from_secs(90);

/// The agent saves a running renewal before it goes, up to 20 s; the agent's manual has it under socket, "Stopping".
const STOP: Duration = Duration::from_secs(25);

/// What a caller wants of a token.
#[derive(Clone, Default)]
pub struct Want {
    /// The least remaining life; `None`: whatever is fresh.
    pub min_valid: Option<Duration>,
    /// A token that the API refused with 401. It is not sent to the agent, only its hash.
    pub rejected: Option<String>,
}

impl fmt::Debug for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { min_valid, rejected } = self;
        f.debug_struct("Want").field("min_valid", min_valid).field("rejected", &rejected.is_some()).finish()
    }
}

/// A client of the agent, for the profile of its [`Options`]. Connects at the first call, starts an agent
/// where none listens, and connects again when the connection was lost. All calls may run at once.
///
/// # Errors
/// Every call can fail on its way: with [`Error::NoAgent`], [`Error::NobodyAtChosen`], [`Error::NoProgram`]
/// or [`Error::NotStarted`] where no agent runs and none could be started, with [`Error::Distrusted`] or
/// [`Error::Unreachable`] where the one that there is cannot be used, with [`Error::TimedOut`] after the
/// deadline of the [`Options`], with [`Error::Lost`] where the agent ends meanwhile, and with
/// [`Error::Misunderstood`] where its version is another one. What the agent refuses is [`Error::Refused`];
/// each method names the reasons of its own.
#[derive(Debug)]
pub struct Client {
    route: Route,
}

impl Client {
    /// Connects to nothing yet.
    pub fn new(options: Options) -> Self {
        Self { route: Route::new(options) }
    }

    /// The id under which the agent's log knows the calls of this client.
    pub fn request_id(&self) -> &str {
        &self.route.request_id
    }

    /// Where the agent listens, or would listen. No connection is made.
    pub fn expected_socket(&self) -> Option<PathBuf> {
        connect::expected_socket(&self.route.options.places)
    }

    /// An access token; waits for a renewal where one is needed.
    ///
    /// # Errors
    /// Beside [those of every call](Client#errors): `SIGNED_OUT` and `LOGIN_EXPIRED` where there is no
    /// session, `OTHER_HOST` where it belongs to another host, `ISSUER_UNREACHABLE` where no valid token is
    /// left and none can be had now, `UNKNOWN_PROFILE`, `AUTHORITY_MISMATCH`, `MISCONFIGURED`, and
    /// `STORE_FAILED` or `KEYCHAIN_LOCKED` where the secrets cannot be read.
    pub async fn token(&self, want: Want) -> Result<Token, Error> {
        let message = v1::GetAccessTokenRequest {
            profile: self.profile(),
            authority: self.authority(),
            min_valid: want.min_valid.and_then(|least| prost_types::Duration::try_from(least).ok()),
            rejected_sha256: want.rejected.as_deref().map(place::token_sha256).unwrap_or_default(),
        };
        Ok(self.ask(tokens::GET_ACCESS_TOKEN, message).await?.into())
    }

    /// The current token, then each new one and each sign-out.
    ///
    /// # Errors
    /// Beside [those of every call](Client#errors): `UNKNOWN_PROFILE`, `AUTHORITY_MISMATCH`. That there is no
    /// session is no error: see [`Change::SignedOut`](crate::Change::SignedOut).
    pub async fn watch(&self) -> Result<Watch, Error> {
        let message = v1::WatchAccessTokenRequest { profile: self.profile(), authority: self.authority() };
        let call = Call::open_ended().repeatable();
        Ok(Watch(self.route.open(call, tokens::WATCH_ACCESS_TOKEN, message).await?))
    }

    /// Who is signed in, from the agent's memory.
    ///
    /// # Errors
    /// Beside [those of every call](Client#errors): `UNKNOWN_PROFILE`, `AUTHORITY_MISMATCH`. Being signed out
    /// is a state, not an error.
    pub fn status(&self) -> Reply<'_, v1::SessionStatus> {
        let message = v1::StatusRequest { profile: self.profile(), authority: self.authority() };
        self.ask(sessions::STATUS, message)
    }

    /// Every profile the agent knows, from its memory.
    pub fn list(&self) -> Reply<'_, v1::ListResponse> {
        self.ask(sessions::LIST, v1::ListRequest {})
    }

    /// Signs in with a browser or on another device. An empty profile in the message means the client's own.
    ///
    /// # Errors
    /// [Those of every call](Client#errors). How the login itself fails, such as with `LOGIN_DENIED` or
    /// `LOGIN_TIMED_OUT`, comes from [`Events::next`].
    pub async fn login(&self, mut message: v1::LoginRequest) -> Result<Events<v1::LoginEvent>, Error> {
        if message.profile.is_empty() {
            message.profile = self.profile();
        }
        self.route.open(Call::open_ended(), sessions::LOGIN, message).await
    }

    /// Hands the running login of a profile the address that its browser ended on, as a person pasted it.
    ///
    /// # Errors
    /// Beside [those of every call](Client#errors): `BAD_REQUEST` for another answer than the right one, and
    /// the login goes on.
    pub async fn complete_login(&self, profile: &str, answer: &str) -> Result<(), Error> {
        let message = v1::CompleteLoginRequest { profile: profile.to_owned(), answer: answer.to_owned() };
        let call = Call::within(self.route.options.deadline);
        self.route.ask(call, sessions::COMPLETE_LOGIN, message).await.map(drop)
    }

    /// Signs in with a personal access token, which is checked at the Platform before it is kept. An empty
    /// organisation lets the agent choose, as at any login.
    ///
    /// # Errors
    /// Beside [those of every call](Client#errors): `LOGIN_EXPIRED` for a token that the Platform refuses,
    /// `BAD_REQUEST` for one of another kind, `ISSUER_UNREACHABLE`, `MISCONFIGURED`, `STORE_FAILED`,
    /// `KEYCHAIN_LOCKED`.
    pub fn import_token(
        &self,
        settings: v1::ProfileSettings,
        token: &str,
        organization: &str,
    ) -> Reply<'_, v1::SessionStatus> {
        let message = v1::ImportTokenRequest {
            profile: self.profile(),
            settings: Some(settings),
            token: token.to_owned(),
            organization: organization.to_owned(),
        };
        self.route.ask(Call::within(IMPORT), sessions::IMPORT_TOKEN, message)
    }

    /// Signs out; a message without a target means the client's own profile.
    ///
    /// # Errors
    /// Beside [those of every call](Client#errors): `IN_USE`, unless forced, while programs hold tokens that
    /// end with the session.
    pub async fn logout(&self, mut message: v1::LogoutRequest) -> Result<Events<v1::LogoutOutcome>, Error> {
        message.target.get_or_insert_with(|| Target::Profile(self.profile()));
        self.route.open(Call::open_ended(), sessions::LOGOUT, message).await
    }

    /// Asks the Platform who the profile is.
    ///
    /// # Errors
    /// As [`Client::token`]; `LOGIN_EXPIRED` also where the Platform refuses the token.
    pub async fn describe(&self) -> Result<v1::Description, Error> {
        self.describe_subject(Subject::Profile(self.profile()), v1::ProfileSettings::default()).await
    }

    /// Asks the Platform who a token stands for. The agent uses it for this call and keeps nothing.
    ///
    /// # Errors
    /// Beside [those of every call](Client#errors): `LOGIN_EXPIRED` for a token that the Platform refuses,
    /// `ISSUER_UNREACHABLE`, `MISCONFIGURED`.
    pub async fn describe_token(
        &self,
        token: &str,
        settings: v1::ProfileSettings,
    ) -> Result<v1::Description, Error> {
        self.describe_subject(Subject::InlineToken(token.to_owned()), settings).await
    }

    fn describe_subject(
        &self,
        subject: Subject,
        settings: v1::ProfileSettings,
    ) -> Reply<'_, v1::Description> {
        let message = v1::DescribeRequest { subject: Some(subject), settings: Some(settings) };
        self.ask(sessions::DESCRIBE, message)
    }

    /// Version, process, socket and store of the agent.
    pub fn info(&self) -> Reply<'_, v1::InfoResponse> {
        self.ask(control::INFO, v1::InfoRequest {})
    }

    /// Has the agent read its configuration again; the answer names what it could not read.
    pub async fn reload(&self) -> Result<Vec<String>, Error> {
        Ok(self.ask(control::RELOAD, v1::ReloadRequest {}).await?.problems)
    }

    /// Stops the agent and waits until nobody listens where it did. Never starts one to stop it. Returns how
    /// many leases have nobody to end them until the next start.
    ///
    /// # Errors
    /// Beside [those of every call](Client#errors): `STORE_FAILED`, unless forced, while something lives only
    /// in memory.
    pub async fn shutdown(&self, force: bool) -> Result<u32, Error> {
        let once = Call::within(STOP).of_a_running_agent();
        let leases = self.route.ask(once, control::SHUTDOWN, v1::ShutdownRequest { force }).await?.leases;
        self.route.gone(STOP).await?;
        Ok(leases)
    }

    /// A call that may be repeated, within the deadline of the options.
    fn ask<M: Message, R: Message + Default>(&self, method: Method<M, R>, message: M) -> Reply<'_, R> {
        let call = Call::within(self.route.options.deadline).repeatable();
        self.route.ask(call, method, message)
    }

    fn profile(&self) -> String {
        self.route.options.profile.clone()
    }

    fn authority(&self) -> String {
        self.route.options.authority.clone()
    }
}
