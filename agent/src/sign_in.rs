//! Sign-in: at most one login for each profile, in a browser or on another device.

pub(crate) mod login;
pub(crate) mod logins;
pub(crate) mod loopback;
pub(crate) mod pasted;
pub(crate) mod polling;
pub(crate) mod stage;
