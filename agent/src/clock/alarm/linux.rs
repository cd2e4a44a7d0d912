//! A timer of the wall clock (timerfd_create(2)). It counts while the machine sleeps, and with
//! `TFD_TIMER_CANCEL_ON_SET` it ends when the clock jumps, which the end of a sleep counts as.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use crate::descriptor;

#[derive(Debug)]
pub(super) struct Timer(AsyncFd<OwnedFd>);

impl Timer {
    /// `None` where the kernel or a sandbox has none.
    pub(super) fn new() -> Option<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let file = timerfd_create(TimerfdClockId::Realtime, flags).ok()?;
        descriptor::readable(file).ok().map(Self)
    }

    /// Ends after `wait` or when the clock was set; false if the timer does not work.
    pub(super) async fn rest(&self, wait: Duration) -> bool {
        self.set(wait).is_ok() && self.rung().await.is_ok()
    }

    /// Setting a timer forgets that an earlier one has ended.
    fn set(&self, wait: Duration) -> io::Result<()> {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        // Zero would stop the timer.
        let wait = Timespec::try_from(wait.max(Duration::from_nanos(1)))
            .map_err(|_| io::Error::from(ErrorKind::InvalidInput))?;
        let due = Itimerspec { it_interval: Timespec::default(), it_value: now + wait };
        let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        timerfd_settime(&self.0, flags, &due)?;
        Ok(())
    }

    async fn rung(&self) -> io::Result<()> {
        loop {
            let mut ready = self.0.readable().await?;
            let read = ready.try_io(|file| match rustix::io::read(file, &mut [0; 8]) {
                // The clock was set.
                Ok(_) | Err(rustix::io::Errno::CANCELED) => Ok(()),
                Err(error) => Err(error.into()),
            });
            if let Ok(result) = read {
                return result;
            }
        }
    }
}
