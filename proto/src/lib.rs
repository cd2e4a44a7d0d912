//! The contract between the agent and its clients: the gRPC services, the reasons for failures, and the
//! places where both sides meet, with the way in which both open the files there, the characters that neither
//! shows, and how both read a value that comes from outside. Beside it lies what both processes have to do about
//! the limits and the signals that they inherit, and about the programs that they start.

pub mod assistant;
pub mod call;
pub mod configuration;
pub mod files;
pub mod limits;
pub mod near;
pub mod place;
#[cfg(unix)]
pub mod programs;
pub mod reason;
pub mod signals;
pub mod text;
pub mod values;

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

/// The methods of the services, generated: `methods::tokens::GET_ACCESS_TOKEN` and so on. A client calls them
/// by these constants.
pub mod methods {
    include!(concat!(env!("OUT_DIR"), "/methods.rs"));
}

/// The encoded `FileDescriptorSet` of the contract, for server reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The version of the contract. It grows with every addition; a breaking change needs a new package.
pub const PROTOCOL: u32 = 6;

/// The commit that this program was built from, as `cargo xtask dist` names it; otherwise `development`.
pub const COMMIT: &str = env!("SEQERA_COMMIT");

/// For which processor and system this program was built, in the words of rustc.
pub const TARGET: &str = env!("SEQERA_TARGET");

/// What `--version` shows after the name of a program: version, commit and target.
pub const BUILD: &str =
    concat!(env!("CARGO_PKG_VERSION"), " (", env!("SEQERA_COMMIT"), ", ", env!("SEQERA_TARGET"), ")");

/// Request metadata: the tag of the caller's configuration folder ([`place::Places::tag`]).
pub const CONFIG_HEADER: &str = "seqera-config-dir";

/// Request metadata: an id that the client generates for one command, and that the agent's log repeats.
pub const REQUEST_ID_HEADER: &str = "seqera-request-id";

/// Request metadata: the coding assistant that the caller works for ([`assistant::asking`]). It is only ever shown: a
/// program can say what it likes.
pub const ASKED_BY_HEADER: &str = "seqera-asked-by";

/// Request metadata: the store that the caller wants secrets to be kept in, where it says so. An agent that keeps
/// them in another way refuses what would store one.
pub const STORE_HEADER: &str = "seqera-credential-store";

/// The largest message to the agent, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// The largest answer, in bytes: a large Platform has thousands of workspaces, and a configuration of the largest
/// size tens of thousands of profiles.
pub const MAX_ANSWER_BYTES: usize = 16 << 20;

/// Leaves out the user and password that a proxy's address may contain.
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
