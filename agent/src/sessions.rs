//! The session of each profile: who is signed in, which token is served, when it is renewed and how it ends
//! ([the rules](crate::manual::sessions)).

pub(crate) mod adopt;
pub(crate) mod askers;
pub(crate) mod attempts;
pub(crate) mod choice;
pub(crate) mod climb;
pub(crate) mod given;
pub(crate) mod handle;
pub(crate) mod install;
pub(crate) mod jobs;
pub(crate) mod naming;
pub(crate) mod pending;
pub(crate) mod registry;
pub(crate) mod rename;
pub(crate) mod renewal;
pub(crate) mod schedule;
pub(crate) mod secrets;
pub(crate) mod session;
pub(crate) mod shared;
pub(crate) mod sign_out;
pub(crate) mod target;
pub(crate) mod verdict;
pub(crate) mod view;
pub(crate) mod worker;
