//! The standard gRPC services: health (`grpc.health.v1`) and reflection. Reflection is served in both
//! versions, because older tools know only `v1alpha`.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use http_body_util::BodyExt;
use seqera_agent_proto::DESCRIPTORS;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{BoxFuture, Service};
use tonic::server::NamedService;
use tonic::service::RoutesBuilder;
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, health_reporter};
use tonic_reflection::server::Builder;

use crate::lock::lock;

/// Adds the standard services. The reporter is for [`stop_serving`].
pub(crate) fn add(routes: &mut RoutesBuilder) -> HealthReporter {
    let (reporter, health) = health_reporter();
    routes.add_service(health).add_service(Described::<V1>::new()).add_service(Described::<V1Alpha>::new());
    reporter
}

/// A version of reflection. It is built for the calls of one moment and forgotten with the last of them: what it knows
/// of the contract, once decoded, would be a third of the memory of an idle agent, and hardly anybody asks. All of them
/// share it, for whoever opens many would take as much again for each.
struct Described<V> {
    built: Shared,
    version: PhantomData<fn() -> V>,
}

impl<V> Clone for Described<V> {
    fn clone(&self) -> Self {
        Self { built: Arc::clone(&self.built), version: PhantomData }
    }
}

impl<V: Version> Described<V> {
    fn new() -> Self {
        Self { built: Arc::default(), version: PhantomData }
    }

    fn server(&self) -> Result<Use, tonic_reflection::server::Error> {
        let mut built = lock(&self.built);
        let server = match &*built {
            Some(server) => Arc::clone(server),
            None => {
                let builder = Builder::configure()
                    .register_encoded_file_descriptor_set(DESCRIPTORS)
                    .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
                Arc::clone(built.insert(Arc::new(V::build(builder)?)))
            }
        };
        Ok(Use { server, built: Arc::clone(&self.built) })
    }
}

/// What all calls of one moment use.
type Shared = Arc<Mutex<Option<Arc<Answerer>>>>;

/// The use of it by one call. A weak reference in its place would keep a block, and with it pages, from the allocator.
struct Use {
    server: Arc<Answerer>,
    built: Shared,
}

impl Drop for Use {
    fn drop(&mut self) {
        let mut built = lock(&self.built);
        // Itself, and that one.
        if Arc::strong_count(&self.server) == 2 {
            *built = None;
        }
    }
}

type Answer = BoxFuture<Response<Body>, Infallible>;

/// Begins the answer to one call.
type Answerer = Box<dyn Fn(Request<Body>) -> Answer + Send + Sync>;

/// What the versions differ in.
trait Version: 'static {
    const SERVICE: &'static str;
    fn build(builder: Builder<'_>) -> Result<Answerer, tonic_reflection::server::Error>;
}

struct V1;

impl Version for V1 {
    const SERVICE: &'static str = "grpc.reflection.v1.ServerReflection";

    fn build(builder: Builder<'_>) -> Result<Answerer, tonic_reflection::server::Error> {
        let server = builder.build_v1()?;
        Ok(Box::new(move |request| server.clone().call(request)))
    }
}

struct V1Alpha;

impl Version for V1Alpha {
    const SERVICE: &'static str = "grpc.reflection.v1alpha.ServerReflection";

    fn build(builder: Builder<'_>) -> Result<Answerer, tonic_reflection::server::Error> {
        let server = builder.build_v1alpha()?;
        Ok(Box::new(move |request| server.clone().call(request)))
    }
}

impl<V: Version> NamedService for Described<V> {
    const NAME: &'static str = V::SERVICE;
}

impl<V: Version> Service<Request<Body>> for Described<V> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        let server = self.server();
        Box::pin(async move {
            let server = match server {
                Ok(server) => server,
                Err(error) => return Ok(Status::internal(error.to_string()).into_http()),
            };
            let response = (server.server)(request).await?;
            Ok(response.map(|body| {
                Body::new(body.map_frame(move |frame| {
                    // Whoever comes while this answer lasts shares it.
                    let _shared = &server;
                    frame
                }))
            }))
        })
    }
}

/// Makes the health service report that this agent is stopping. The empty name stands for the whole server.
pub(crate) async fn stop_serving(reporter: &HealthReporter) {
    reporter.set_service_status("", ServingStatus::NotServing).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request<Body> {
        let method = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
        Request::post(method).header("content-type", "application/grpc").body(Body::empty()).unwrap()
    }

    #[tokio::test]
    async fn calls_of_one_moment_share_what_is_known_of_the_contract_and_the_last_takes_it_along() {
        let mut first = Described::<V1>::new();
        let mut second = first.clone();
        let answers = [first.call(request()).await.unwrap(), second.call(request()).await.unwrap()];
        let built = Arc::clone(&first.built);
        let uses = || lock(&built).as_ref().map_or(0, |built| Arc::strong_count(built) - 1);
        assert_eq!(uses(), 2);
        let [one, other] = answers;
        drop(one);
        assert_eq!(uses(), 1, "an answer under way keeps it");
        other.into_body().collect().await.unwrap();
        assert_eq!(uses(), 0);
        assert!(
            first.call(request()).await.unwrap().headers().get("grpc-status").is_none(),
            "it is built anew"
        );
    }
}
