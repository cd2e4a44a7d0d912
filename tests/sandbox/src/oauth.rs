//! The authorization server: RFC 6749 with PKCE, revocation (RFC 7009), the device flow (RFC 8628) and
//! discovery. The sessions of browsers are here too, because only a signed-in person can give consent.

pub(crate) mod authorize;
mod consent;
pub(crate) mod device;
pub(crate) mod discovery;
mod error;
pub(crate) mod revoke;
pub(crate) mod session;
pub(crate) mod token;
