//! The agent as a library.

pub mod activity;
pub mod assemble;
pub mod attempts;
pub mod calls;
pub mod clock;
pub mod config;
pub mod crash;
#[cfg(test)]
mod double;
pub mod durable;
pub mod error;
#[cfg(test)]
mod fakes;
pub mod folder;
pub mod handle;
pub mod http;
pub mod install;
pub mod instance;
pub mod issuer;
pub mod jobs;
pub mod launch;
pub mod logging;
pub mod login;
pub mod loopback;
pub mod notify;
pub mod page;
pub mod pending;
pub mod platform;
#[cfg(unix)]
#[path = "process/unix.rs"]
pub mod process;
#[cfg(windows)]
#[path = "process/windows.rs"]
pub mod process;
pub mod profile;
pub mod record;
pub mod registry;
pub mod renewal;
pub mod run;
pub mod schedule;
pub mod secrets;
pub mod service;
pub mod session;
pub mod shared;
pub mod signout;
pub mod socket;
pub mod standard;
pub mod state;
pub mod stop;
pub mod store;
mod summary;
#[cfg(test)]
mod test_places;
pub mod token;
pub mod verdict;
pub mod view;
pub mod wipe;
pub mod worker;
