//! What is logged and counted around a call.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use prost::Message;
use tokio::time::timeout;
use tonic_types::StatusExt;
use tower::Layer;
use tracing::Dispatch;
use tracing::subscriber::DefaultGuard;

use super::*;
use crate::socket::limits::Limits;
use crate::socket::peers::Peer;
use crate::socket::shares::{Admission, Shares};

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
    // While there is just one subscriber, tracing asks that of the thread which comes first whether a line is wanted
    // at all; another test's has none.
    static ANOTHER: LazyLock<Dispatch> =
        LazyLock::new(|| tracing_subscriber::fmt().with_writer(std::io::sink).finish().into());
    LazyLock::force(&ANOTHER);
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
    let activity = Activity::new();
    let admission = Shares::new(Limits::of_descriptors(256)).admit(peer.holder(), &activity);
    let Admission::Seat(seat) = admission else { panic!("{admission:?}") };
    Caller { peer, activity, seat }
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

#[tokio::test(start_paused = true)]
async fn a_caller_whose_deadline_is_over_is_told_so_and_the_call_is_given_up() {
    let (lines, _guard) = listen();
    let mut service = CallLayer::new("tag", Activity::new()).layer(Slow(Duration::from_secs(3600)));
    let mut request = request(&caller());
    request.headers_mut().insert("grpc-timeout", "7S".parse().unwrap());
    let start = Instant::now();
    let response = service.call(request).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 7);
    let status = Status::from_header_map(response.headers()).unwrap();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    drop(response);
    assert!(lines.try_recv().unwrap().contains("outcome=DeadlineExceeded"));
}

#[tokio::test]
async fn beyond_the_share_of_a_process_calls_are_refused_with_a_reason_and_ones_that_end_make_room() {
    let mut service = CallLayer::new("tag", Activity::new()).layer(Slow(Duration::from_secs(3600)));
    let caller = caller();
    let login = || {
        let mut request = request(&caller);
        *request.uri_mut() = LOGIN.parse().unwrap();
        request
    };
    let mut logins: Vec<_> = (0..4).map(|_| service.call(login())).collect();
    let refused = service.call(login()).await.unwrap();
    let status = Status::from_header_map(refused.headers()).unwrap();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(status.get_details_error_info().unwrap().reason, "TOO_MANY");
    assert!(status.get_details_retry_info().is_none(), "a client must not be told to try again");
    logins.pop();
    let mut next = service.call(login());
    assert!(timeout(Duration::from_millis(5), &mut next).await.is_err(), "it runs");
    let plain = service.call(request(&caller));
    assert!(timeout(Duration::from_millis(5), plain).await.is_err(), "other calls have a share of their own");
}

#[test]
fn every_method_that_streams_its_answer_is_known_to_last_or_to_end_by_itself() {
    const END: [&str; 2] = ["/seqera.agent.v1.Sessions/Logout", "/seqera.agent.v1.Control/Diagnose"];
    let described = prost_types::FileDescriptorSet::decode(seqera_agent_proto::DESCRIPTORS).unwrap();
    let mut streaming = Vec::new();
    for file in described.file {
        for service in &file.service {
            let streams = service.method.iter().filter(|method| method.server_streaming());
            let path = |name: &str| format!("/{}.{}/{name}", file.package(), service.name());
            streaming.extend(streams.map(|method| path(method.name())));
            assert!(
                !service.method.iter().any(|method| method.client_streaming()),
                "a request is one message"
            );
        }
    }
    let (lasting, ending): (Vec<_>, Vec<_>) =
        streaming.iter().map(String::as_str).partition(|path| *path == LOGIN || LASTING.contains(path));
    assert_eq!((lasting.len(), ending.len()), (2, 2), "{streaming:?}");
    assert!(ending.iter().all(|path| END.contains(path)), "{ending:?}");
}

/// The methods of the contract.
fn methods() -> Vec<String> {
    let set = prost_types::FileDescriptorSet::decode(seqera_agent_proto::DESCRIPTORS).unwrap();
    let of_file = |file: prost_types::FileDescriptorProto| {
        let package = file.package().to_owned();
        let of_service = move |service: prost_types::ServiceDescriptorProto| {
            let (package, name) = (package.clone(), service.name().to_owned());
            service.method.into_iter().map(move |method| format!("/{package}.{name}/{}", method.name()))
        };
        file.service.into_iter().flat_map(of_service).collect::<Vec<_>>()
    };
    set.file.into_iter().flat_map(of_file).collect()
}

#[test]
fn the_calls_that_are_named_here_are_calls_of_the_contract() {
    let methods = methods();
    for named in ASKING.iter().chain(&[LOGIN, LASTING[0]]) {
        assert!(methods.iter().any(|method| method == named), "{named} is none of {methods:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_ask_others_run_some_at_a_time_and_those_for_a_token_never_wait_behind_them() {
    let service = CallLayer::new("tag", Activity::new()).layer(Slow(Duration::from_secs(10)));
    let caller = caller();
    let call = |path: &str| {
        let mut request = request(&caller);
        *request.uri_mut() = path.parse().unwrap();
        let mut service = service.clone();
        let start = Instant::now();
        async move {
            service.call(request).await.unwrap();
            start.elapsed().as_secs()
        }
    };
    let asking = futures_util::future::join_all((0..12).map(|_| call(ASKING[0])));
    let tokens =
        futures_util::future::join_all((0..12).map(|_| call("/seqera.agent.v1.Tokens/GetAccessToken")));
    let (asking, tokens) = tokio::join!(asking, tokens);
    assert_eq!(tokens, [10; 12]);
    assert_eq!(asking, [[10; 6], [20; 6]].concat());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_asks_others_has_no_turn_before_it_is_whole_and_none_after_its_deadline() {
    let service = CallLayer::new("tag", Activity::new()).layer(Slow(Duration::from_secs(10)));
    let caller = caller();
    let endless = || {
        Body::new(http_body_util::StreamBody::new(futures_util::stream::pending::<
            Result<hyper::body::Frame<hyper::body::Bytes>, Status>,
        >()))
    };
    let call = |body, deadline: Option<&'static str>| {
        let mut request = request(&caller).map(|_| body);
        *request.uri_mut() = ASKING[0].parse().unwrap();
        if let Some(text) = deadline {
            request.headers_mut().insert("grpc-timeout", text.parse().unwrap());
        }
        let mut service = service.clone();
        let start = Instant::now();
        async move {
            let code =
                Status::from_header_map(service.call(request).await.unwrap().headers()).unwrap().code();
            (code, start.elapsed().as_secs())
        }
    };
    let silent = futures_util::future::join_all((0..10).map(|_| call(endless(), None)));
    let asking = futures_util::future::join_all((0..7).map(|_| call(Body::empty(), Some("12S"))));
    let (silent, asking) = tokio::join!(silent, asking);
    assert!(silent.iter().all(|answer| *answer == (Code::InvalidArgument, 5)), "{silent:?}");
    assert_eq!(asking[..6], [(Code::NotFound, 10); 6]);
    assert_eq!(asking[6], (Code::DeadlineExceeded, 12));
}
