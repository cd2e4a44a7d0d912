//! Linux: a descriptor of the process (`pidfd_open(2)`), which becomes readable with its end.

use std::os::fd::OwnedFd;
use std::{fs, io};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::unix::AsyncFd;

use super::descriptor::readable;

/// Where the start time stands among what follows the name of the program (`proc_pid_stat(5)`: field 22).
const START_TIME: usize = 19;

/// Clock ticks since the boot, and which boot that was: after another one the numbers begin anew.
pub(super) fn started(pid: u32) -> io::Result<String> {
    let stat =
        fs::read_to_string(format!("/proc/{pid}/stat")).map_err(|error| match error.raw_os_error() {
            // It ended while it was read.
            Some(code) if code == Errno::SRCH.raw_os_error() => io::ErrorKind::NotFound.into(),
            _ => error,
        })?;
    // The name stands in brackets and may itself contain anything.
    let after_name = stat.rsplit_once(')').map(|(_, rest)| rest);
    let ticks = after_name.and_then(|rest| rest.split_whitespace().nth(START_TIME));
    let ticks = ticks.ok_or_else(|| io::Error::other("/proc does not tell when the process started"))?;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(format!("{ticks}@{}", boot.trim()))
}

/// An open process.
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
