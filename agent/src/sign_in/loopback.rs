//! The listener that receives the redirect of the browser (RFC 8252, section 7.3). Any program on this
//! machine, of any user, and any web page through a browser, can send it requests. So it listens on loopback
//! addresses only, turns away other users where the system can tell, rejects every other host name (DNS
//! rebinding), and limits what one connection may use.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::HOST;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use url::Url;

use crate::error::{AgentError, ErrorKind};
use crate::providers::browser::{CallbackRequest, Landing, Page};
use crate::providers::page;
use crate::sign_in::neighbours::{self, Neighbour};

/// Browsers open connections in advance and leave them idle. An idle connection keeps its place for at most
/// this long.
const READ_LIMIT: Duration = Duration::from_secs(10);
/// More than a browser opens at a time.
const CONNECTIONS: usize = 16;
/// The places for connections whose user is unknown, beside those of this user. Where nobody is known, they are
/// all there is.
const UNKNOWN_CONNECTIONS: usize = if neighbours::KNOWN_HERE { 2 } else { CONNECTIONS };
const HEADER_BYTES: usize = 16 * 1024;
const BODY_BYTES: usize = 64 * 1024;

/// A request, and where its page goes. The browser waits until the page is sent. If the sender is dropped,
/// the browser gets the page that says that the login is over.
pub(crate) struct Visit {
    /// The request. Its `Host` has been checked.
    pub request: CallbackRequest,
    /// Who sent it.
    pub neighbour: Neighbour,
    /// Sends the page to the browser.
    pub reply: oneshot::Sender<Page>,
}

/// The listener. It accepts connections only while somebody waits in [`Self::visit`]. Visits that are being
/// answered when it is dropped still get their answers.
pub(crate) struct Loopback {
    path: &'static str,
    port: u16,
    v4: TcpListener,
    /// `None` on a machine without IPv6. The redirect URI uses IPv4.
    v6: Option<TcpListener>,
    guests: Guests,
    /// True once another user was turned away. The log mentions only the first time.
    strangers_came: bool,
    /// Tells who is at an address that is connected to another one; tests have neighbours of their own.
    look_up: fn(SocketAddr, SocketAddr) -> Neighbour,
    sender: mpsc::Sender<Visit>,
    visits: mpsc::Receiver<Visit>,
}

/// The open connections, oldest first.
#[derive(Default)]
struct Guests(Vec<Guest>);

struct Guest {
    known: bool,
    heard: Arc<Heard>,
    task: AbortHandle,
}

impl Guests {
    /// Makes room for one more. If all places are taken, the oldest connection whose request is not complete
    /// has to go, so that nobody can keep the browser out by saying nothing. Returns false if all requests are
    /// complete, which is so only for a moment, since they are answered at once.
    fn make_room(&mut self, known: bool) -> bool {
        self.0.retain(|guest| !guest.task.is_finished());
        let places = if known { CONNECTIONS } else { UNKNOWN_CONNECTIONS };
        if self.0.iter().filter(|guest| guest.known == known).count() < places {
            return true;
        }
        let silent = self.0.iter().position(|guest| guest.known == known && guest.heard.settle());
        silent.map(|at| self.0.remove(at).task.abort()).is_some()
    }
}

/// Whether a connection has sent its whole request or has lost its place: whichever is first.
#[derive(Default)]
struct Heard(AtomicBool);

impl Heard {
    /// True for the first caller, and for no other.
    fn settle(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }
}

impl Loopback {
    /// Opens the port that the person chose, or the first free one.
    ///
    /// # Errors
    /// `MISCONFIGURED` if the chosen port, or every port, is in use or cannot be opened.
    pub(crate) async fn open(landing: &Landing, chosen: Option<u16>) -> Result<Self, AgentError> {
        let (v4, port) = match chosen {
            Some(port) => bind(port).await.map_err(|error| taken(port, &error))?,
            None => bind_free(landing.ports.clone()).await.map_err(|error| {
                let hint = "check that programs may listen on 127.0.0.1";
                AgentError::new(
                    ErrorKind::Misconfigured,
                    format!("no callback port can be opened: {error}"),
                    hint,
                )
            })?,
        };
        let v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await.ok();
        let (sender, visits) = mpsc::channel(CONNECTIONS);
        Ok(Self {
            path: landing.path,
            port,
            v4,
            v6,
            guests: Guests::default(),
            strangers_came: false,
            look_up: neighbours::look_up,
            sender,
            visits,
        })
    }

    /// The address that the provider redirects the browser to. It uses the IP literal, since `localhost` may
    /// resolve to another address (RFC 8252, section 8.3).
    pub(crate) fn redirect_uri(&self) -> Url {
        let mut url = Url::parse("http://127.0.0.1/").expect("the text is a URL");
        url.set_path(self.path);
        url.set_port(Some(self.port)).expect("an http URL has a port");
        url
    }

    /// Waits for the next request. New connections are accepted only meanwhile.
    pub(crate) async fn visit(&mut self) -> Option<Visit> {
        loop {
            let (stream, peer) = tokio::select! {
                visit = self.visits.recv() => return visit,
                connection = connection(&self.v4, self.v6.as_ref()) => connection,
            };
            // An error means that the peer has gone already.
            if let Ok(local) = stream.local_addr() {
                self.receive(stream, (self.look_up)(peer, local));
            }
        }
    }

    /// Serves a connection if there is room for it. Another user's is closed unread.
    fn receive(&mut self, stream: TcpStream, neighbour: Neighbour) {
        if let Neighbour::Stranger(uid) = neighbour {
            if !std::mem::replace(&mut self.strangers_came, true) {
                tracing::warn!(
                    uid,
                    "another user connected to the callback of a sign-in and was turned away"
                );
            }
            return;
        }
        let known = neighbour == Neighbour::Ours;
        if !self.guests.make_room(known) {
            return;
        }
        let heard = Arc::<Heard>::default();
        let host =
            Host { port: self.port, neighbour, heard: Arc::clone(&heard), visits: self.sender.clone() };
        let task = tokio::spawn(host.converse(stream)).abort_handle();
        self.guests.0.push(Guest { known, heard, task });
    }
}

/// Accepts the next connection.
async fn connection(v4: &TcpListener, v6: Option<&TcpListener>) -> (TcpStream, SocketAddr) {
    loop {
        let accepted = tokio::select! {
            accepted = v4.accept() => accepted,
            accepted = accept_if(v6) => accepted,
        };
        match accepted {
            Ok(accepted) => return accepted,
            // There is no free descriptor. Without a pause this loop would spin until one is closed.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn accept_if(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

async fn bind(port: u16) -> io::Result<(TcpListener, u16)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}

async fn bind_free(first: Range<u16>) -> io::Result<(TcpListener, u16)> {
    for port in first {
        if let Ok(bound) = bind(port).await {
            return Ok(bound);
        }
    }
    bind(0).await
}

fn taken(port: u16, error: &io::Error) -> AgentError {
    let message = match error.kind() {
        io::ErrorKind::AddrInUse => format!("the callback port {port} is in use"),
        _ => format!("the callback port {port} cannot be opened: {error}"),
    };
    let hint = "set SEQERA_AUTH_REDIRECT_PORT to a free port, or unset it to let one be chosen";
    AgentError::new(ErrorKind::Misconfigured, message, hint)
}

/// Serves one connection.
#[derive(Clone)]
struct Host {
    port: u16,
    neighbour: Neighbour,
    heard: Arc<Heard>,
    visits: mpsc::Sender<Visit>,
}

impl Host {
    async fn converse(self, stream: TcpStream) {
        let service = service_fn(move |request| self.clone().answer(request));
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(READ_LIMIT)
            .max_buf_size(HEADER_BYTES)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service)
            .await;
        if let Err(error) = served {
            tracing::debug!(%error, "a connection to the callback listener failed");
        }
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let page = match checked(request, self.port).await {
            Ok(request) if self.heard.settle() => self.page(request).await,
            // The connection has lost its place, and nobody sees this page.
            Ok(_) => page::over(),
            Err(page) => page,
        };
        let mut response = Response::builder().status(StatusCode::from_u16(page.status).unwrap_or_default());
        for (name, value) in &page.headers {
            response = response.header(name, value);
        }
        let body = Full::from(page.body);
        Ok(response.body(body).unwrap_or_else(|_| Response::new(Full::default())))
    }

    async fn page(self, request: CallbackRequest) -> Page {
        let (reply, page) = oneshot::channel();
        let visit = Visit { request, neighbour: self.neighbour, reply };
        match self.visits.send(visit).await {
            Ok(()) => page.await.unwrap_or_else(|_| page::over()),
            Err(_) => page::over(),
        }
    }
}

/// Reads a whole request, and checks that it is meant for this listener.
async fn checked(request: Request<Incoming>, port: u16) -> Result<CallbackRequest, Page> {
    let (head, body) = request.into_parts();
    let hosts = head.headers.get_all(HOST).iter().collect::<Vec<_>>();
    let ours = |host: &str| {
        [format!("127.0.0.1:{port}"), format!("[::1]:{port}"), format!("localhost:{port}")]
            .iter()
            .any(|name| host.eq_ignore_ascii_case(name))
    };
    // There must be exactly one `Host`, ours, and no authority in the request line.
    match hosts.as_slice() {
        [host] if head.uri.authority().is_none() && host.to_str().is_ok_and(ours) => {}
        _ => return Err(page::foreign()),
    }
    let body = timeout(READ_LIMIT, Limited::new(body, BODY_BYTES).collect()).await;
    let Ok(Ok(body)) = body else { return Err(page::malformed()) };
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Ok(CallbackRequest {
        method: head.method.as_str().to_owned(),
        target: head.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: body.to_bytes().to_vec(),
    })
}

#[cfg(test)]
mod tests;
