//! The Seqera credential agent as a library; the binary adds flags and exit codes.
//!
//! # How one request flows
//! `seqera token` connects; [`socket`] has checked its user before gRPC sees a byte; [`calls`] checks its
//! configuration folder. [`service::tokens`] asks [`registry`] which profile is meant and sends the question
//! to that profile's [`worker`]. The worker asks its [`session`], a pure state machine, which says: answer,
//! wait, or refuse. To wait means that a [`renewal`] runs: the [`issuer`] is asked, the [`store`] keeps the
//! new refresh token, and then every waiting caller is answered at once. Three files tell the path:
//! `service/tokens.rs`, `worker.rs`, `session.rs`.
//!
//! # Where things are
//! | what | modules |
//! |---|---|
//! | pure: no clock, no network, no disk | [`schedule`], [`attempts`], [`session`], [`verdict`], [`token`], [`profile`], [`provider`], [`network`], [`choice`] |
//! | one session | [`worker`], [`handle`], [`jobs`], [`renewal`], [`install`], [`signout`], [`neighbours`], [`view`], [`pending`] |
//! | providers | [`issuer`], [`login`], [`signin`], [`loopback`], [`polling`], [`pasted`], [`page`], [`platform`], [`imports`], [`token_files`], [`http`], [`passwords`] |
//! | tokens for programs | [`lease`] (pure), [`leases`], [`lease_making`], [`lease_life`], [`mint`], [`program`] |
//! | what is kept | [`store`], [`secrets`], [`state`], [`record`], `summary`, [`durable`] |
//! | gRPC | [`service`], [`doctor`], [`standard`], [`calls`], [`socket`] |
//! | used by all | [`clock`], [`error`], [`shared`], [`folder`], [`crash`], [`wipe`] |
//! | the process | [`run`], [`assemble`], [`config`], [`instance`], [`launch`], [`logging`], [`stop`], [`activity`], [`notify`], [`process`] |

pub mod activity;
pub mod assemble;
pub mod attempts;
pub mod calls;
pub mod choice;
pub mod clock;
pub mod config;
pub mod crash;
pub mod doctor;
#[cfg(test)]
mod double;
pub mod durable;
pub mod error;
#[cfg(test)]
mod fakes;
pub mod folder;
pub mod handle;
pub mod http;
pub mod imports;
pub mod install;
pub mod instance;
pub mod issuer;
pub mod jobs;
pub mod launch;
pub mod lease;
pub mod lease_life;
pub mod lease_making;
pub mod leases;
pub mod logging;
pub mod login;
pub mod loopback;
pub mod mint;
pub mod neighbours;
pub mod network;
pub mod notify;
#[cfg(test)]
mod outside;
pub mod page;
pub mod passwords;
pub mod pasted;
pub mod pending;
pub mod platform;
pub mod polling;
#[cfg(unix)]
#[path = "process/unix.rs"]
pub mod process;
#[cfg(windows)]
#[path = "process/windows.rs"]
pub mod process;
pub mod profile;
pub mod program;
pub mod provider;
pub mod record;
pub mod registry;
pub mod renewal;
pub mod run;
pub mod schedule;
pub mod secrets;
pub mod service;
pub mod session;
pub mod shared;
pub mod signin;
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
pub mod token_files;
pub mod verdict;
pub mod view;
pub mod wipe;
pub mod worker;
