//! What is logged and counted around a call.

use std::io;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use tokio::time::timeout;
use tower::Layer;
use tracing::subscriber::DefaultGuard;

use super::*;
use crate::socket::peers::Peer;

/// A service that answers `NotFound` after the given time.
#[derive(Clone)]
struct Slow(Duration);

impl Service<Request<Body>> for Slow {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        let answer = tokio::time::sleep(self.0);
        Box::pin(async move {
            answer.await;
            Ok(Status::not_found("canary-message").into_http())
        })
    }
}

/// Sends each line of the log to the test.
struct Lines(Mutex<Sender<String>>);

impl io::Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let _ = self.0.lock().unwrap().send(String::from_utf8_lossy(line).into_owned());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn listen() -> (Receiver<String>, DefaultGuard) {
    let (sender, lines) = channel();
    let writer = Arc::new(Lines(Mutex::new(sender)));
    let log = tracing_subscriber::fmt().with_ansi(false).with_writer(writer).finish();
    (lines, tracing::subscriber::set_default(log))
}

fn request(caller: &Caller) -> Request<Body> {
    let mut request = Request::post("/seqera.agent.v1.Tokens/GetAccessToken")
        .header(REQUEST_ID_HEADER, "id-1")
        .header("authorization", "canary-header")
        .body(Body::empty())
        .unwrap();
    request.extensions_mut().insert(caller.clone());
    request
}

fn caller() -> Caller {
    let peer = Peer { uid: 1000, pid: Some(42), exe: Some("/bin/tool".into()) };
    Caller { peer, activity: Activity::new() }
}

#[tokio::test]
async fn a_call_is_one_line_that_names_who_asked_what_and_tells_no_content() {
    let (lines, _guard) = listen();
    let mut service = CallLayer::new("tag", Activity::new()).layer(Slow(Duration::ZERO));
    let response = service.call(request(&caller())).await.unwrap();
    drop(response);
    let line = lines.try_recv().unwrap();
    for part in ["Tokens/GetAccessToken", "pid=42", "exe=\"/bin/tool\"", "id-1", "outcome=NotFound"] {
        assert!(line.contains(part), "{part} is missing in {line}");
    }
    assert!(!line.contains("canary"), "{line}");
    assert!(lines.try_recv().is_err());
}

#[tokio::test]
async fn a_caller_that_hangs_up_is_logged_as_cancelled_and_counted_until_then() {
    let (lines, _guard) = listen();
    let (all, caller) = (Activity::new(), caller());
    let mut service = CallLayer::new("tag", Arc::clone(&all)).layer(Slow(Duration::from_secs(3600)));
    let mut call = service.call(request(&caller));
    assert!(timeout(Duration::from_millis(5), &mut call).await.is_err());
    assert_eq!((all.quiet_for(), caller.activity.quiet_for()), (Duration::ZERO, Duration::ZERO));
    drop(call);
    assert!(lines.try_recv().unwrap().contains("outcome=Cancelled"));
    assert!(caller.activity.any());
}
