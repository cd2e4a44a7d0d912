//! The calls.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use seqera_agent_proto::v1::{
    self, control_client::ControlClient, describe_request::Subject, logout_request::Target,
    sessions_client::SessionsClient, tokens_client::TokensClient,
};
use seqera_agent_proto::{MAX_MESSAGE_BYTES, place};
use tonic::{Request, Response, Status};

use crate::link::{Link, origin};
use crate::route::{Call, Route};
use crate::{Error, Events, Options, Token, Watch, connect};

/// A prompt of the keychain may stay open for 60 s while a token is imported (design, section 7).
const IMPORT: Duration = Duration::from_secs(90);

/// The agent saves a running renewal before it goes, up to 20 s (design, section 10).
const STOP: Duration = Duration::from_secs(25);

/// What a caller wants of a token.
#[derive(Clone, Default)]
pub struct Want {
    /// How long it shall be valid at least; `None`: whatever is fresh.
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
    /// The agent's refusal, or what kept us from reaching it.
    pub async fn token(&self, want: Want) -> Result<Token, Error> {
        let message = v1::GetAccessTokenRequest {
            profile: self.profile(),
            authority: self.authority(),
            min_valid: want.min_valid.and_then(|least| prost_types::Duration::try_from(least).ok()),
            rejected_sha256: want.rejected.as_deref().map(place::token_sha256).unwrap_or_default(),
        };
        let call = |link, request| async move { tokens(link).get_access_token(request).await };
        Ok(self.ask(message, call).await?.into())
    }

    /// The current token, then each new one and each sign-out.
    ///
    /// # Errors
    /// As [`Client::token`].
    pub async fn watch(&self) -> Result<Watch, Error> {
        let message = v1::WatchAccessTokenRequest { profile: self.profile(), authority: self.authority() };
        let call = |link, request| async move { tokens(link).watch_access_token(request).await };
        Ok(Watch(self.route.run(Call::open_ended().repeatable(), message, call).await?))
    }

    /// Who is signed in, from the agent's memory.
    ///
    /// # Errors
    /// As [`Client::token`]; being signed out is a state, not an error.
    pub async fn status(&self) -> Result<v1::SessionStatus, Error> {
        let message = v1::StatusRequest { profile: self.profile(), authority: self.authority() };
        self.ask(message, |link, request| async move { sessions(link).status(request).await }).await
    }

    /// Every profile the agent knows, from its memory.
    ///
    /// # Errors
    /// As [`Client::token`].
    pub async fn list(&self) -> Result<v1::ListResponse, Error> {
        self.ask(v1::ListRequest {}, |link, request| async move { sessions(link).list(request).await }).await
    }

    /// Signs in with a browser or on another device. An empty profile in the message means the client's own.
    ///
    /// # Errors
    /// As [`Client::token`]; what happens later comes from [`Events::next`].
    pub async fn login(&self, mut message: v1::LoginRequest) -> Result<Events<v1::LoginEvent>, Error> {
        if message.profile.is_empty() {
            message.profile = self.profile();
        }
        let call = |link, request| async move { sessions(link).login(request).await };
        Ok(Events(self.route.run(Call::open_ended(), message, call).await?))
    }

    /// Hands the running login of a profile the address that its browser ended on, as a person pasted it.
    ///
    /// # Errors
    /// As [`Client::token`]; `BAD_REQUEST` for another answer than the right one, and the login goes on.
    pub async fn complete_login(&self, profile: &str, answer: &str) -> Result<(), Error> {
        let message = v1::CompleteLoginRequest { profile: profile.to_owned(), answer: answer.to_owned() };
        let call = |link, request| async move { sessions(link).complete_login(request).await };
        self.route.run(Call::within(self.route.options.deadline), message, call).await.map(drop)
    }

    /// Signs in with a personal access token, which is checked at the Platform before it is kept.
    ///
    /// # Errors
    /// As [`Client::token`].
    pub async fn import_token(
        &self,
        settings: v1::ProfileSettings,
        token: &str,
    ) -> Result<v1::SessionStatus, Error> {
        let message = v1::ImportTokenRequest {
            profile: self.profile(),
            settings: Some(settings),
            token: token.to_owned(),
        };
        let call = |link, request| async move { sessions(link).import_token(request).await };
        self.route.run(Call::within(IMPORT), message, call).await
    }

    /// Signs the profile out; with `revoke` a personal access token is deleted at the Platform, too.
    ///
    /// # Errors
    /// As [`Client::token`].
    pub async fn logout(&self, revoke: bool) -> Result<Events<v1::LogoutOutcome>, Error> {
        self.sign_out(Target::Profile(self.profile()), revoke).await
    }

    /// As [`Client::logout`], for all profiles.
    ///
    /// # Errors
    /// As [`Client::token`].
    pub async fn logout_all(&self, revoke: bool) -> Result<Events<v1::LogoutOutcome>, Error> {
        self.sign_out(Target::All(true), revoke).await
    }

    async fn sign_out(&self, target: Target, revoke: bool) -> Result<Events<v1::LogoutOutcome>, Error> {
        let message = v1::LogoutRequest { target: Some(target), revoke };
        let call = |link, request| async move { sessions(link).logout(request).await };
        Ok(Events(self.route.run(Call::open_ended(), message, call).await?))
    }

    /// Asks the Platform who the profile is.
    ///
    /// # Errors
    /// As [`Client::token`].
    pub async fn describe(&self) -> Result<v1::Description, Error> {
        self.describe_subject(Subject::Profile(self.profile()), v1::ProfileSettings::default()).await
    }

    /// Asks the Platform who a token stands for. The agent uses it for this call and keeps nothing.
    ///
    /// # Errors
    /// As [`Client::token`].
    pub async fn describe_token(
        &self,
        token: &str,
        settings: v1::ProfileSettings,
    ) -> Result<v1::Description, Error> {
        self.describe_subject(Subject::InlineToken(token.to_owned()), settings).await
    }

    async fn describe_subject(
        &self,
        subject: Subject,
        settings: v1::ProfileSettings,
    ) -> Result<v1::Description, Error> {
        let message = v1::DescribeRequest { subject: Some(subject), settings: Some(settings) };
        self.ask(message, |link, request| async move { sessions(link).describe(request).await }).await
    }

    /// Version, process, socket and store of the agent.
    ///
    /// # Errors
    /// As [`Client::token`].
    pub async fn info(&self) -> Result<v1::InfoResponse, Error> {
        self.ask(v1::InfoRequest {}, |link, request| async move { control(link).info(request).await }).await
    }

    /// Has the agent read its configuration again; the answer names what it could not read.
    ///
    /// # Errors
    /// As [`Client::token`].
    pub async fn reload(&self) -> Result<Vec<String>, Error> {
        let call = |link, request| async move { control(link).reload(request).await };
        Ok(self.ask(v1::ReloadRequest {}, call).await?.problems)
    }

    /// Stops the agent and waits until nobody listens where it did. Never starts one to stop it.
    ///
    /// # Errors
    /// As [`Client::token`]; refused while something lives only in memory, unless forced.
    pub async fn shutdown(&self, force: bool) -> Result<(), Error> {
        let once = Call::within(STOP).of_a_running_agent();
        let call = |link, request| async move { control(link).shutdown(request).await };
        self.route.run(once, v1::ShutdownRequest { force }, call).await?;
        self.route.gone(STOP).await
    }

    /// A call that may be repeated, within the deadline of the options.
    async fn ask<M, R, F, Fut>(&self, message: M, call: F) -> Result<R, Error>
    where
        M: Clone,
        F: Fn(Link, Request<M>) -> Fut,
        Fut: Future<Output = Result<Response<R>, Status>>,
    {
        self.route.run(Call::within(self.route.options.deadline).repeatable(), message, call).await
    }

    fn profile(&self) -> String {
        self.route.options.profile.clone()
    }

    fn authority(&self) -> String {
        self.route.options.authority.clone()
    }
}

fn tokens(link: Link) -> TokensClient<Link> {
    TokensClient::with_origin(link, origin()).max_decoding_message_size(MAX_MESSAGE_BYTES)
}

fn sessions(link: Link) -> SessionsClient<Link> {
    SessionsClient::with_origin(link, origin()).max_decoding_message_size(MAX_MESSAGE_BYTES)
}

fn control(link: Link) -> ControlClient<Link> {
    ControlClient::with_origin(link, origin()).max_decoding_message_size(MAX_MESSAGE_BYTES)
}
