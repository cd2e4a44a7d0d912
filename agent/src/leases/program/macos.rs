//! macOS: a kernel event queue that reports the end of a process (`kqueue(2)`, `NOTE_EXIT`).

use std::ffi::{c_int, c_void};
use std::io;
use std::os::fd::OwnedFd;
use std::ptr::null_mut;

use rustix::event::kqueue::{Event, EventFilter, EventFlags, ProcessEvents, kevent, kqueue};
use rustix::process::Pid;
use tokio::io::unix::AsyncFd;

use crate::descriptor::readable;

/// The size of `struct proc_bsdinfo` in <sys/proc_info.h>, and the offset of the start time in it: first the
/// seconds, then the microseconds, 8 bytes each.
const INFO_BYTES: usize = 136;
const START_TIME: usize = 120;

/// The start time in seconds and microseconds since 1970.
pub(super) fn started(pid: u32) -> io::Result<String> {
    const PROC_PIDTBSDINFO: c_int = 3;
    #[expect(unsafe_code, reason = "the system's library speaks C")]
    // SAFETY: declared as in <libproc.h>.
    unsafe extern "C" {
        fn proc_pidinfo(pid: c_int, flavor: c_int, arg: u64, buffer: *mut c_void, bytes: c_int) -> c_int;
    }
    let mut info = [0_u8; INFO_BYTES];
    let pid = c_int::try_from(pid).map_err(|_| io::ErrorKind::InvalidInput)?;
    #[expect(unsafe_code, reason = "the system's library speaks C")]
    // SAFETY: the buffer has the length that is passed, and the system keeps no pointer to it.
    let filled =
        unsafe { proc_pidinfo(pid, PROC_PIDTBSDINFO, 0, info.as_mut_ptr().cast(), INFO_BYTES as c_int) };
    if usize::try_from(filled).ok() != Some(INFO_BYTES) {
        let error = io::Error::last_os_error();
        let gone = error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error());
        return Err(if gone { io::ErrorKind::NotFound.into() } else { error });
    }
    let number = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&info[at..at + 8]);
        u64::from_ne_bytes(bytes)
    };
    Ok(format!("{}.{:06}", number(START_TIME), number(START_TIME + 8)))
}

/// An event queue for the end of one process.
pub(super) struct Watch(AsyncFd<OwnedFd>);

pub(super) fn watch(pid: u32) -> io::Result<Watch> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
    let queue = kqueue()?;
    let end = EventFilter::Proc { pid, flags: ProcessEvents::EXIT };
    let change = [Event::new(end, EventFlags::ADD, null_mut())];
    let mut none: [Event; 0] = [];
    #[expect(unsafe_code, reason = "an event could name a descriptor")]
    // SAFETY: the only event names a process, and no descriptor that might be closed meanwhile.
    unsafe { kevent(&queue, &change, &mut none[..], None) }?;
    readable(queue).map(Watch)
}

impl Watch {
    pub(super) async fn ended(&self) -> io::Result<()> {
        self.0.readable().await.map(drop)
    }
}
