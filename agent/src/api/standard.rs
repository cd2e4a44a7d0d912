//! The standard gRPC services: health (`grpc.health.v1`) and reflection. Reflection is served in both
//! versions, because older tools know only `v1alpha`.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::task::{Context, Poll};

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

/// Adds the standard services. The reporter is for [`stop_serving`].
pub(crate) fn add(routes: &mut RoutesBuilder) -> HealthReporter {
    let (reporter, health) = health_reporter();
    routes.add_service(health).add_service(Described::<V1>::new()).add_service(Described::<V1Alpha>::new());
    reporter
}

/// A version of reflection. It is built for each call and forgotten: what it knows of the contract, once decoded,
/// would be a third of the memory of an idle agent, and hardly anybody asks.
struct Described<V>(PhantomData<fn() -> V>);

impl<V> Described<V> {
    fn new() -> Self {
        Self(PhantomData)
    }
}

impl<V> Clone for Described<V> {
    fn clone(&self) -> Self {
        Self::new()
    }
}

/// What the versions differ in.
trait Version: 'static {
    const SERVICE: &'static str;
    /// Answers one call.
    fn answer(
        builder: Builder<'_>,
        request: Request<Body>,
    ) -> Result<Answer, tonic_reflection::server::Error>;
}

type Answer = BoxFuture<Response<Body>, Infallible>;

struct V1;

impl Version for V1 {
    const SERVICE: &'static str = "grpc.reflection.v1.ServerReflection";

    fn answer(
        builder: Builder<'_>,
        request: Request<Body>,
    ) -> Result<Answer, tonic_reflection::server::Error> {
        Ok(builder.build_v1()?.call(request))
    }
}

struct V1Alpha;

impl Version for V1Alpha {
    const SERVICE: &'static str = "grpc.reflection.v1alpha.ServerReflection";

    fn answer(
        builder: Builder<'_>,
        request: Request<Body>,
    ) -> Result<Answer, tonic_reflection::server::Error> {
        Ok(builder.build_v1alpha()?.call(request))
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
        let builder = Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
        V::answer(builder, request).unwrap_or_else(|error| {
            let status = Status::internal(error.to_string());
            Box::pin(std::future::ready(Ok(status.into_http())))
        })
    }
}

/// Makes the health service report that this agent is stopping. The empty name stands for the whole server.
pub(crate) async fn stop_serving(reporter: &HealthReporter) {
    reporter.set_service_status("", ServingStatus::NotServing).await;
}
