//! The agent as a library.

pub mod clock;
pub mod error;
pub mod issuer;
pub mod profile;
pub mod store;
pub mod token;
