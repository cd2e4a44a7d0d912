//! The sandbox as its clients see it, over HTTP.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browser;
mod command;
mod device;
mod faults;
mod mail;
mod person;
mod platform;
mod providers;
mod scitoolkit;
mod sessions;
mod sign_in;
mod stand_in;
mod tokens;
