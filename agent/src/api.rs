//! The gRPC services. Each method parses its request, asks the registry or a worker, and converts the answer.
//! Access is granted per service: a restricted socket registers fewer of them.

pub(crate) mod adoption;
mod body;
pub(crate) mod calls;
pub(crate) mod choices;
pub(crate) mod control;
pub(crate) mod convert;
mod deadline;
pub(crate) mod imports;
mod lease_elsewhere;
pub(crate) mod leases;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod sessions;
pub(crate) mod standard;
pub(crate) mod status;
pub(crate) mod token_files;
pub(crate) mod tokens;
pub(crate) mod watcher;
mod wishes;

use std::path::Path;
use std::sync::Arc;

use seqera_agent_proto::MAX_MESSAGE_BYTES;
use seqera_agent_proto::v1::control_server::ControlServer;
use seqera_agent_proto::v1::imports_server::ImportsServer;
use seqera_agent_proto::v1::leases_server::LeasesServer;
use seqera_agent_proto::v1::sessions_server::SessionsServer;
use seqera_agent_proto::v1::token_files_server::TokenFilesServer;
use seqera_agent_proto::v1::tokens_server::TokensServer;
use tonic::service::RoutesBuilder;

use crate::providers::Issuers;
use crate::providers::known::Providers;
use crate::sessions::registry::Registry;

/// All services of the owner's socket. `home` is the user's home folder, if known.
pub(crate) fn routes(
    registry: Arc<Registry>,
    providers: Arc<Providers>,
    host: Arc<dyn control::Host>,
    home: Option<&Path>,
) -> RoutesBuilder {
    let imports = crate::imports::Imports::new(Arc::clone(&registry), Arc::clone(&providers));
    let imports =
        ImportsServer::new(imports::Imports { registry: Arc::clone(&registry), imports: Arc::new(imports) });
    let files = home
        .map(|home| Arc::new(crate::imports::token_files::TokenFiles::new(home, &registry.shared.places)));
    let token_files = token_files::TokenFiles { registry: Arc::clone(&registry), files };
    let token_files = TokenFilesServer::new(token_files);
    let tokens = TokensServer::new(tokens::Tokens { registry: Arc::clone(&registry) });
    let sessions = SessionsServer::new(sessions::Sessions {
        registry: Arc::clone(&registry),
        providers: Arc::clone(&providers) as Arc<dyn Issuers>,
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

#[cfg(test)]
mod tests;
