//! End to end with the real programs: what crosses a process boundary.

mod callback;
mod canary;
mod clocks;
mod crash;
mod device;
mod environment;
mod folders;
mod paste;
mod platform;
mod renewal;
mod sign_out;
mod start;
mod storage;
mod strangers;
