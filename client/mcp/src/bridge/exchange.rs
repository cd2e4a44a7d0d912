//! One message at the server: with a fresh token, once more with another one if that is refused, and in a new session
//! if the server has forgotten the old one.

use std::rc::Rc;
use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::message::{Message, answered, passable, settled_version};
use super::{Bridge, Out, send};
use crate::events::{Event, Reader};
use crate::http::{self, Kind, Session, broken, causes, content_type, refuses, text, too_large, wants_user};
use crate::problem::{PROXY_REFUSED, Problem, TOKEN_REFUSED};

/// How long a server that restarts is waited for. Nothing was sent to it in this time.
const ABSENT: Duration = Duration::from_secs(30);

/// The pause before another attempt, doubled up to the longest.
const PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long a session lives at a server that is well: one that was begun of itself and is forgotten sooner is not begun
/// again at once.
const SETTLED: Duration = Duration::from_secs(120);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How often a stream that broke off is taken up again for one request.
const RESUMPTIONS: u32 = 5;

/// Said after a session was begun anew.
const READY: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

impl Bridge {
    /// Passes a message on and answers it, whatever happens.
    pub(super) async fn pass(self: &Rc<Self>, out: &Out, message: &Message, line: &str) {
        let mut waiting = message.ids.clone();
        let passed = self.exchange(out, message, line, &mut waiting).await;
        let problem = match passed {
            Ok(()) if waiting.is_empty() => None,
            Ok(()) => Some(Problem::of_server("the server's answer ended before it was complete", "")),
            Err(problem) => Some(problem),
        };
        if let Some(problem) = problem {
            problem.print();
            for id in &waiting {
                send(out, problem.answer(id).to_string()).await;
            }
        } else if message.is_initialized {
            self.listen(out);
        }
    }

    async fn exchange(
        self: &Rc<Self>,
        out: &Out,
        message: &Message,
        line: &str,
        waiting: &mut Vec<Value>,
    ) -> Result<(), Problem> {
        let mut renewed_session = false;
        loop {
            // A new session begins without the headers of the old one.
            let session =
                if message.is_initialize { Session::default() } else { self.session.borrow().clone() };
            let answered = self.ask(Method::POST, &session, Some(line), None).await?;
            let is_forgotten = |response: &Response| {
                response.status() == StatusCode::NOT_FOUND && !session.id.is_empty() && !renewed_session
            };
            let Some(response) = answered.filter(|response| !is_forgotten(response)) else {
                // Where the profile is changed again and again it would never end.
                if renewed_session {
                    return Err(Problem::of_server("the profile was changed while the request was made", ""));
                }
                renewed_session = true;
                self.begin_anew(out, session.generation).await?;
                continue;
            };
            if message.is_initialize {
                let generation = self.session.borrow().generation + 1;
                *self.session.borrow_mut() = session_of(&response, generation);
            }
            return self.answer(out, response, message.is_initialize, waiting).await;
        }
    }

    /// Sends something, with another token if the first one is refused. `None`: the session is that of another account
    /// or server than the token's, and nothing was sent.
    async fn ask(
        &self,
        method: Method,
        session: &Session,
        body: Option<&str>,
        resume: Option<&str>,
    ) -> Result<Option<Response>, Problem> {
        let (until, mut pause) = (Instant::now() + ABSENT, PAUSE);
        let mut rejected = None;
        loop {
            let is_second = rejected.is_some();
            let token = self.source.token(rejected.clone()).await?;
            let (client, url, owner) = self.target(&token)?;
            if !session.id.is_empty() && session.owner != owner {
                return Ok(None);
            }
            let sent = http::send(&client, (method.clone(), url), (&token, session), body, resume).await;
            let mut response = match sent {
                Ok(response) => response,
                Err(error) if wants_user(&error) => return Err(proxy_refuses()),
                Err(error) if error.is_connect() && Instant::now() + pause < until => {
                    sleep(pause).await;
                    pause = LONGEST_PAUSE.min(pause * 2);
                    continue;
                }
                Err(error) if error.is_connect() => {
                    let what = format!("the MCP server cannot be reached: {}", causes(&error));
                    return Err(Problem::of_server(
                        what,
                        "check the address, and proxy and certificates if there are any",
                    ));
                }
                Err(error) => return Err(broken(&error)),
            };
            if !refuses(&response, &token) {
                response.extensions_mut().insert(owner);
                return Ok(Some(response));
            }
            if is_second || !self.source.is_of_agent() {
                return Err(refused(&token.profile));
            }
            rejected = Some(token.secret.to_string());
        }
    }

    /// Passes on what the server answers.
    async fn answer(
        self: &Rc<Self>,
        out: &Out,
        response: Response,
        is_initialize: bool,
        waiting: &mut Vec<Value>,
    ) -> Result<(), Problem> {
        let status = response.status();
        match http::kind(&response) {
            Kind::Events if status.is_success() => self.events(out, response, is_initialize, waiting).await,
            Kind::Json => {
                let body = text(response).await?;
                // An error in the body of another status is the server's own answer.
                if status.is_success() && waiting.is_empty() && body.trim().is_empty() {
                    return Ok(());
                }
                if status.is_success() || !answered(&body).is_empty() {
                    return self.hand_on(out, &body, is_initialize, waiting).await;
                }
                Err(odd_status(status, "application/json"))
            }
            _ if status.is_redirection() => {
                let hint = "it is not followed: the token would go elsewhere; name the right address";
                Err(Problem::of_server(format!("the server redirects (status {})", status.as_u16()), hint))
            }
            _ if status.is_success() && waiting.is_empty() => Ok(()),
            _ => Err(odd_status(status, &content_type(&response))),
        }
    }

    async fn hand_on(
        &self,
        out: &Out,
        body: &str,
        is_initialize: bool,
        waiting: &mut Vec<Value>,
    ) -> Result<(), Problem> {
        let line = passable(body).ok_or_else(no_message)?;
        let done = answered(body);
        if is_initialize && let Some(version) = settled_version(body) {
            self.session.borrow_mut().version = version;
        }
        send(out, line).await;
        waiting.retain(|id| !done.contains(id));
        for id in &done {
            self.running.borrow_mut().remove(&id.to_string());
        }
        Ok(())
    }

    /// Reads the events of an answer. A stream that breaks off is taken up again where the server gave its events ids.
    async fn events(
        self: &Rc<Self>,
        out: &Out,
        response: Response,
        is_initialize: bool,
        waiting: &mut Vec<Value>,
    ) -> Result<(), Problem> {
        let mut stream = Stream::of(response);
        for _ in 0..=RESUMPTIONS {
            let ended = loop {
                match stream.next().await {
                    Ok(Some(event)) => self.hand_on(out, &event.data, is_initialize, waiting).await?,
                    Ok(None) => break Ok(()),
                    Err(problem) => break Err(problem),
                }
            };
            let Some(id) = stream.last.clone().filter(|_| !waiting.is_empty()) else { return ended };
            sleep(stream.retry).await;
            let session = self.session.borrow().clone();
            let Some(next) = self.ask(Method::GET, &session, None, Some(&id)).await? else { return ended };
            if !next.status().is_success() || http::kind(&next) != Kind::Events {
                return ended;
            }
            stream = Stream { last: Some(id), retry: stream.retry, ..Stream::of(next) };
        }
        Ok(())
    }

    /// Begins a session in the place of one that the server has forgotten; once for all who have noticed.
    async fn begin_anew(self: &Rc<Self>, out: &Out, forgotten: u64) -> Result<(), Problem> {
        let _turn = self.beginning.lock().await;
        if self.session.borrow().generation != forgotten {
            return Ok(());
        }
        let greeting = self.greeting.borrow().clone();
        let lost = || Problem::of_server("the server has forgotten the session, and begins no other", "");
        let answered =
            self.ask(Method::POST, &Session::default(), Some(&greeting.ok_or_else(lost)?), None).await?;
        let response = answered.ok_or_else(lost)?;
        let session = session_of(&response, forgotten + 1);
        let body = match http::kind(&response) {
            Kind::Json if response.status().is_success() => text(response).await?,
            Kind::Events if response.status().is_success() => {
                let mut stream = Stream::of(response);
                loop {
                    let event = stream.next().await?.ok_or_else(lost)?;
                    if settled_version(&event.data).is_some() {
                        break event.data;
                    }
                }
            }
            _ => return Err(lost()),
        };
        let version = settled_version(&body).ok_or_else(lost)?;
        let session = Session { version, ..session };
        *self.session.borrow_mut() = session.clone();
        self.ask(Method::POST, &session, Some(READY), None).await?;
        self.listen(out);
        Ok(())
    }

    /// The same where nobody waits for it. A server that forgets each session at once is asked ever more seldom.
    async fn begin_of_itself(self: Rc<Self>, out: Out, forgotten: u64) {
        let now = Instant::now();
        let pause = match self.begun.get() {
            Some((at, pause)) if now < at + pause + SETTLED => LONGEST_WAIT.min(pause * 2),
            _ => PAUSE,
        };
        self.begun.set(Some((now, pause)));
        sleep(pause).await;
        if let Err(problem) = self.begin_anew(&out, forgotten).await {
            problem.print();
        }
    }

    /// Listens, from now on, for what the server sends of its own accord.
    fn listen(self: &Rc<Self>, out: &Out) {
        self.stop_listening();
        let (bridge, out) = (Rc::clone(self), out.clone());
        let task = tokio::task::spawn_local(async move { bridge.hear(&out).await });
        *self.listener.borrow_mut() = Some(task.abort_handle());
    }

    pub(super) fn stop_listening(&self) {
        if let Some(task) = self.listener.borrow_mut().take() {
            task.abort();
        }
    }

    /// A server that offers no stream of its own says so by another status. That should be 405; some say 404, which
    /// else means that the session is forgotten. That of a session without a stream is for the next message to find out.
    async fn hear(self: &Rc<Self>, out: &Out) {
        let (mut last, mut pause, mut had_stream) = (None::<String>, PAUSE, false);
        loop {
            let session = self.session.borrow().clone();
            match self.ask(Method::GET, &session, None, last.as_deref()).await {
                Ok(Some(response))
                    if response.status().is_success() && http::kind(&response) == Kind::Events =>
                {
                    had_stream = true;
                    let mut stream = Stream::of(response);
                    while let Ok(Some(event)) = stream.next().await {
                        pause = PAUSE;
                        match passable(&event.data) {
                            Some(line) => send(out, line).await,
                            None => no_message().print(),
                        }
                    }
                    last = stream.last.or(last);
                    pause = pause.max(stream.retry);
                }
                Ok(answered) if had_stream && answered.as_ref().is_none_or(is_not_found) => {
                    // This task ends with the listener of the new session.
                    let (bridge, out) = (Rc::clone(self), out.clone());
                    tokio::task::spawn_local(bridge.begin_of_itself(out, session.generation));
                    return;
                }
                Ok(answered) if answered.as_ref().is_none_or(|found| !found.status().is_server_error()) => {
                    return;
                }
                // Another attempt would make the agent renew the token each time, or lock an account at the proxy.
                Err(problem) if problem.is_refusal() => return problem.print(),
                Ok(_) | Err(_) => {}
            }
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }
}

fn is_not_found(response: &Response) -> bool {
    response.status() == StatusCode::NOT_FOUND
}

/// The session that an answer to `initialize` begins.
fn session_of(response: &Response, generation: u64) -> Session {
    let id = response.headers().get("mcp-session-id").and_then(|id| id.to_str().ok());
    let owner = response.extensions().get().cloned().unwrap_or_default();
    Session { id: id.unwrap_or_default().to_owned(), version: String::new(), generation, owner }
}

/// The events of one answer.
struct Stream {
    response: Response,
    reader: Reader,
    ready: std::collections::VecDeque<Event>,
    /// The id of the last event.
    last: Option<String>,
    /// How long the server wants to be left alone before it is asked again.
    retry: Duration,
}

impl Stream {
    fn of(response: Response) -> Self {
        let (reader, ready) = (Reader::default(), Default::default());
        Self { response, reader, ready, last: None, retry: PAUSE }
    }

    /// The next message; `None` at the end.
    async fn next(&mut self) -> Result<Option<Event>, Problem> {
        loop {
            while let Some(event) = self.ready.pop_front() {
                if let Some(id) = &event.id {
                    self.last = Some(id.clone()).filter(|id| !id.is_empty());
                }
                if let Some(retry) = event.retry {
                    self.retry = Duration::from_millis(retry).min(LONGEST_PAUSE);
                }
                if !event.data.is_empty() {
                    return Ok(Some(event));
                }
            }
            match self.response.chunk().await {
                Ok(Some(piece)) => self.ready.extend(self.reader.take(&piece).map_err(|_| too_large())?),
                Ok(None) => return Ok(None),
                Err(error) => return Err(broken(&error)),
            }
        }
    }
}

/// The server takes no token of this account.
fn refused(profile: &str) -> Problem {
    let of = if profile.is_empty() { String::new() } else { format!(" of profile '{profile}'") };
    let hint = "it may want an OAuth login of its own, which this bridge does not do; whether Seqera's server takes \
                the Platform's tokens is unproven";
    Problem::new(TOKEN_REFUSED, 3, format!("the MCP server refuses the token{of}"), hint)
}

fn proxy_refuses() -> Problem {
    let what = "the proxy wants another user name or password (407)";
    let hint =
        "correct 'proxy' in config.json, or the variable HTTPS_PROXY; seqera-mcp has to be started again";
    Problem::new(PROXY_REFUSED, 2, what, hint)
}

fn no_message() -> Problem {
    Problem::of_server(
        "the server sends something that is no message of MCP",
        "is this the address of an MCP server?",
    )
}

fn odd_status(status: StatusCode, kind: &str) -> Problem {
    let kind = if kind.is_empty() { "nothing" } else { kind };
    let what =
        format!("the server answers with {kind} (status {}), not with a message of MCP", status.as_u16());
    Problem::of_server(what, "is this the address of an MCP server?")
}
