//! End-to-end tests with the real programs, for what crosses a process boundary.

mod ai;
mod callback;
mod canary;
mod choices;
mod clocks;
mod crash;
mod crowds;
mod device;
mod doctor;
mod environment;
mod exec;
mod exhausted;
mod folders;
mod hostile;
#[cfg(target_os = "linux")]
mod idle;
mod imports;
mod inherited;
mod installation;
mod jailed;
mod lasting;
mod leases;
mod logs;
mod mcp;
#[cfg(target_os = "linux")]
mod memory;
mod oauth2;
mod odd_files;
mod owner;
mod paste;
mod platform;
mod private_site;
mod profiles;
mod proxy;
mod renewal;
mod scitoolkit;
mod sign_out;
mod site;
mod start;
mod storage;
mod strangers;
mod told;
#[cfg(target_os = "linux")]
mod upgrade;
mod variables;
mod whose_token;
mod wsl;
