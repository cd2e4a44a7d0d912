//! The rules that the agent keeps, as pages. Comments in the code refer to them by page and heading.

#[doc = include_str!("manual/words.md")]
pub mod words {}

#[doc = include_str!("manual/sessions.md")]
pub mod sessions {}

#[doc = include_str!("manual/storage.md")]
pub mod storage {}

#[doc = include_str!("manual/sign_in.md")]
pub mod sign_in {}

#[doc = include_str!("manual/sign_out.md")]
pub mod sign_out {}

#[doc = include_str!("manual/leases.md")]
pub mod leases {}

#[doc = include_str!("manual/socket.md")]
pub mod socket {}

#[doc = include_str!("manual/providers.md")]
pub mod providers {}

#[doc = include_str!("manual/packages.md")]
pub mod packages {}
