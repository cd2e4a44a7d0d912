//! Requests run on a thread of their own. Answers are read by a library, and one that sends interim responses (RFC 9110,
//! section 15.2) or empty chunks without an end keeps a processor busy for as long as its request may take: nobody
//! else is to wait for a token meanwhile. The thread is there only while there are requests.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::body::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Client, Request};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use crate::lock::lock;

/// How long the thread stays for the next request, and for the goodbyes of connections.
const KEPT: Duration = Duration::from_secs(1);
/// Parts of an answer that may lie ready.
const PARTS: usize = 4;

/// The thread, while there is one; or none at all, and requests run where they are made.
pub(super) struct Apart(Option<Arc<Thread>>);

#[derive(Default)]
struct Thread {
    state: Mutex<State>,
    /// Told when the last request has ended.
    idle: Notify,
}

#[derive(Default)]
struct State {
    runtime: Option<Handle>,
    requests: usize,
}

/// What comes of an answer.
pub(super) enum Part {
    Head(u16, HeaderMap),
    Body(Bytes),
    /// It is whole.
    End,
}

/// One exchange, which ends when it is dropped.
pub(super) struct Exchange {
    parts: mpsc::Receiver<Result<Part, reqwest::Error>>,
    task: JoinHandle<()>,
    _use: Option<Use>,
}

/// Keeps the thread until it is dropped.
struct Use(Arc<Thread>);

impl Apart {
    /// No thread: for whoever makes time pass, which another thread would not know of.
    pub(super) fn nowhere() -> Self {
        Self(None)
    }

    /// A thread, from the first request on.
    pub(super) fn new() -> Self {
        Self(Some(Arc::default()))
    }

    /// Sends a request. Where no thread can be had, on this one.
    pub(super) fn begin(&self, client: Client, request: Request) -> Exchange {
        let (runtime, in_use) = match &self.0 {
            Some(thread) => (thread.enter(), Some(Use(Arc::clone(thread)))),
            None => (Handle::current(), None),
        };
        let (sender, parts) = mpsc::channel(PARTS);
        Exchange { parts, task: runtime.spawn(run(client, request, sender)), _use: in_use }
    }
}

impl Thread {
    fn enter(self: &Arc<Self>) -> Handle {
        let mut state = lock(&self.state);
        state.requests += 1;
        if state.runtime.is_none() {
            state.runtime = self.start();
        }
        state.runtime.clone().unwrap_or_else(Handle::current)
    }

    fn start(self: &Arc<Self>) -> Option<Handle> {
        let runtime = Builder::new_current_thread().enable_all().thread_keep_alive(KEPT).build().ok()?;
        let (handle, thread) = (runtime.handle().clone(), Arc::clone(self));
        let run = move || {
            runtime.block_on(thread.unused());
            // A name server that does not answer must not hold it up.
            runtime.shutdown_background();
        };
        std::thread::Builder::new().name("http".into()).spawn(run).ok().map(|_| handle)
    }

    /// Completes once there has been no request for a while. Whoever comes then finds no thread.
    async fn unused(&self) {
        loop {
            self.idle.notified().await;
            tokio::time::sleep(KEPT).await;
            let mut state = lock(&self.state);
            if state.requests == 0 {
                state.runtime = None;
                return;
            }
        }
    }
}

impl Exchange {
    /// The next part; `None` if whatever ran the exchange has ended without a word.
    pub(super) async fn next(&mut self) -> Option<Result<Part, reqwest::Error>> {
        self.parts.recv().await
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.requests -= 1;
        if state.requests == 0 {
            self.0.idle.notify_one();
        }
    }
}

async fn run(client: Client, request: Request, parts: mpsc::Sender<Result<Part, reqwest::Error>>) {
    let answered = async {
        let mut response = client.execute(request).await?;
        let mut part = Part::Head(response.status().as_u16(), std::mem::take(response.headers_mut()));
        while parts.send(Ok(part)).await.is_ok() {
            part = match response.chunk().await? {
                Some(bytes) => Part::Body(bytes),
                None => return Ok(Some(Part::End)),
            };
        }
        Ok(None)
    };
    let last: Result<Option<Part>, reqwest::Error> = answered.await;
    if let Some(last) = last.transpose() {
        let _ = parts.send(last).await;
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    fn get(server: &TcpListener) -> Request {
        let url = format!("http://{}/", server.local_addr().unwrap());
        Request::new(reqwest::Method::GET, url.parse().unwrap())
    }

    /// Reads a request and answers it; returns once that was sent.
    fn serve(server: &TcpListener, interim: usize) {
        let (mut stream, _) = server.accept().unwrap();
        let mut request = [0; 4096];
        assert!(stream.read(&mut request).unwrap() > 0);
        for _ in 0..interim {
            stream.write_all(&b"HTTP/1.1 102 Processing\r\n\r\n".repeat(1000)).unwrap();
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
    }

    #[tokio::test]
    async fn the_thread_of_the_callers_has_no_part_in_an_exchange() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut exchange = Apart::new().begin(Client::new(), get(&server));
        // This one does nothing else until a hundred thousand interim responses have been taken.
        serve(&server, 100);
        assert!(matches!(exchange.next().await, Some(Ok(Part::Head(200, _)))));
        assert!(matches!(exchange.next().await, Some(Ok(Part::Body(body))) if body == "ok"));
        assert!(matches!(exchange.next().await, Some(Ok(Part::End))));
        assert!(exchange.next().await.is_none());
    }

    #[tokio::test]
    async fn the_thread_ends_when_nobody_asks_any_more_and_another_one_is_started() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let apart = Apart::new();
        let thread = Arc::clone(apart.0.as_ref().unwrap());
        for _ in 0..2 {
            let mut exchange = apart.begin(Client::new(), get(&server));
            serve(&server, 0);
            assert!(matches!(exchange.next().await, Some(Ok(Part::Head(200, _)))));
            assert!(lock(&thread.state).runtime.is_some());
            drop(exchange);
            while lock(&thread.state).runtime.is_some() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        assert_eq!(lock(&thread.state).requests, 0);
    }

    #[tokio::test]
    async fn an_exchange_that_is_given_up_closes_its_connection() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let exchange = Apart::new().begin(Client::new(), get(&server));
        let (mut stream, _) = server.accept().unwrap();
        drop(exchange);
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said);
    }
}
