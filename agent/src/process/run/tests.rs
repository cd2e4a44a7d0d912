//! Tests of a whole agent without sessions, over its socket.

mod floods;

use std::os::unix::net::UnixStream as BlockingStream;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use seqera_agent_proto::reason::Reason;
use seqera_agent_proto::{CONFIG_HEADER, MAX_MESSAGE_BYTES};
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{BoxFuture, Context, Poll, Service};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

use super::*;
use crate::process::config::Flags;
use crate::process::successor::Unfinished;
use crate::socket::serve::MOST_HEADER_BYTES;

/// A core that can be told whether it has something to keep.
#[derive(Default)]
struct Keeping {
    busy: AtomicBool,
    drained: AtomicBool,
}

#[async_trait]
impl Core for Keeping {
    fn idle(&self) -> bool {
        !self.busy.load(Ordering::SeqCst)
    }

    async fn round(&self) {
        std::future::pending().await
    }

    fn unfinished(&self) -> Unfinished {
        Unfinished::default()
    }

    async fn reload(&self) {}

    async fn drain(&self, _: Duration) {
        self.drained.store(true, Ordering::SeqCst);
    }
}

/// An agent that runs in a home of its own.
struct Agent {
    home: TempDir,
    core: Arc<Keeping>,
    stop: Stop,
    socket: PathBuf,
    ended: JoinHandle<Result<Ended, AgentError>>,
}

impl Agent {
    fn config(home: &TempDir, idle_exit: Duration) -> Config {
        let env = |name: &str| (name == "HOME").then(|| home.path().into());
        let mut config = Config::read(Flags::default(), &env, &Arc::default()).unwrap();
        config.places.sockets = vec![home.path().join("s/agent.sock")];
        config.idle_exit.value = Some(idle_exit);
        config
    }

    async fn start(idle_exit: Duration, busy: bool) -> Self {
        let home = tempfile::tempdir().unwrap();
        let core = Arc::new(Keeping { busy: busy.into(), ..Keeping::default() });
        let stop = Stop::new();
        let (ready, is_ready) = oneshot::channel();
        let config = Self::config(&home, idle_exit);
        let socket = config.places.sockets[0].clone();
        let parts = Parts { routes: tonic::service::Routes::builder(), core: core.clone() };
        let running = run(config, stop.clone(), |_| async { Ok(parts) }, || ready.send(()).unwrap());
        let ended = tokio::spawn(running);
        is_ready.await.unwrap();
        Self { home, core, stop, socket, ended }
    }

    async fn serving() -> Self {
        Self::start(Duration::from_secs(600), true).await
    }

    async fn client(&self) -> HealthClient<Channel> {
        HealthClient::new(Channel::connect(&self.socket).await)
    }

    async fn stopped(self) -> TempDir {
        self.stop.begin("test");
        assert_eq!(self.ended.await.unwrap().unwrap(), Ended::Served);
        self.home
    }
}

/// gRPC over one HTTP/2 connection to a socket.
#[derive(Clone)]
struct Channel(SendRequest<Body>);

impl Channel {
    async fn connect(socket: &std::path::Path) -> Self {
        let stream = TokioIo::new(UnixStream::connect(socket).await.unwrap());
        let (sender, connection) = handshake(TokioExecutor::new(), stream).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<hyper::body::Incoming>;
    type Error = hyper::Error;
    type Future = BoxFuture<Self::Response, hyper::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let path = request.uri().path().to_owned();
        *request.uri_mut() = format!("http://localhost{path}").parse().unwrap();
        Box::pin(self.0.send_request(request))
    }
}

async fn check(client: &mut HealthClient<Channel>) -> Result<i32, Status> {
    let answer = client.check(HealthCheckRequest::default()).await?;
    Ok(answer.into_inner().status)
}

#[tokio::test]
async fn an_agent_serves_until_it_is_told_to_stop_and_leaves_nothing_behind() {
    let agent = Agent::serving().await;
    assert_eq!(check(&mut agent.client().await).await.unwrap(), 1);
    let (socket, core) = (agent.socket.clone(), Arc::clone(&agent.core));
    let home = agent.stopped().await;
    assert!(core.drained.load(Ordering::SeqCst));
    assert!(!socket.exists());
    assert!(!Agent::config(&home, Duration::from_secs(600)).places.agent_json().exists());
}

#[tokio::test]
async fn a_second_agent_of_the_same_places_names_the_first_and_the_first_serves_on() {
    let agent = Agent::serving().await;
    let config = Agent::config(&agent.home, Duration::from_secs(600));
    let assembled = |_| async { panic!("the second agent built a core") };
    let Ended::Elsewhere(running) = run(config, Stop::new(), assembled, || {}).await.unwrap() else {
        panic!("two agents")
    };
    assert_eq!((running.pid, &running.socket), (std::process::id(), &agent.socket));
    assert!(check(&mut agent.client().await).await.is_ok());
}

#[tokio::test]
async fn a_caller_of_another_configuration_folder_is_sent_away() {
    let agent = Agent::serving().await;
    let mut client = agent.client().await;
    let mut ask = async |tag: &str| {
        let mut request = tonic::Request::new(HealthCheckRequest::default());
        request.metadata_mut().insert(CONFIG_HEADER, tag.parse().unwrap());
        client.check(request).await.map(drop)
    };
    let status = ask("0123456789ab").await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    let reason = status.get_details_error_info().unwrap().reason;
    assert_eq!(Reason::from_name(&reason), Some(Reason::OtherAgent));
    let own = Agent::config(&agent.home, Duration::from_secs(600)).places.tag;
    assert!(ask(&own).await.is_ok());
}

#[tokio::test]
async fn a_message_or_header_beyond_the_limit_is_refused_and_others_are_served() {
    let agent = Agent::serving().await;
    let mut client = agent.client().await;
    let service = "x".repeat(MAX_MESSAGE_BYTES);
    let status = client.check(HealthCheckRequest { service }).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    let mut request = tonic::Request::new(HealthCheckRequest::default());
    request.metadata_mut().insert("padding", "x".repeat(MOST_HEADER_BYTES as usize).parse().unwrap());
    assert!(client.check(request).await.is_err());
    assert!(check(&mut agent.client().await).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_half_open_connections_do_not_stop_a_caller() {
    let agent = Agent::serving().await;
    let half_open: Vec<_> = (0..1000).map(|_| BlockingStream::connect(&agent.socket).unwrap()).collect();
    let answered = timeout(Duration::from_secs(10), async {
        check(&mut agent.client().await).await.unwrap();
    });
    assert!(answered.await.is_ok());
    drop(half_open);
}

#[tokio::test]
async fn an_agent_that_nobody_needs_exits_by_itself() {
    let agent = Agent::start(Duration::from_millis(100), false).await;
    assert_eq!(agent.ended.await.unwrap().unwrap(), Ended::Served);
}

#[tokio::test]
async fn an_agent_that_has_something_to_keep_exits_when_that_ends_by_itself() {
    let agent = Agent::start(Duration::from_millis(100), true).await;
    sleep(Duration::from_millis(300)).await;
    assert!(!agent.ended.is_finished());
    agent.core.busy.store(false, Ordering::SeqCst);
    assert_eq!(timeout(Duration::from_secs(60), agent.ended).await.unwrap().unwrap().unwrap(), Ended::Served);
}

#[tokio::test]
async fn an_agent_with_a_session_stays_and_binds_a_removed_socket_again() {
    let agent = Agent::start(Duration::from_millis(100), true).await;
    std::fs::remove_file(&agent.socket).unwrap();
    let again = async {
        while !crate::socket::system::serves(&agent.socket).await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(10), again).await.unwrap();
    assert!(check(&mut agent.client().await).await.is_ok());
    agent.stopped().await;
}

#[tokio::test]
async fn reflection_is_served_in_both_versions() {
    let agent = Agent::serving().await;
    for version in ["v1", "v1alpha"] {
        let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        let request = Request::post(path).header("content-type", "application/grpc").body(Body::empty());
        let mut channel = Channel::connect(&agent.socket).await;
        let response = channel.call(request.unwrap()).await.unwrap();
        let unimplemented = Status::from_header_map(response.headers());
        assert!(unimplemented.is_none_or(|status| status.code() == Code::Ok), "{version}");
    }
}
