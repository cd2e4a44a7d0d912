//! One HTTP/2 connection to the agent, with the interface that tonic's calls need. tonic's own channel adds
//! load balancing, reconnection and worker tasks, and a call over one socket needs none of them.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::{Request, Response, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use seqera_agent_proto::MAX_ANSWER_BYTES;
use tonic::body::Body;
use tonic::client::{Grpc, GrpcService};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Status, Streaming};

use crate::codec::Raw;
use crate::connect::Found;

/// The `:authority` of every request. HTTP/2 libraries refuse a socket path there.
fn origin() -> Uri {
    Uri::from_static("http://localhost")
}

#[derive(Clone)]
pub(crate) struct Link {
    sender: SendRequest<Body>,
    /// The index of its socket among the candidates.
    pub(crate) place: usize,
    /// The socket that it is connected to.
    pub(crate) socket: PathBuf,
}

impl Link {
    pub(crate) async fn open(found: Found) -> Result<Self, Status> {
        let io = TokioIo::new(found.stream);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.map_err(lost)?;
        // The task ends with the last sender. Callers learn of a failure through their own requests.
        tokio::spawn(connection);
        Ok(Self { sender, place: found.place, socket: found.socket })
    }

    /// Calls the method at `path`. The answers are not decoded.
    pub(crate) async fn call(
        self,
        path: &'static str,
        message: tonic::Request<Bytes>,
    ) -> Result<Streaming<Bytes>, Status> {
        let mut grpc = Grpc::with_origin(self, origin()).max_decoding_message_size(MAX_ANSWER_BYTES);
        grpc.ready().await?;
        Ok(grpc.server_streaming(message, PathAndQuery::from_static(path), Raw).await?.into_inner())
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

impl GrpcService<Body> for Link {
    type ResponseBody = Body;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Status>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.sender.poll_ready(cx).map_err(lost)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answer = self.sender.send_request(request);
        Box::pin(async move { Ok(answer.await.map_err(lost)?.map(|body| Body::new(body.map_err(lost)))) })
    }
}

/// A broken connection becomes UNAVAILABLE without a reason, the only failure that is retried.
fn lost(cause: hyper::Error) -> Status {
    Status::unavailable(cause.to_string())
}
