//! The two directions: lines of JSON from the assistant, and answers and events of the server. A request has a task of
//! its own, so that a long one holds nobody up.

mod exchange;
mod message;

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use reqwest::{Client, Method, Url};
use seqera_client::proto::configuration::Configuration;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::{Mutex, mpsc};
use tokio::task::{AbortHandle, JoinSet, LocalSet};
use tokio::time::{Instant, timeout};

use self::message::Message;
use crate::events::LARGEST;
use crate::http::{self, Owner, Session};
use crate::problem::Problem;
use crate::source::{Fresh, Source, Wish};
use crate::target;

/// How long the requests that still run may take once the assistant has closed its end.
const LAST: Duration = Duration::from_millis(1500);

/// How long a notification may hold up what follows it, which must not overtake it.
const IN_ORDER: Duration = Duration::from_secs(5);

/// How many messages of the server wait for an assistant that reads slowly.
const WAITING: usize = 16;

/// What the tasks share. All of them run on one thread.
pub(crate) struct Bridge {
    source: Source,
    file: Configuration,
    url: String,
    /// The way to the server, with whom it is for: proxy and certificates are theirs.
    client: std::cell::RefCell<Option<(Owner, Client)>>,
    session: std::cell::RefCell<Session>,
    /// The `initialize` that the assistant sent, for a server that has forgotten the session.
    greeting: std::cell::RefCell<Option<String>>,
    /// Held while a new session is begun.
    beginning: Mutex<()>,
    /// When one was last begun that no message needed, and the pause before the next.
    begun: std::cell::Cell<Option<(Instant, Duration)>>,
    /// By the id of their requests, for cancellations.
    running: std::cell::RefCell<HashMap<String, AbortHandle>>,
    listener: std::cell::RefCell<Option<AbortHandle>>,
}

/// Where messages for the assistant go.
type Out = mpsc::Sender<String>;

impl Bridge {
    pub(crate) fn new(wish: Wish) -> Result<Self, Problem> {
        let (source, file) = Source::new(&wish)?;
        Ok(Self {
            source,
            file,
            url: wish.url,
            client: Default::default(),
            session: Default::default(),
            greeting: Default::default(),
            beginning: Mutex::new(()),
            begun: Default::default(),
            running: Default::default(),
            listener: Default::default(),
        })
    }

    /// Looks whether tokens may go to the address. Where there is no token now, each request says why.
    pub(crate) async fn check(&self) -> Result<(), Problem> {
        match self.source.token(None).await {
            Ok(token) => self.target(&token).map(|_| ()),
            Err(problem) => {
                problem.print();
                Ok(())
            }
        }
    }

    /// Runs until the assistant goes.
    pub(crate) async fn serve(self) -> Result<(), Problem> {
        let bridge = Rc::new(self);
        let (out, messages) = mpsc::channel(WAITING);
        let local = LocalSet::new();
        local
            .run_until(async {
                let mut printer = tokio::task::spawn_local(print(messages));
                let done = tokio::select! {
                    read = read(&bridge, &out) => read,
                    // Its reader has gone.
                    _ = &mut printer => {
                        bridge.leave().await;
                        return Ok(());
                    }
                    () = ended() => Ok(()),
                };
                let _ = timeout(LAST, bridge.give_up(&out)).await;
                drop(out);
                // What has come is still printed.
                let _ = timeout(LAST, printer).await;
                bridge.leave().await;
                done
            })
            .await
    }

    /// Ends what still runs, and answers it: an assistant, or a script, must not take silence for success.
    async fn give_up(&self, out: &Out) {
        self.stop_listening();
        let hint = "keep standard input open until the answers have come";
        let problem = Problem::of_server("the bridge was ended before the server has answered", hint);
        let running = self.running.take();
        if !running.is_empty() {
            problem.print();
        }
        running.values().for_each(AbortHandle::abort);
        for id in running.keys().filter_map(|key| serde_json::from_str(key).ok()) {
            send(out, problem.answer(&id).to_string()).await;
        }
    }

    /// Where a token may go, and the way there.
    fn target(&self, token: &Fresh) -> Result<(Client, Url, Owner), Problem> {
        let url = target::choose(&self.url, &token.profile, &token.authority, &self.file)?;
        let section = target::section(&token.profile, &token.authority, &self.file)?;
        let owner = Owner::of(token, &url);
        let mut client = self.client.borrow_mut();
        // The profile can be another account's by now, with another server and another way there.
        let known = match client.take() {
            Some((of, known)) if of == owner => known,
            _ => http::client(&url, section, &self.file)?,
        };
        let client = client.insert((owner.clone(), known)).1.clone();
        Ok((client, url, owner))
    }

    /// Tells the server that its session is not needed any more (MCP, "Session Management").
    async fn leave(&self) {
        let session = self.session.borrow().clone();
        if session.id.is_empty() {
            return;
        }
        let farewell = async {
            let token = self.source.token(None).await.ok()?;
            let (client, url, owner) = self.target(&token).ok()?;
            if owner != session.owner {
                return None;
            }
            http::send(&client, (Method::DELETE, url), (&token, &session), None, None).await.ok()
        };
        let _ = timeout(LAST, farewell).await;
    }
}

/// Ends when this program has to.
#[cfg(unix)]
async fn ended() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminated) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = terminated.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

#[cfg(windows)]
async fn ended() {
    let _ = tokio::signal::ctrl_c().await;
}

/// Writes messages, each on a line, until the reader has gone.
async fn print(mut messages: mpsc::Receiver<String>) {
    let mut out = tokio::io::stdout();
    while let Some(mut line) = messages.recv().await {
        line.push('\n');
        if out.write_all(line.as_bytes()).await.is_err() || out.flush().await.is_err() {
            return;
        }
    }
}

/// Reads messages to the end of the input, and waits a moment for what still runs then.
async fn read(bridge: &Rc<Bridge>, out: &Out) -> Result<(), Problem> {
    let mut input = BufReader::new(tokio::io::stdin());
    let mut tasks = JoinSet::new();
    loop {
        let mut line = Vec::new();
        let limit = u64::try_from(LARGEST).unwrap_or(u64::MAX);
        let read = (&mut input).take(limit).read_until(b'\n', &mut line).await;
        let read = read.map_err(|error| Problem::new("SYSTEM", 1, format!("cannot read: {error}"), ""))?;
        if read == 0 {
            break;
        }
        if read == LARGEST {
            let what = format!("a message of more than {} MiB is not passed on", LARGEST >> 20);
            return Err(Problem::new("BAD_REQUEST", 2, what, ""));
        }
        let Ok(line) = String::from_utf8(line) else {
            send(out, message::unreadable().to_string()).await;
            continue;
        };
        if !line.trim().is_empty() {
            take(bridge, out, &mut tasks, line.trim().to_owned()).await;
        }
        while tasks.try_join_next().is_some() {}
    }
    let _ = timeout(LAST, async { while tasks.join_next().await.is_some() {} }).await;
    Ok(())
}

/// Passes one message on. A request runs on its own; of other messages each waits for the one before.
async fn take(bridge: &Rc<Bridge>, out: &Out, tasks: &mut JoinSet<()>, line: String) {
    let Some(message) = Message::read(&line) else {
        return send(out, message::unreadable().to_string()).await;
    };
    if message.is_initialize {
        *bridge.greeting.borrow_mut() = Some(line.clone());
    }
    let (cancelled, ids) = (message.cancels.clone(), message.ids.clone());
    let is_request = !ids.is_empty();
    let (of_task, to) = (Rc::clone(bridge), out.clone());
    let keys: Vec<String> = ids.iter().map(Value::to_string).collect();
    let task = tokio::task::spawn_local({
        let keys = keys.clone();
        async move {
            of_task.pass(&to, &message, &line).await;
            keys.iter().for_each(|key| drop(of_task.running.borrow_mut().remove(key)));
        }
    });
    for key in keys {
        bridge.running.borrow_mut().insert(key, task.abort_handle());
    }
    if is_request {
        tasks.spawn_local(async { drop(task.await) });
        return;
    }
    let _ = timeout(IN_ORDER, task).await;
    // The server knows now, and its answer would reach nobody.
    let stopped = cancelled.and_then(|id| bridge.running.borrow_mut().remove(&id.to_string()));
    if let Some(task) = stopped {
        task.abort();
    }
}

/// Hands a message to the assistant, which may have gone.
async fn send(out: &Out, line: String) {
    let _ = out.send(line).await;
}
