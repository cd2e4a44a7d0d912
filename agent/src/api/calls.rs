//! What happens around every call to any service. It checks the caller's configuration folder and its share of
//! the agent, limits the size of the request and the time in which it arrives, counts the call while it runs,
//! and writes one line to the log. Contents are never logged.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use seqera_agent_proto::{ASKED_BY_HEADER, CONFIG_HEADER, REQUEST_ID_HEADER, assistant};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tonic::codegen::{BoxFuture, Service};
use tonic::{Code, Status};

use crate::api::body::received;
use crate::api::deadline;
use crate::error::{AgentError, ErrorKind};
use crate::socket::activity::{Activity, Running};
use crate::socket::peers::Caller;
use crate::socket::shares::{CallKind, Ticket};
use crate::turns::Turn;

/// Scripts call this service in loops.
const HOT: &str = "/seqera.agent.v1.Tokens/";

/// Begins a login, which holds listeners until it ends.
const LOGIN: &str = "/seqera.agent.v1.Sessions/Login";

/// The other calls that last as long as the caller likes.
const LASTING: [&str; 4] = [
    "/seqera.agent.v1.Tokens/WatchAccessToken",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// The calls that ask a provider, or look at many files, before they answer.
const ASKING: [&str; 12] = [
    "/seqera.agent.v1.Control/Diagnose",
    "/seqera.agent.v1.Imports/Find",
    "/seqera.agent.v1.Imports/Take",
    "/seqera.agent.v1.Leases/Create",
    "/seqera.agent.v1.Sessions/ChooseOrganization",
    "/seqera.agent.v1.Sessions/ChooseWorkspace",
    "/seqera.agent.v1.Sessions/Describe",
    "/seqera.agent.v1.Sessions/ImportToken",
    "/seqera.agent.v1.Sessions/ListOrganizations",
    "/seqera.agent.v1.Sessions/ListWorkspaces",
    "/seqera.agent.v1.TokenFiles/Find",
    "/seqera.agent.v1.TokenFiles/Take",
];

/// How many characters of a caller's text are repeated in the log.
const LONGEST_ID: usize = 64;

/// The layer around all services of one agent.
#[derive(Debug, Clone)]
pub(crate) struct CallLayer {
    /// The tag of the configuration folder that this agent serves.
    tag: Arc<str>,
    activity: Arc<Activity>,
}

impl CallLayer {
    /// `tag` is [`seqera_agent_proto::place::Places::tag`]; `activity` counts the calls of all connections.
    pub(crate) fn new(tag: &str, activity: Arc<Activity>) -> Self {
        Self { tag: tag.into(), activity }
    }

    /// The agent of another folder holds other accounts. Callers that name no folder, such as generic gRPC
    /// tools, accept any agent.
    fn check_folder(&self, headers: &HeaderMap) -> Result<(), AgentError> {
        match headers.get(CONFIG_HEADER) {
            Some(tag) if tag.as_bytes() != self.tag.as_bytes() => Err(AgentError::new(
                ErrorKind::OtherAgent,
                "this agent serves another configuration folder",
                "check HOME, SEQERA_CLI_CONFIG_DIR and XDG_CONFIG_HOME, or start an agent for that folder",
            )),
            _ => Ok(()),
        }
    }
}

impl<S> tower::Layer<S> for CallLayer {
    type Service = Called<S>;

    fn layer(&self, inner: S) -> Called<S> {
        Called { inner, layer: self.clone() }
    }
}

/// A service wrapped in a [`CallLayer`].
#[derive(Debug, Clone)]
pub(crate) struct Called<S> {
    inner: S,
    layer: CallLayer,
}

impl<S> Service<Request<Body>> for Called<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let mut call = Call::begin(&self.layer.activity, &request);
        let admitted = call.count().and_then(|()| self.layer.check_folder(request.headers()));
        if let Err(error) = admitted {
            let response = Status::from(error).into_http::<Body>();
            call.note(response.headers());
            return Box::pin(async { Ok(call.follow(response)) });
        }
        let limit = deadline::limit(request.headers()).unwrap_or(Duration::MAX);
        let seat = call.caller.as_ref().map(|caller| Arc::clone(&caller.seat));
        let request = request.map(|body| received(body, seat));
        let late = || Status::deadline_exceeded("the caller's deadline has passed").into_http();
        if call.asks() {
            // The clone has not been asked whether it is ready, and this one has.
            let unready = self.inner.clone();
            let inner = std::mem::replace(&mut self.inner, unready);
            return Box::pin(async move {
                let asked = tokio::time::timeout(limit, call.ask(inner, request)).await;
                Ok(call.follow(asked.unwrap_or_else(|_| late())))
            });
        }
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answered = tokio::time::timeout(limit, answer).await;
            answered.unwrap_or_else(|_| Ok(late())).map(|response| call.follow(response))
        })
    }
}

/// A running call. It is logged when dropped, whether it succeeded, failed or was cancelled.
struct Call {
    method: String,
    caller: Option<Caller>,
    request_id: String,
    /// The coding assistant that the caller says it works for; empty: none.
    asked_by: String,
    since: Instant,
    /// The gRPC status code. It stays at `Cancelled` if the caller hangs up.
    outcome: AtomicI32,
    ticket: Option<Ticket>,
    /// Its turn, if it asks others.
    turn: Option<Turn>,
    running: [Option<Running>; 2],
}

impl Call {
    fn begin(all: &Arc<Activity>, request: &Request<Body>) -> Self {
        let caller = request.extensions().get::<Caller>().cloned();
        let request_id = request.headers().get(REQUEST_ID_HEADER);
        let asked_by = request.headers().get(ASKED_BY_HEADER);
        Self {
            method: printable(request.uri().path()),
            request_id: printable(request_id.and_then(|id| id.to_str().ok()).unwrap_or_default()),
            asked_by: assistant::cleaned(asked_by.and_then(|name| name.to_str().ok()).unwrap_or_default()),
            since: Instant::now(),
            outcome: AtomicI32::new(Code::Cancelled as i32),
            ticket: None,
            turn: None,
            running: [Some(all.begin()), caller.as_ref().map(|caller| caller.activity.begin())],
            caller,
        }
    }

    /// Counts the call as its caller's.
    fn count(&mut self) -> Result<(), AgentError> {
        let kind = match self.method.as_str() {
            LOGIN => CallKind::Login,
            method if LASTING.contains(&method) => {
                self.running.iter_mut().flatten().for_each(Running::lasts);
                CallKind::Lasting
            }
            _ => CallKind::Plain,
        };
        self.ticket = self.caller.as_ref().map(|caller| caller.seat.call(kind)).transpose()?;
        Ok(())
    }

    fn asks(&self) -> bool {
        ASKING.contains(&self.method.as_str())
    }

    /// Answers a call that asks others, when it is its turn. It is received before: who sends nothing has no turn.
    async fn ask<S>(&mut self, mut inner: S, request: Request<Body>) -> Response<Body>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        let (head, body) = request.into_parts();
        let body = match body.collect().await {
            Ok(whole) => Body::new(Full::new(whole.to_bytes())),
            Err(refused) => return refused.into_http(),
        };
        if let Some(caller) = &self.caller {
            self.turn = caller.seat.turn().await;
        }
        match inner.call(Request::from_parts(head, body)).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    /// Records the status, if `headers` carry one. It is in the headers of an answer without a body, and
    /// otherwise in the trailers after the body.
    fn note(&self, headers: &HeaderMap) {
        if let Some(status) = Status::from_header_map(headers) {
            self.outcome.store(status.code() as i32, Ordering::Relaxed);
        }
    }

    /// Keeps the call alive until the body of the response has been sent.
    fn follow(self, response: Response<Body>) -> Response<Body> {
        self.note(response.headers());
        response.map(|body| {
            Body::new(body.map_frame(move |frame| {
                if let Some(trailers) = frame.trailers_ref() {
                    self.note(trailers);
                }
                frame
            }))
        })
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let outcome = Code::from_i32(*self.outcome.get_mut());
        let (method, request_id) = (self.method.as_str(), self.request_id.as_str());
        let asked_by = Some(self.asked_by.as_str()).filter(|name| !name.is_empty());
        let milliseconds = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let peer = self.caller.as_ref().map(|caller| &caller.peer);
        let pid = peer.and_then(|peer| peer.pid);
        let exe = peer.and_then(|peer| peer.exe.as_deref()).map(tracing::field::debug);
        // Scripts call `seqera token` in loops: a success must not write to the disk each time. Nor must the
        // refusals of a program that runs wild.
        let is_frequent =
            outcome == Code::Ok && method.starts_with(HOT) || outcome == Code::ResourceExhausted;
        if is_frequent {
            tracing::debug!(method, pid, exe, asked_by, request_id, ?outcome, milliseconds, "call");
        } else {
            tracing::info!(method, pid, exe, asked_by, request_id, ?outcome, milliseconds, "call");
        }
    }
}

/// Truncates a caller's text and drops everything that could start a new line in the log.
fn printable(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).take(LONGEST_ID).collect()
}

#[cfg(test)]
mod tests;
