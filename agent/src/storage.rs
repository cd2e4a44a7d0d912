//! What the agent keeps beyond one call: secrets in their stores, and the state of the sessions in files
//! ([the rules](crate::manual::storage)).

pub(crate) mod durable;
#[cfg(test)]
pub(crate) mod fake;
pub(crate) mod file;
pub(crate) mod folder;
mod item;
pub(crate) mod journal;
pub(crate) mod keychain;
pub(crate) mod ladder;
pub(crate) mod lane;
pub(crate) mod memory;
pub(crate) mod other_hosts;
pub(crate) mod passwords;
pub(crate) mod record;
pub(crate) mod state;
pub(crate) mod store;
pub(crate) mod summary;
pub(crate) mod timed;
pub(crate) mod token_file;
