//! What the tests and `cargo xtask demo` are built on: the real programs, a sealed home to run them in, the
//! sandbox, a person at a browser, and the real peers.
//!
//! A problem with the environment is a panic that names it, as in any test. Needs Unix.

pub mod binaries;
pub mod browser;
pub mod chromium;
pub mod environment;
pub mod glewlwyd;
pub mod home;
pub mod http;
pub mod jail;
pub mod keycloak;
pub mod keyring;
pub mod leftovers;
#[cfg(target_os = "linux")]
pub mod memory;
pub mod namespaces;
pub mod nextflow;
pub mod oidc_provider;
pub mod process;
pub mod reaper;
pub mod sandbox;
pub mod scitoolkit;
pub mod skip;
pub mod terminal;
pub mod visit;
pub mod vscode;
pub mod wait;
pub mod wine;

pub use binaries::binaries;
pub use home::Home;
pub use process::{Invocation, Run, Running};
pub use sandbox::Sandbox;
pub use skip::skip;
pub use visit::Visit;
pub use wait::{eventually, within};
