//! A stand-in for the agent: a real gRPC server on a real socket, with answers that a test chooses.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use seqera_agent_proto::place::Places;
use seqera_agent_proto::reason::DOMAIN;
use seqera_agent_proto::v1::tokens_server::{Tokens, TokensServer};
use seqera_agent_proto::v1::{self, AccessToken, GetAccessTokenRequest, TokenEvent, WatchAccessTokenRequest};
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio_stream::Stream;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::Response;
use tonic::transport::Server;
use tonic_types::{ErrorDetails, StatusExt};

use super::*;
use crate::client::{Client, Want};

const TAG: &str = "0123456789ab";

/// Answers with the metadata of the request, and refuses callers of another configuration folder.
struct StandIn {
    serves: &'static str,
    calls: Arc<AtomicUsize>,
}

#[tonic::async_trait]
impl Tokens for StandIn {
    async fn get_access_token(
        &self,
        request: Request<GetAccessTokenRequest>,
    ) -> Result<Response<AccessToken>, Status> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let header =
            |name| request.metadata().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if header(CONFIG_HEADER) != self.serves {
            let details = ErrorDetails::with_error_info("OTHER_AGENT", DOMAIN, HashMap::new());
            let code = tonic::Code::FailedPrecondition;
            return Err(Status::with_error_details(code, "another folder's agent", details));
        }
        Ok(Response::new(AccessToken {
            access_token: header(REQUEST_ID_HEADER).to_owned(),
            token_type: header("grpc-timeout").to_owned(),
            profile: request.get_ref().profile.clone(),
            ..AccessToken::default()
        }))
    }

    type WatchAccessTokenStream = Pin<Box<dyn Stream<Item = Result<TokenEvent, Status>> + Send>>;

    async fn watch_access_token(
        &self,
        _request: Request<WatchAccessTokenRequest>,
    ) -> Result<Response<Self::WatchAccessTokenStream>, Status> {
        let event = |event| Ok(TokenEvent { event: Some(event) });
        let events = [
            event(v1::token_event::Event::Token(AccessToken::default())),
            event(v1::token_event::Event::SignedOut(v1::SessionState::SignedOut.into())),
            Err(Status::unavailable("stopping")),
        ];
        Ok(Response::new(Box::pin(tokio_stream::iter(events))))
    }
}

struct Home {
    folder: TempDir,
    options: Options,
}

impl Home {
    fn new(sockets: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let places = Places {
            config_dir: folder.path().to_owned(),
            config_is_default: false,
            tag: TAG.into(),
            host_id: "host".into(),
            former_id: None,
            host_name: String::new(),
            sockets: sockets.iter().map(|name| folder.path().join(name)).collect(),
            socket_is_chosen: false,
        };
        let options = Options {
            credential_store: String::new(),
            places,
            profile: "work".into(),
            authority: String::new(),
            deadline: Duration::from_secs(10),
            start_agent: false,
            asked_by: String::new(),
            search_path: None,
        };
        Self { folder, options }
    }

    fn client(&self) -> Client {
        Client::new(self.options.clone())
    }

    /// Serves the folder with tag `serves`, after dropping `drops` connections without an answer.
    fn serve(&self, socket: &str, serves: &'static str, drops: usize) -> Arc<AtomicUsize> {
        let listener = UnixListener::bind(self.folder.path().join(socket)).unwrap();
        let calls = Arc::new(AtomicUsize::new(0));
        let stand_in = StandIn { serves, calls: calls.clone() };
        tokio::spawn(async move {
            for _ in 0..drops {
                drop(listener.accept().await.unwrap());
            }
            let router = Server::builder().add_service(TokensServer::new(stand_in));
            router.serve_with_incoming(UnixListenerStream::new(listener)).await.unwrap();
        });
        calls
    }
}

#[tokio::test]
async fn a_call_carries_folder_profile_request_id_and_deadline() {
    let home = Home::new(&["agent.sock"]);
    home.serve("agent.sock", TAG, 0);
    let client = home.client();
    let token = client.token(Want::default()).await.unwrap();
    assert_eq!((token.secret(), token.profile.as_str()), (client.request_id(), "work"));
    assert!(!token.token_type.is_empty(), "no deadline was sent");
}

#[tokio::test]
async fn calls_share_one_connection() {
    let home = Home::new(&["agent.sock"]);
    let calls = home.serve("agent.sock", TAG, 0);
    let client = home.client();
    client.token(Want::default()).await.unwrap();
    std::fs::remove_file(home.folder.path().join("agent.sock")).unwrap();
    client.token(Want::default()).await.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn the_agent_of_another_folder_is_passed_over() {
    let home = Home::new(&["first.sock", "second.sock", "third.sock"]);
    home.serve("first.sock", "another folder", 0);
    let calls = home.serve("third.sock", TAG, 0);
    let client = home.client();
    client.token(Want::default()).await.unwrap();
    client.token(Want::default()).await.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn where_only_agents_of_other_folders_listen_their_refusal_is_the_answer() {
    let home = Home::new(&["first.sock", "second.sock"]);
    home.serve("first.sock", "another folder", 0);
    home.serve("second.sock", "a third folder", 0);
    let error = home.client().token(Want::default()).await.unwrap_err();
    assert_eq!((error.reason(), error.exit_code()), ("OTHER_AGENT", 69));
}

#[tokio::test]
async fn a_lost_connection_is_dialled_again_for_a_call_that_may_be_repeated() {
    let home = Home::new(&["agent.sock"]);
    let calls = home.serve("agent.sock", TAG, 3);
    home.client().token(Want::default()).await.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_call_that_changes_something_is_not_repeated() {
    let home = Home::new(&["agent.sock"]);
    home.serve("agent.sock", TAG, 1);
    let error = home.client().logout(v1::LogoutRequest::default()).await.unwrap_err();
    assert!(matches!(error, Error::Lost(_)), "{error:?}");
    // The second connection is served, but the stand-in does not know this call.
    let error = home.client().logout(v1::LogoutRequest::default()).await.unwrap_err();
    assert!(matches!(error, Error::Misunderstood(_)), "{error:?}");
}

#[tokio::test]
async fn an_agent_that_never_answers_is_told_from_one_that_needs_its_time() {
    let mut home = Home::new(&["agent.sock"]);
    let _deaf = UnixListener::bind(home.folder.path().join("agent.sock")).unwrap();
    home.options.deadline = Duration::from_millis(50);
    let silent = home.client().token(Want::default()).await.unwrap_err();
    assert_eq!((silent.reason(), silent.exit_code()), ("AGENT_SILENT", 69));
    assert!(
        silent.hint().is_some_and(|hint| hint.contains("agent restart --force")),
        "the hint does not wait"
    );
}

#[tokio::test]
async fn where_nobody_listens_the_error_says_whether_the_socket_was_chosen() {
    let mut home = Home::new(&["agent.sock"]);
    assert_eq!(home.client().info().await.unwrap_err(), Error::NoAgent);
    home.options.places.socket_is_chosen = true;
    home.options.start_agent = true;
    let chosen = home.options.places.sockets[0].clone();
    assert_eq!(home.client().info().await.unwrap_err(), Error::NobodyAtChosen(chosen));
}

#[tokio::test]
async fn a_watch_tells_tokens_and_sign_outs_and_how_it_ended() {
    let home = Home::new(&["agent.sock"]);
    home.serve("agent.sock", TAG, 0);
    let mut watch = home.client().watch().await.unwrap();
    assert!(matches!(watch.next().await, Ok(Some(crate::Change::Token(_)))));
    let signed_out = watch.next().await;
    assert!(matches!(signed_out, Ok(Some(crate::Change::SignedOut(v1::SessionState::SignedOut)))));
    assert_eq!(watch.next().await.unwrap_err(), Error::Lost("stopping".into()));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_token_at_hand_is_that_of_the_ordinary_call_and_anything_else_is_left_to_it() {
    async fn at_hand(home: &Home) -> (Option<crate::Token>, String) {
        let client = home.client();
        let ask = move || (client.token_at_hand(&Want::default()), client.request_id().to_owned());
        tokio::task::spawn_blocking(ask).await.unwrap()
    }
    let home = Home::new(&["agent.sock"]);
    assert!(at_hand(&home).await.0.is_none(), "nobody listens");
    home.serve("agent.sock", TAG, 0);
    let (token, request_id) = at_hand(&home).await;
    let token = token.expect("a running agent answers");
    assert_eq!((token.secret(), token.profile.as_str()), (&*request_id, "work"));
    assert!(token.token_type.ends_with('m'), "no deadline was sent: {}", token.token_type);

    let other = Home::new(&["agent.sock"]);
    other.serve("agent.sock", "another folder", 0);
    assert!(at_hand(&other).await.0.is_none(), "an agent that refuses");
    let dropping = Home::new(&["agent.sock"]);
    dropping.serve("agent.sock", TAG, 1);
    assert!(at_hand(&dropping).await.0.is_none(), "an agent that hangs up");
}
