//! The authorization server: RFC 6749 with PKCE, its revocation (RFC 7009), its device flow (RFC 8628) and its
//! discovery; with it the sessions of browsers, since whoever answers for a person needs one.

pub(crate) mod authorize;
mod consent;
pub(crate) mod device;
pub(crate) mod discovery;
mod error;
pub(crate) mod revoke;
pub(crate) mod session;
pub(crate) mod token;
