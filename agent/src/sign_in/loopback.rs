//! The listener that receives the redirect of the browser (RFC 8252, section 7.3). Any program on this
//! machine, and any web page through a browser, can send it requests. So it listens on loopback addresses
//! only, rejects every other host name (DNS rebinding), and limits what one connection may use.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::HOST;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use url::Url;

use crate::error::{AgentError, ErrorKind};
use crate::providers::browser::{CallbackRequest, Landing, Page};
use crate::providers::page;

/// Browsers open connections in advance and leave them idle. An idle connection keeps its place for at most
/// this long.
const READ_LIMIT: Duration = Duration::from_secs(10);
const CONNECTIONS: usize = 16;
const HEADER_BYTES: usize = 16 * 1024;
const BODY_BYTES: usize = 64 * 1024;

/// A request, and where its page goes. The browser waits until the page is sent. If the sender is dropped,
/// the browser gets the page that says that the login is over.
pub(crate) struct Visit {
    /// The request. Its `Host` has been checked.
    pub request: CallbackRequest,
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
    places: Arc<Semaphore>,
    sender: mpsc::Sender<Visit>,
    visits: mpsc::Receiver<Visit>,
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
            places: Arc::new(Semaphore::new(CONNECTIONS)),
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
            let (stream, place) = tokio::select! {
                visit = self.visits.recv() => return visit,
                connection = connection(&self.v4, self.v6.as_ref(), &self.places) => connection,
            };
            let (port, sender) = (self.port, self.sender.clone());
            tokio::spawn(async move {
                converse(stream, port, sender).await;
                drop(place);
            });
        }
    }
}

/// Accepts the next connection, once there is a place for it.
async fn connection(
    v4: &TcpListener,
    v6: Option<&TcpListener>,
    places: &Arc<Semaphore>,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // This cannot fail, because the semaphore is never closed.
    let place = places.clone().acquire_owned().await.ok();
    loop {
        let accepted = tokio::select! {
            accepted = v4.accept() => accepted,
            accepted = accept_if(v6) => accepted,
        };
        match accepted {
            Ok((stream, _)) => return (stream, place),
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

async fn converse(stream: TcpStream, port: u16, visits: mpsc::Sender<Visit>) {
    let service = service_fn(move |request| answer(request, port, visits.clone()));
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

async fn answer(
    request: Request<Incoming>,
    port: u16,
    visits: mpsc::Sender<Visit>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let page = match checked(request, port).await {
        Ok(request) => {
            let (reply, page) = oneshot::channel();
            let sent = visits.send(Visit { request, reply }).await.is_ok();
            if sent { page.await.unwrap_or_else(|_| page::over()) } else { page::over() }
        }
        Err(page) => page,
    };
    let mut response = Response::builder().status(StatusCode::from_u16(page.status).unwrap_or_default());
    for (name, value) in &page.headers {
        response = response.header(name, value);
    }
    let body = Full::from(page.body);
    Ok(response.body(body).unwrap_or_else(|_| Response::new(Full::default())))
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
