//! End-to-end tests with the real programs, for what crosses a process boundary.

mod ai;
mod callback;
mod canary;
mod choices;
mod clocks;
mod crash;
mod device;
mod doctor;
mod environment;
mod exec;
mod folders;
mod imports;
mod leases;
mod logs;
mod oauth2;
mod paste;
mod platform;
mod private_site;
mod proxy;
mod renewal;
mod scitoolkit;
mod sign_out;
mod start;
mod storage;
mod strangers;
mod variables;
