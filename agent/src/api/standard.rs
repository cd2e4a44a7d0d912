//! The standard gRPC services: health (`grpc.health.v1`) and reflection. Reflection is served in both
//! versions, because older tools know only `v1alpha`.

use seqera_agent_proto::DESCRIPTORS;
use tonic::service::RoutesBuilder;
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, health_reporter};
use tonic_reflection::server::Builder;

use crate::error::AgentError;

/// Adds the standard services. The reporter is for [`stop_serving`].
///
/// # Errors
/// If the contract's own descriptors do not decode, which means that the build is broken.
pub(crate) fn add(routes: &mut RoutesBuilder) -> Result<HealthReporter, AgentError> {
    let (reporter, health) = health_reporter();
    let described = || {
        Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    routes
        .add_service(health)
        .add_service(described().build_v1().map_err(AgentError::internal)?)
        .add_service(described().build_v1alpha().map_err(AgentError::internal)?);
    Ok(reporter)
}

/// Makes the health service report that this agent is stopping. The empty name stands for the whole server.
pub(crate) async fn stop_serving(reporter: &HealthReporter) {
    reporter.set_service_status("", ServingStatus::NotServing).await;
}
