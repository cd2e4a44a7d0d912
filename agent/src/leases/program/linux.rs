//! Linux: a process descriptor (`pidfd_open(2)`), which becomes readable when the process ends.

use std::os::fd::OwnedFd;
use std::{fs, io};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::unix::AsyncFd;

use crate::descriptor::readable;

/// The index of the start time among the fields after the program's name (`proc_pid_stat(5)`: field 22).
const START_TIME: usize = 19;

/// The start time in clock ticks since boot, and the id of that boot, since the ticks restart with each boot.
pub(super) fn started(pid: u32) -> io::Result<String> {
    let stat =
        fs::read_to_string(format!("/proc/{pid}/stat")).map_err(|error| match error.raw_os_error() {
            // The process ended while its file was being read.
            Some(code) if code == Errno::SRCH.raw_os_error() => io::ErrorKind::NotFound.into(),
            _ => error,
        })?;
    // The name is in parentheses, and may itself contain anything.
    let after_name = stat.rsplit_once(')').map(|(_, rest)| rest);
    let ticks = after_name.and_then(|rest| rest.split_whitespace().nth(START_TIME));
    let ticks = ticks.ok_or_else(|| io::Error::other("/proc does not tell when the process started"))?;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(format!("{ticks}@{}", boot.trim()))
}

/// An open process descriptor.
pub(super) struct Watch(AsyncFd<OwnedFd>);

pub(super) fn watch(pid: u32) -> io::Result<Watch> {
    let number = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
    let process = pidfd_open(number, PidfdFlags::NONBLOCK)?;
    readable(process).map(Watch)
}

impl Watch {
    pub(super) async fn ended(&self) -> io::Result<()> {
        self.0.readable().await.map(drop)
    }
}
