//! The agent as a library.

pub mod attempts;
pub mod clock;
pub mod durable;
pub mod error;
pub mod http;
pub mod issuer;
pub mod login;
pub mod loopback;
pub mod page;
pub mod platform;
pub mod profile;
pub mod record;
pub mod schedule;
pub mod session;
pub mod state;
pub mod store;
mod summary;
pub mod token;
pub mod verdict;
