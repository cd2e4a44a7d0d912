//! How a call reaches the right agent: which socket to try, when to start an agent, and when to repeat the call.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use seqera_agent_proto::call::{Method, Streamed};
use seqera_agent_proto::{ASKED_BY_HEADER, CONFIG_HEADER, REQUEST_ID_HEADER, STORE_HEADER};
use tokio::time::{Instant, sleep, timeout_at};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Request, Status};

use crate::autostart;
use crate::connect::{self, Miss};
#[cfg(target_os = "linux")]
use crate::direct;
use crate::error::Error;
use crate::link::Link;
use crate::options::Options;
use crate::reply::{Answers, Reply, Way};
use crate::stream::Events;

/// The pause before a call is repeated, doubled each time up to the longest. An agent that restarts is back
/// within the first few, and one that keeps failing is not flooded with calls.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What is at hand is answered in less than this, even by a machine under load.
#[cfg(target_os = "linux")]
const AT_HAND: Duration = Duration::from_secs(1);

/// How much longer than the agent we wait, so that its answer arrives, which says what took so long.
const GRACE: Duration = Duration::from_millis(500);

/// An agent needs milliseconds for what it knows, and a busy machine some seconds.
const AT_ONCE: Duration = Duration::from_secs(8);

/// What one call may do: how long it may take, whether it may be repeated, and whether it may start an agent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    within: Option<Duration>,
    /// How long the answer of an agent that is connected may take.
    answered_within: Option<Duration>,
    repeatable: bool,
    may_start: bool,
}

impl Call {
    pub(crate) fn within(limit: Duration) -> Self {
        Self { within: Some(limit), answered_within: None, repeatable: false, may_start: true }
    }

    /// A call that may take as long as it needs once it is connected.
    pub(crate) fn open_ended() -> Self {
        Self { within: None, answered_within: None, repeatable: false, may_start: true }
    }

    /// Marks a call that may be made twice with the same effect as once.
    pub(crate) fn repeatable(self) -> Self {
        Self { repeatable: true, ..self }
    }

    /// Marks a call that an agent answers from its memory: one that takes longer than this does not answer at all.
    pub(crate) fn at_once(self) -> Self {
        Self { answered_within: Some(AT_ONCE), ..self }
    }

    pub(crate) fn of_a_running_agent(self) -> Self {
        Self { may_start: false, ..self }
    }
}

/// An agent that is restarted again and again is met by several of a call's attempts.
const MOST_STARTS: u32 = 5;

/// How far one call has got in its search for the agent.
struct Search {
    /// The time by which the agent must be found.
    until: Instant,
    may_start: bool,
    /// How often an agent was started. One that was started may be stopped again before the call reaches it.
    starts: u32,
    /// The first candidate to try. Agents of other configuration folders listen at those before it.
    from: usize,
    /// How long an agent that is found may take to answer.
    answered_within: Option<Duration>,
    /// The refusal of such an agent, which is the answer if no other agent is found.
    refusal: Option<Error>,
}

impl Search {
    fn answer_by(&self) -> Instant {
        let limit = self.answered_within.map(|limit| Instant::now() + limit);
        limit.map_or(self.until, |limit| limit.min(self.until))
    }
}

/// The route to the agent of one configuration folder. Keeps the connection between calls.
pub(crate) struct Route {
    pub(crate) options: Options,
    pub(crate) request_id: String,
    /// Never held across an await.
    open: Mutex<Option<Link>>,
}

impl Route {
    pub(crate) fn new(options: Options) -> Self {
        // The id only distinguishes lines in the log, so the process id will do if there is no randomness.
        let id = getrandom::u64().unwrap_or_else(|_| std::process::id().into());
        Self { options, request_id: format!("{id:016x}"), open: Mutex::new(None) }
    }

    /// Makes a call with one answer.
    pub(crate) fn ask<M: Message, R>(&self, call: Call, method: Method<M, R>, message: M) -> Reply<'_, R> {
        Reply::of(self.run(call, method.path, message.encode_to_vec().into()))
    }

    /// Makes a call to the agent that listens at the first place, over a blocking socket. `None` if anything
    /// is out of the ordinary. Only for calls that may be made twice.
    #[cfg(target_os = "linux")]
    pub(crate) fn ask_directly<M: Message, R: Message + Default>(
        &self,
        method: Method<M, R>,
        message: &M,
    ) -> Option<R> {
        let limit = self.options.deadline.min(AT_HAND);
        let deadline = Instant::now() + limit;
        let timeout = format!("{}m", limit.as_millis());
        let metadata = [
            ("grpc-timeout", &*timeout),
            (CONFIG_HEADER, &self.options.places.tag),
            (REQUEST_ID_HEADER, &self.request_id),
            (ASKED_BY_HEADER, &self.options.asked_by),
        ];
        let metadata = if self.options.asked_by.is_empty() { &metadata[..3] } else { &metadata[..] };
        let request = direct::request(method.path, metadata, &message.encode_to_vec())?;
        let mut stream = connect::first_blocking(&self.options.places, limit)?;
        R::decode(&*direct::exchange(&mut stream, &request, deadline)?).ok()
    }

    /// Makes a call with a stream of answers.
    pub(crate) async fn open<M: Message, R: Message + Default>(
        &self,
        call: Call,
        method: Streamed<M, R>,
        message: M,
    ) -> Result<Events<R>, Error> {
        let (_, answers) = self.run(call, method.path, message.encode_to_vec().into()).await?;
        Ok(Events::of(answers))
    }

    /// Makes one call: finds the agent and asks it, tries the next socket if the agent of another folder
    /// answers, and repeats the call if the connection was lost and the call may be repeated. A call with a
    /// time limit returns together with its first answer.
    fn run(&self, call: Call, path: &'static str, message: Bytes) -> Way<'_> {
        Box::pin(self.way(call, path, message))
    }

    async fn way(&self, call: Call, path: &'static str, message: Bytes) -> Result<Answers, Error> {
        let until = Instant::now() + call.within.unwrap_or(self.options.deadline);
        let may_start = call.may_start && self.options.start_agent && !self.options.places.socket_is_chosen;
        let answered_within = call.answered_within;
        let mut search = Search { until, may_start, starts: 0, from: 0, answered_within, refusal: None };
        let mut pause = FIRST_PAUSE;
        loop {
            let timed = call.within.is_some();
            match self.attempt(&mut search, timed, path, message.clone()).await {
                Ok(answers) => return Ok(answers),
                // Try the next candidate at once. This ends, because each attempt leaves one fewer.
                Err(error) if error.is_other_agent() => {}
                Err(Error::Lost(_)) if call.repeatable && Instant::now() + pause < until => {
                    sleep(pause).await;
                    pause = LONGEST_PAUSE.min(pause * 2);
                }
                Err(Error::NoAgent) => return Err(search.refusal.unwrap_or_else(|| self.nobody())),
                Err(error) => return Err(error),
            }
        }
    }

    async fn attempt(
        &self,
        search: &mut Search,
        timed: bool,
        path: &'static str,
        message: Bytes,
    ) -> Result<Answers, Error> {
        let link = self.link(search).await?;
        let place = link.place;
        let until = search.answer_by();
        let request = self.request(message, timed.then_some(until));
        let answer = match timed {
            true => {
                let answer = timeout_at(until + GRACE, one(link, path, request)).await;
                answer.map_err(|_| self.silent())?
            }
            false => {
                // A stream begins at once, however long it then takes.
                let answers = timeout_at(until + GRACE, link.call(path, request)).await;
                answers.map_err(|_| self.silent())?.map(|answers| (None, answers))
            }
        };
        let error = match answer {
            Ok(answer) => return Ok(answer),
            Err(status) => Error::from(status),
        };
        // A server also answers CANCELLED if it is the first to see the deadline pass.
        if timed && matches!(error, Error::Ended(_)) && Instant::now() >= until {
            return Err(Error::TimedOut);
        }
        if error.is_other_agent() {
            search.from = place + 1;
            search.refusal = Some(error.clone());
        }
        if error.is_other_agent() || matches!(error, Error::Lost(_)) {
            self.keep(None);
        }
        Err(error)
    }

    /// The open connection, or a new one. Blocks the thread while the agent's backlog is full.
    async fn link(&self, search: &mut Search) -> Result<Link, Error> {
        if let Some(link) = self.kept().filter(|link| !link.is_closed()) {
            return Ok(link);
        }
        loop {
            match connect::search(&self.options.places, search.from, search.answer_by()) {
                Ok(found) => {
                    let link = Link::open(found).await?;
                    self.keep(Some(link.clone()));
                    return Ok(link);
                }
                Err(Miss::Nobody) if search.may_start && search.starts < MOST_STARTS => {
                    autostart::launch(self.options.search_path.as_deref(), search.until).await?;
                    search.starts += 1;
                    // The new agent may listen at any place; an agent that refused before will refuse again.
                    search.from = 0;
                }
                Err(Miss::Nobody) => return Err(Error::NoAgent),
                Err(Miss::Silent) => return Err(self.silent()),
                Err(Miss::Failed(Error::Sandboxed { why, .. })) if !self.options.asked_by.is_empty() => {
                    return Err(Error::Sandboxed {
                        of: format!("the sandbox of {}", self.options.asked_by),
                        why,
                    });
                }
                Err(Miss::Failed(error)) => return Err(error),
            }
        }
    }

    /// The agent accepts connections, or its backlog is full, and it says nothing.
    fn silent(&self) -> Error {
        Error::Silent(self.recorded_pid())
    }

    fn nobody(&self) -> Error {
        match self.options.places.sockets.first() {
            Some(chosen) if self.options.places.socket_is_chosen => Error::NobodyAtChosen(chosen.clone()),
            _ => Error::NoAgent,
        }
    }

    fn request(&self, message: Bytes, until: Option<Instant>) -> Request<Bytes> {
        let mut request = Request::new(message);
        if let Some(until) = until {
            request.set_timeout(until.saturating_duration_since(Instant::now()));
        }
        let store = &self.options.credential_store;
        let headers = [
            (CONFIG_HEADER, &self.options.places.tag),
            (REQUEST_ID_HEADER, &self.request_id),
            (STORE_HEADER, store),
            (ASKED_BY_HEADER, &self.options.asked_by),
        ];
        for (name, value) in headers.into_iter().filter(|(_, value)| !value.is_empty()) {
            // A program may set a value that is not valid in a header; then it is not sent.
            if let Ok(value) = MetadataValue::<Ascii>::try_from(value) {
                request.metadata_mut().insert(name, value);
            }
        }
        request
    }

    /// Makes sure that an agent could be started.
    pub(crate) async fn can_start(&self) -> Result<(), Error> {
        if self.options.places.socket_is_chosen {
            return Err(self.nobody());
        }
        let until = Instant::now() + self.options.deadline;
        autostart::check(self.options.search_path.as_deref(), until).await
    }

    /// The process of the agent, as it has recorded it.
    pub(crate) fn recorded_pid(&self) -> Option<u32> {
        connect::recorded_pid(&self.options.places)
    }

    /// Waits until the agent `pid` no longer listens where the last call went. Where others call all the time, the
    /// next agent listens there before anybody could see that nobody does.
    pub(crate) async fn gone(&self, pid: Option<u32>, limit: Duration) -> Result<(), Error> {
        let Some(link) = self.kept() else { return Ok(()) };
        let until = Instant::now() + limit;
        let is_followed = || self.recorded_pid().is_some_and(|now| pid.is_some_and(|pid| pid != now));
        while Instant::now() < until {
            if is_followed() {
                return Ok(());
            }
            match connect::dial(&link.socket, until) {
                Ok(_) => sleep(FIRST_PAUSE).await,
                Err(Miss::Nobody) => return Ok(()),
                Err(Miss::Silent) => break,
                Err(Miss::Failed(error)) => return Err(error),
            }
        }
        Err(self.silent())
    }

    fn kept(&self) -> Option<Link> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, link: Option<Link>) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = link;
    }
}

/// Makes a call and waits for its first answer, which is the only one unless the method streams.
async fn one(link: Link, path: &'static str, request: Request<Bytes>) -> Result<Answers, Status> {
    let mut answers = link.call(path, request).await?;
    Ok((answers.message().await?, answers))
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route").field("options", &self.options).finish_non_exhaustive()
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests;
