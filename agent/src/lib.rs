//! The agent as a library.

pub mod activity;
pub mod attempts;
pub mod calls;
pub mod clock;
pub mod config;
pub mod crash;
#[cfg(test)]
mod double;
pub mod durable;
pub mod error;
pub mod folder;
pub mod http;
pub mod instance;
pub mod issuer;
pub mod launch;
pub mod logging;
pub mod login;
pub mod loopback;
pub mod notify;
pub mod page;
pub mod platform;
#[cfg(unix)]
#[path = "process/unix.rs"]
pub mod process;
#[cfg(windows)]
#[path = "process/windows.rs"]
pub mod process;
pub mod profile;
pub mod record;
pub mod run;
pub mod schedule;
pub mod session;
pub mod socket;
pub mod standard;
pub mod state;
pub mod stop;
pub mod store;
mod summary;
pub mod token;
pub mod verdict;
pub mod wipe;
