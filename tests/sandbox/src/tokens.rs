//! Codes and tokens as data: what was issued, to whom, and until when. Nothing here does I/O or reads a
//! clock.

pub(crate) mod device_codes;
pub(crate) mod grant;
pub(crate) mod grants;
pub(crate) mod jwt;
pub(crate) mod pats;
pub(crate) mod toolkit;
