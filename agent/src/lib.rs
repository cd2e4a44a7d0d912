//! The Seqera credential agent as a library; the binary adds flags and exit codes. Its rules stand in the
//! [`manual`].
//!
//! # The wings
//! A wing imports only wings below it, and no two files import each other: `cargo xtask wings` checks both.
//!
//! | wing | what lives there |
//! |---|---|
//! | [`process`] | the process: configuration, one owner of the sessions, log, start and stop |
//! | `api` | the gRPC services, one file each, and what every call passes first |
//! | `doctor`, `imports` | what is looked at when something does not work; what other programs have left |
//! | `sessions` | one task for each profile, the pure session that decides, renewal, sign-out |
//! | `leases`, `socket` | tokens made for programs; the local socket and its limits |
//! | `sign_in`, `storage` | a running login; records, and the stores of secrets |
//! | `providers` | who issues tokens: the traits, and one file or folder for each kind of provider |
//! | the root | for every wing: [`error`], `foreign`, `profile`, `network`, `token`, `sealed`, `outcome`, `clock`, `descriptor`, `backoff`, `lock`, `session_bus`, `site`, `turns` |
//!
//! `testing` holds the stand-ins of the tests.
//!
//! # The path of one request
//! `seqera token` connects. The `socket` has checked its user before gRPC sees a byte, and `api/calls` its
//! configuration folder. `api/tokens` asks `sessions/registry` which profile is meant and, through
//! `sessions/handle`, sends the question to that profile's `sessions/worker`. The worker asks
//! `sessions/session`, a pure state machine, which says: answer, wait, or refuse. To wait means that
//! `sessions/renewal` runs: the provider is asked, the store keeps the new refresh token, and then every
//! caller who waits is answered at once. With this map six files tell the whole path: `api/tokens`,
//! `sessions/handle`, `sessions/worker`, `sessions/session`, `sessions/schedule` and `sessions/view`.

mod api;
mod backoff;
mod clock;
#[cfg(unix)]
mod descriptor;
mod doctor;
pub mod error;
mod foreign;
mod imports;
mod leases;
mod lock;
pub mod manual;
mod network;
mod outcome;
pub mod process;
mod profile;
mod providers;
mod sealed;
#[cfg(all(unix, not(target_os = "macos")))]
mod session_bus;
mod sessions;
mod sign_in;
mod site;
mod socket;
mod storage;
#[cfg(test)]
mod testing;
mod token;
mod turns;
