//! The gRPC services: each method parses, asks the registry or a worker, and converts. Rights follow
//! services: a restricted socket registers fewer of them.

pub(crate) mod calls;
pub(crate) mod choices;
pub(crate) mod control;
pub(crate) mod convert;
pub(crate) mod describe;
pub(crate) mod imports;
pub(crate) mod leases;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod sessions;
pub(crate) mod standard;
pub(crate) mod status;
pub(crate) mod token_files;
pub(crate) mod tokens;
pub(crate) mod watcher;

use std::sync::Arc;
use std::time::Duration;

use seqera_agent_proto::MAX_MESSAGE_BYTES;
use seqera_agent_proto::v1::control_server::ControlServer;
use seqera_agent_proto::v1::imports_server::ImportsServer;
use seqera_agent_proto::v1::leases_server::LeasesServer;
use seqera_agent_proto::v1::sessions_server::SessionsServer;
use seqera_agent_proto::v1::token_files_server::TokenFilesServer;
use seqera_agent_proto::v1::tokens_server::TokensServer;
use tonic::Request;
use tonic::service::RoutesBuilder;

use crate::clock::Moment;
use crate::providers::known::Providers;
use crate::sessions::registry::Registry;

/// How long a caller waits that sets no deadline.
const PATIENCE: Duration = Duration::from_secs(30);

/// Kept back from a caller's deadline, so that it reads our error and not its own time-out.
const MARGIN: Duration = Duration::from_millis(200);

/// All services of the owner's socket.
pub(crate) fn routes(
    registry: Arc<Registry>,
    providers: Arc<Providers>,
    host: Arc<dyn control::Host>,
) -> RoutesBuilder {
    let imports = crate::imports::Imports::new(Arc::clone(&registry), Arc::clone(&providers));
    let imports = ImportsServer::new(imports::Imports(Arc::new(imports)));
    let home = crate::process::config::home();
    let files = home
        .map(|home| Arc::new(crate::imports::token_files::TokenFiles::new(&home, &registry.shared.places)));
    let token_files = token_files::TokenFiles { registry: Arc::clone(&registry), files };
    let token_files = TokenFilesServer::new(token_files);
    let tokens = TokensServer::new(tokens::Tokens { registry: Arc::clone(&registry) });
    let sessions = SessionsServer::new(sessions::Sessions {
        registry: Arc::clone(&registry),
        providers: Arc::clone(&providers),
    });
    let leases = LeasesServer::new(leases::Leases { registry: Arc::clone(&registry) });
    let control = ControlServer::new(control::Control { registry, providers, host });
    let mut routes = RoutesBuilder::default();
    routes
        .add_service(tokens.max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(token_files.max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(sessions.max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(imports.max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(leases.max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(control.max_decoding_message_size(MAX_MESSAGE_BYTES));
    routes
}

/// Until when the caller waits (`grpc-timeout`, gRPC over HTTP/2).
pub(crate) fn until<T>(request: &Request<T>, now: Moment) -> Moment {
    let header = request.metadata().get("grpc-timeout").and_then(|value| value.to_str().ok());
    let patience = header.and_then(parse_timeout).unwrap_or(PATIENCE);
    let margin = MARGIN.min(patience / 4);
    now.plus((patience - margin).min(Duration::from_secs(3600)))
}

/// At most eight digits and a unit.
fn parse_timeout(header: &str) -> Option<Duration> {
    let (digits, unit) = header.split_at_checked(header.len().checked_sub(1)?)?;
    let value: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(value.checked_mul(3600)?)),
        "M" => Some(Duration::from_secs(value.checked_mul(60)?)),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_read_as_grpc_writes_them() {
        assert_eq!(parse_timeout("30S"), Some(Duration::from_secs(30)));
        assert_eq!(parse_timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(parse_timeout("1000000u"), Some(Duration::from_secs(1)));
        for bad in ["", "S", "5", "5x", "-1S", "é"] {
            assert_eq!(parse_timeout(bad), None, "{bad}");
        }
    }
}
