//! What every gRPC server offers beside its own services: health (`grpc.health.v1`) and reflection, the
//! latter in both versions, because older tools know `v1alpha` only.

use seqera_agent_proto::DESCRIPTORS;
use tonic::service::RoutesBuilder;
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, health_reporter};
use tonic_reflection::server::Builder;

use crate::error::AgentError;

/// Adds the standard services. The reporter is for [`stop_serving`].
///
/// # Errors
/// Where the contract's own descriptors do not decode: a broken build.
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

/// From now on health says that this agent stops. The empty name is the server as a whole.
pub(crate) async fn stop_serving(reporter: &HealthReporter) {
    reporter.set_service_status("", ServingStatus::NotServing).await;
}
