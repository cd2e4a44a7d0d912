//! Sign-in: at most one login for each profile, in a browser or on another device.

mod entrance;
pub(crate) mod login;
pub(crate) mod logins;
pub(crate) mod loopback;
mod neighbours;
pub(crate) mod pasted;
pub(crate) mod polling;
pub(crate) mod stage;
