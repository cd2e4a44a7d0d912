//! The contract between the agent and its clients: the gRPC services, the reasons of failures, and the
//! places where both sides meet. Nothing else lives here.

pub mod call;
pub mod configuration;
pub mod near;
pub mod place;
pub mod reason;

/// Messages and services of package `seqera.agent.v1`, generated from `proto/seqera/agent/v1`.
#[allow(
    missing_docs,
    clippy::all,
    clippy::too_many_lines,
    clippy::excessive_nesting,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]
pub mod v1 {
    tonic::include_proto!("seqera.agent.v1");
}

/// The methods of the services, generated: `methods::tokens::GET_ACCESS_TOKEN` and so on.
pub mod methods {
    include!(concat!(env!("OUT_DIR"), "/methods.rs"));
}

/// The encoded `FileDescriptorSet` of the contract, for server reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Grows with every addition to the contract; a change that breaks is a new package.
pub const PROTOCOL: u32 = 2;

/// Request metadata: the tag of the caller's configuration folder ([`place::Places::tag`]).
pub const CONFIG_HEADER: &str = "seqera-config-dir";

/// Request metadata: an id that the client draws for one command and the agent's log repeats.
pub const REQUEST_ID_HEADER: &str = "seqera-request-id";

/// Most bytes of a message to the agent.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// Most bytes of an answer: a large Platform has thousands of workspaces, and the agent reads as much of it.
pub const MAX_ANSWER_BYTES: usize = 1 << 20;

/// A proxy's address may come with a password.
impl std::fmt::Debug for v1::Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { proxy, no_proxy, ca_file } = self;
        let proxy = proxy.rsplit('@').next().unwrap_or_default();
        f.debug_struct("Network")
            .field("proxy", &proxy)
            .field("no_proxy", no_proxy)
            .field("ca_file", ca_file)
            .finish()
    }
}
