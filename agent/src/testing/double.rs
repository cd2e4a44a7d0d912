//! A provider for tests on a real loopback socket. It sends the scripted answers byte for byte, and records
//! the requests.

mod key;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

pub(crate) use self::key::{forged, jwks, jwt, jwt_with, signed_with_secret, strangers_jwks, unsigned};

/// How the double answers a request.
#[derive(Clone)]
pub(crate) enum Script {
    /// Sends these bytes and closes the connection.
    Bytes(Vec<u8>),
    /// Sends these bytes, then nothing more, and leaves the connection open.
    Hang(Vec<u8>),
    /// Sends a correct head and a body that never ends.
    Endless,
    /// Resets the connection without an answer.
    Reset,
}

/// A complete answer.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Script {
    let mut text = format!("HTTP/1.1 {status} Scripted\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    Script::Bytes(format!("{text}\r\n{body}").into_bytes())
}

/// A complete answer in JSON.
pub(crate) fn json_answer(status: u16, body: &Value) -> Script {
    answer(status, &[("content-type", "application/json")], &body.to_string())
}

/// An answer whose `Content-Length` promises more than the body that follows.
pub(crate) fn cut_answer(status: u16, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} Scripted\r\ncontent-length: {}\r\n\r\n{body}", body.len() + 100).into_bytes()
}

/// One request as it was received.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// The method and the path without the query, such as `POST /token`.
    pub(crate) route: String,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Seen {
    /// A field of the posted form.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let mut pairs = url::form_urlencoded::parse(self.body.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

#[derive(Default)]
struct State {
    scripts: Mutex<HashMap<String, VecDeque<Script>>>,
    seen: Mutex<Vec<Seen>>,
    came: Notify,
}

/// The running double; it stops when dropped.
pub(crate) struct Double {
    /// `http://127.0.0.1:<port>`, which is also the authority.
    pub(crate) url: String,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

impl Double {
    /// A double that answers 404 until something is scripted.
    pub(crate) async fn bare() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, state.clone()));
        Self { url, state, _tasks: tasks }
    }

    /// A double with a discovery document and signing keys.
    pub(crate) async fn provider() -> Self {
        let double = Self::bare().await;
        double.script("GET /.well-known/openid-configuration", json_answer(200, &double.discovery()));
        double.script("GET /jwks", json_answer(200, &key::jwks()));
        double
    }

    /// The discovery document of [`Self::provider`].
    pub(crate) fn discovery(&self) -> Value {
        let url = &self.url;
        json!({
            "issuer": url,
            "authorization_endpoint": format!("{url}/authorize"),
            "token_endpoint": format!("{url}/token"),
            "revocation_endpoint": format!("{url}/revoke"),
            "jwks_uri": format!("{url}/jwks"),
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
        })
    }

    /// Answers every request to `route` (such as `POST /token`) with `script` from now on.
    pub(crate) fn script(&self, route: &str, script: Script) {
        self.scripts(route, [script]);
    }

    /// Answers requests to `route` with one script after the other, then always with the last.
    pub(crate) fn scripts(&self, route: &str, scripts: impl IntoIterator<Item = Script>) {
        self.state.scripts.lock().unwrap().insert(route.to_owned(), scripts.into_iter().collect());
    }

    /// The requests to a route so far.
    pub(crate) fn seen(&self, route: &str) -> Vec<Seen> {
        let seen = self.state.seen.lock().unwrap();
        seen.iter().filter(|seen| seen.route == route).cloned().collect()
    }

    /// All requests so far.
    pub(crate) fn all_seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// Waits until there has been a request to this route.
    pub(crate) async fn wait_for(&self, route: &str) {
        loop {
            let came = self.state.came.notified();
            if !self.seen(route).is_empty() {
                return;
            }
            came.await;
        }
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, state.clone()));
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    let Some(seen) = read(&mut stream).await else { return };
    let script = {
        let mut scripts = state.scripts.lock().unwrap();
        let queue = scripts.entry(seen.route.clone()).or_default();
        let next = if queue.len() > 1 { queue.pop_front() } else { queue.front().cloned() };
        next.unwrap_or_else(|| answer(404, &[], "no such page"))
    };
    state.seen.lock().unwrap().push(seen);
    state.came.notify_waiters();
    // An error means that the client has gone, which some tests cause on purpose.
    match script {
        Script::Bytes(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Script::Hang(bytes) => {
            let _ = stream.write_all(&bytes).await;
            std::future::pending::<()>().await;
        }
        Script::Endless => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
        }
        Script::Reset => stream.set_zero_linger().unwrap(),
    }
}

async fn read(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if body.len() < length.unwrap_or(0) {
            continue;
        }
        let mut words = head.split_whitespace();
        let (method, target) = (words.next()?, words.next()?);
        let path = target.split('?').next()?;
        return Some(Seen {
            route: format!("{method} {path}"),
            head: head.to_owned(),
            body: body.to_owned(),
        });
    }
}
