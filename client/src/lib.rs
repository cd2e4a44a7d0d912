//! Client of the Seqera credential agent.
//!
//! The agent keeps the refresh tokens and renews; a program asks it for access tokens:
//!
//! ```no_run
//! use std::time::Duration;
//! use seqera_client::{Client, Error, Options, Want};
//!
//! # async fn example() -> Result<(), Error> {
//! let client = Client::new(Options::from_env()?);
//! let token = client.token(Want { min_valid: Some(Duration::from_secs(300)), ..Want::default() }).await?;
//! let header = format!("{} {}", token.token_type, token.secret());
//! # Ok(())
//! # }
//! ```
//!
//! One call goes through these modules:
//! - [`options`]: which agent and which profile, read from the environment
//! - [`client`](Client): one method for each call
//! - `route`: the way to the right agent, with deadline and repeats
//! - `connect`: finds the socket, distrusts what is not ours, dials
//! - `autostart`: starts an agent where none listens
//! - `reply`, `stream`: the answer to come, or many
//! - `link`, `codec`: one HTTP/2 connection, and messages as bytes on it
//! - [`token`], [`error`]: what comes back

mod autostart;
mod client;
mod codec;
mod connect;
pub mod error;
mod link;
pub mod options;
mod reply;
mod route;
mod stream;
pub mod token;

pub use client::{Client, Want};
pub use error::{Error, Refusal};
pub use options::Options;
pub use reply::Reply;
pub use seqera_agent_proto as proto;
pub use stream::{Change, Events, Watch};
pub use token::Token;
