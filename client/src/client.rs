//! The client: one method for each call.

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
use tokio::time::{Instant, sleep};

use crate::connect;
use crate::end;
use crate::error::Error;
use crate::options::Options;
use crate::reply::Reply;
use crate::route::{Call, Route};
use crate::stream::{Events, Watch};
use crate::token::Token;

/// The keychain may keep a prompt open for 60 s while a token is imported (the agent's manual, storage,
/// "Calls that may hang").
const IMPORT: Duration = Duration::from_secs(90);

/// The agent may take up to 20 s to save a running renewal before it exits (the agent's manual, socket,
/// "Stopping").
const STOP: Duration = Duration::from_secs(25);

/// Between two looks whether a process has ended.
const LOOK: Duration = Duration::from_millis(20);

/// What a caller asks for.
#[derive(Clone, Default)]
pub struct Want {
    /// How long the token must at least remain valid; `None` accepts any fresh token.
    pub min_valid: Option<Duration>,
    /// A token that the API refused with 401. Only its hash is sent to the agent.
    pub rejected: Option<String>,
}

impl fmt::Debug for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { min_valid, rejected } = self;
        f.debug_struct("Want").field("min_valid", min_valid).field("rejected", &rejected.is_some()).finish()
    }
}

/// A client of the agent, for the profile in its [`Options`]. It connects on the first call, starts an agent
/// if none is listening, and reconnects if the connection is lost. Calls may run concurrently.
///
/// # Errors
/// Every call can fail on its way: with [`Error::NoAgent`], [`Error::NobodyAtChosen`], [`Error::NoProgram`]
/// or [`Error::NotStarted`] if no agent runs and none could be started; with [`Error::Distrusted`] or
/// [`Error::Unreachable`] if the agent cannot be used; with [`Error::TimedOut`] after the deadline in the
/// [`Options`]; with [`Error::Lost`] if the agent exits during the call; and with [`Error::Misunderstood`] if
/// its version does not fit. [`Error::Refused`] is what the agent refuses; each method lists its own reasons.
#[derive(Debug)]
pub struct Client {
    route: Route,
}

impl Client {
    /// Creates a client. It connects when it makes its first call.
    pub fn new(options: Options) -> Self {
        Self { route: Route::new(options) }
    }

    /// The id of this client's calls in the agent's log.
    pub fn request_id(&self) -> &str {
        &self.route.request_id
    }

    /// Where the agent listens, or would listen. Makes no connection.
    pub fn expected_socket(&self) -> Option<PathBuf> {
        connect::expected_socket(&self.route.options.places)
    }

    /// Gets an access token. Waits for a renewal if one is needed.
    ///
    /// # Errors
    /// Besides [those of every call](Client#errors): `SIGNED_OUT` or `LOGIN_EXPIRED` if there is no session,
    /// `OTHER_HOST` if it belongs to another host, `ISSUER_UNREACHABLE` if no valid token is left and none
    /// can be obtained now, `UNKNOWN_PROFILE`, `AUTHORITY_MISMATCH`, `MISCONFIGURED`, and `STORE_FAILED` or
    /// `KEYCHAIN_LOCKED` if the secrets cannot be read.
    pub async fn token(&self, want: Want) -> Result<Token, Error> {
        Ok(self.ask(tokens::GET_ACCESS_TOKEN, self.wanted(&want)).await?.into())
    }

    /// Gets the access token that a running agent has at hand, on this thread and without a runtime: for
    /// commands that are called in loops. `None`, within a second, if that does not work, for whatever reason:
    /// [`Client::token`] then does what is needed, or says why it cannot be done.
    #[cfg(target_os = "linux")]
    pub fn token_at_hand(&self, want: &Want) -> Option<Token> {
        let answer = self.route.ask_directly(tokens::GET_ACCESS_TOKEN, &self.wanted(want))?;
        Some(answer.into())
    }

    fn wanted(&self, want: &Want) -> v1::GetAccessTokenRequest {
        v1::GetAccessTokenRequest {
            profile: self.profile(),
            authority: self.authority(),
            min_valid: want.min_valid.and_then(|least| prost_types::Duration::try_from(least).ok()),
            rejected_sha256: want.rejected.as_deref().map(place::token_sha256).unwrap_or_default(),
        }
    }

    /// Follows a profile: the current token, then each new one and each sign-out.
    ///
    /// # Errors
    /// Besides [those of every call](Client#errors): `UNKNOWN_PROFILE`, `AUTHORITY_MISMATCH`. A missing
    /// session is not an error: see [`Change::SignedOut`](crate::Change::SignedOut).
    pub async fn watch(&self) -> Result<Watch, Error> {
        let message = v1::WatchAccessTokenRequest { profile: self.profile(), authority: self.authority() };
        let call = Call::open_ended().repeatable();
        Ok(Watch(self.route.open(call, tokens::WATCH_ACCESS_TOKEN, message).await?))
    }

    /// Says who is signed in, from the agent's memory.
    ///
    /// # Errors
    /// Besides [those of every call](Client#errors): `UNKNOWN_PROFILE`, `AUTHORITY_MISMATCH`. Being signed
    /// out is a state, not an error.
    pub fn status(&self) -> Reply<'_, v1::SessionStatus> {
        let message = v1::StatusRequest { profile: self.profile(), authority: self.authority() };
        self.recall(sessions::STATUS, message)
    }

    /// Lists every profile that the agent knows, from its memory.
    pub fn list(&self) -> Reply<'_, v1::ListResponse> {
        self.recall(sessions::LIST, v1::ListRequest {})
    }

    /// Signs in with a browser or on another device. If the message names no profile, the client's own is
    /// used.
    ///
    /// # Errors
    /// [Those of every call](Client#errors). If the login itself fails, such as with `LOGIN_DENIED` or
    /// `LOGIN_TIMED_OUT`, [`Events::next`] returns the error.
    pub async fn login(&self, mut message: v1::LoginRequest) -> Result<Events<v1::LoginEvent>, Error> {
        if message.profile.is_empty() {
            message.profile = self.profile();
        }
        self.route.open(Call::open_ended(), sessions::LOGIN, message).await
    }

    /// Passes the address that the browser ended on, as a person pasted it, to the running login of a
    /// profile.
    ///
    /// # Errors
    /// Besides [those of every call](Client#errors): `BAD_REQUEST` for a wrong answer, after which the login
    /// goes on.
    pub async fn complete_login(&self, profile: &str, answer: &str) -> Result<(), Error> {
        let message = v1::CompleteLoginRequest { profile: profile.to_owned(), answer: answer.to_owned() };
        let call = Call::within(self.route.options.deadline);
        self.route.ask(call, sessions::COMPLETE_LOGIN, message).await.map(drop)
    }

    /// Signs in with a personal access token, which is checked at the Platform before it is kept. If no
    /// organisation is named, the agent chooses one, as at any login. `force` replaces a live session of the
    /// profile at another authority.
    ///
    /// # Errors
    /// Besides [those of every call](Client#errors): `LOGIN_EXPIRED` for a token that the Platform refuses,
    /// `BAD_REQUEST` for another kind of token, `AUTHORITY_MISMATCH` for a live session at another authority,
    /// `ISSUER_UNREACHABLE`, `MISCONFIGURED`, `STORE_FAILED`, `KEYCHAIN_LOCKED`.
    pub fn import_token(
        &self,
        settings: v1::ProfileSettings,
        token: &str,
        organization: &str,
        force: bool,
    ) -> Reply<'_, v1::SessionStatus> {
        let message = v1::ImportTokenRequest {
            profile: self.profile(),
            settings: Some(settings),
            token: token.to_owned(),
            organization: organization.to_owned(),
            force,
        };
        self.route.ask(Call::within(IMPORT), sessions::IMPORT_TOKEN, message)
    }

    /// Signs out. A message without a target means the client's own profile.
    ///
    /// # Errors
    /// Besides [those of every call](Client#errors): `IN_USE` while programs hold tokens that end with the
    /// session, unless the message forces it.
    pub async fn logout(&self, mut message: v1::LogoutRequest) -> Result<Events<v1::LogoutOutcome>, Error> {
        message.target.get_or_insert_with(|| Target::Profile(self.profile()));
        self.route.open(Call::open_ended(), sessions::LOGOUT, message).await
    }

    /// Asks the Platform whose account the profile is.
    ///
    /// # Errors
    /// As [`Client::token`]; also `LOGIN_EXPIRED` if the Platform refuses the token.
    pub async fn describe(&self) -> Result<v1::Description, Error> {
        self.describe_subject(Subject::Profile(self.profile()), v1::ProfileSettings::default()).await
    }

    /// Asks the Platform whose token this is. The agent uses the token for this call and keeps nothing.
    ///
    /// # Errors
    /// Besides [those of every call](Client#errors): `LOGIN_EXPIRED` for a token that the Platform refuses,
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

    /// Describes the agent: version, process, socket and store.
    pub fn info(&self) -> Reply<'_, v1::InfoResponse> {
        self.recall(control::INFO, v1::InfoRequest {})
    }

    /// Makes the agent read its configuration again. Returns a description of what it could not read.
    pub async fn reload(&self) -> Result<Vec<String>, Error> {
        Ok(self.ask(control::RELOAD, v1::ReloadRequest {}).await?.problems)
    }

    /// Makes sure that an agent could be started: that its program is there, may be started and runs. Starts
    /// none.
    ///
    /// # Errors
    /// [`Error::NoProgram`], [`Error::Distrusted`], [`Error::NotStarted`], [`Error::TimedOut`]; at a socket that
    /// was chosen [`Error::NobodyAtChosen`], since none is ever started there.
    pub async fn can_start(&self) -> Result<(), Error> {
        self.route.can_start().await
    }

    /// Stops the agent and waits until it no longer listens at its socket. Never starts an agent in order to
    /// stop it. Returns how many leases nobody will end until the next start.
    ///
    /// # Errors
    /// Besides [those of every call](Client#errors): `STORE_FAILED` while something exists only in memory,
    /// unless `force` is set. Then an agent that does not answer is killed.
    pub async fn shutdown(&self, force: bool) -> Result<u32, Error> {
        let once = Call::within(STOP).of_a_running_agent().at_once();
        let pid = self.route.recorded_pid();
        let leases = match self.route.ask(once, control::SHUTDOWN, v1::ShutdownRequest { force }).await {
            Ok(answer) => answer.leases,
            Err(Error::Silent(Some(pid))) if force && end::kill(pid) => return self.buried(pid).await,
            Err(error) => return Err(error),
        };
        match self.route.gone(pid, STOP).await {
            Err(Error::Silent(Some(pid))) if force && end::kill(pid) => self.buried(pid).await,
            gone => gone.map(|()| leases),
        }
    }

    /// Waits until a process that was killed has ended, so that the next one is not taken for it.
    async fn buried(&self, pid: u32) -> Result<u32, Error> {
        let until = Instant::now() + STOP;
        while end::is_agent(pid) {
            if Instant::now() >= until {
                return Err(Error::Silent(Some(pid)));
            }
            sleep(LOOK).await;
        }
        Ok(0)
    }

    /// Makes a call that the agent answers from its memory.
    fn recall<M: Message, R: Message + Default>(&self, method: Method<M, R>, message: M) -> Reply<'_, R> {
        let call = Call::within(self.route.options.deadline).repeatable().at_once();
        self.route.ask(call, method, message)
    }

    /// Makes a call that may be repeated, within the deadline in the options.
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
