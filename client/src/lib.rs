//! Client of the Seqera credential agent.
//!
//! The agent keeps the refresh tokens and renews the access tokens. A program asks it for an access token
//! whenever it needs one:
//!
//! ```no_run
//! use std::time::Duration;
//! use seqera_client::{Access, Error, Want};
//!
//! # async fn example() -> Result<(), Error> {
//! let access = Access::from_env(None)?;
//! let token = access.token(Want { min_valid: Some(Duration::from_secs(300)), ..Want::default() }).await?;
//! let header = format!("{} {}", token.token_type, token.secret());
//! # Ok(())
//! # }
//! ```
//!
//! [`Access`] is for programs: a token in the environment comes first, as with every `seqera` command. [`Client`]
//! below it always asks the agent.
//!
//! One call goes through these modules:
//! - [`access`]: whose token is meant
//! - [`options`]: which agent and which profile, read from the environment
//! - [`client`](Client): one method for each call
//! - `route`: finds the right agent, keeps to the deadline, and repeats a call where that is safe
//! - `connect`: finds the socket, rejects one that could be another user's, and connects
//! - `autostart`: starts an agent if none is listening
//! - `reply`, `stream`: the single answer to a call, or its stream of answers
//! - `direct`: one call over a blocking socket, for commands that are called in loops
//! - [`runtime`]: what keeps a program from making a runtime for all this
//! - `link`, `codec`: one HTTP/2 connection, and the messages on it as bytes
//! - [`token`], [`error`]: the token that comes back, or the reason why none does

pub mod access;
mod autostart;
mod client;
mod codec;
mod connect;
#[cfg(target_os = "linux")]
mod direct;
mod end;
pub mod error;
mod link;
pub mod options;
pub mod program;
mod reply;
mod route;
pub mod runtime;
mod stream;
pub mod token;

pub use access::Access;
pub use autostart::agent_program;
pub use client::{Client, Want};
pub use error::{Error, Refusal};
pub use options::Options;
pub use reply::Reply;
pub use seqera_agent_proto as proto;
pub use stream::{Change, Events, Watch};
pub use token::Token;
