//! The Seqera credential agent as a library; the binary adds flags and exit codes.

mod api;
mod backoff;
mod clock;
mod doctor;
pub mod error;
mod imports;
mod leases;
mod lock;
mod network;
mod outcome;
pub mod process;
mod profile;
mod providers;
mod sessions;
mod sign_in;
mod socket;
mod storage;
#[cfg(test)]
mod testing;
mod token;
