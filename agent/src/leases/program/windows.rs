//! Windows: a process handle, which is signalled when the process ends. A thread waits for it.

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};

use windows_sys::Win32::Foundation::{ERROR_INVALID_PARAMETER, FILETIME, WAIT_OBJECT_0};
use windows_sys::Win32::System::Threading::{
    GetProcessTimes, INFINITE, OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE,
    WaitForSingleObject,
};

/// The creation time as Windows counts it: in units of 100 ns since 1601.
pub(super) fn started(pid: u32) -> io::Result<String> {
    let process = open(pid)?;
    let zero = FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 };
    let (mut created, mut ended, mut kernel, mut user) = (zero, zero, zero, zero);
    #[expect(unsafe_code, reason = "the system speaks C")]
    // SAFETY: the handle is open and the four results outlive the call.
    let succeeded =
        unsafe { GetProcessTimes(process.as_raw_handle(), &mut created, &mut ended, &mut kernel, &mut user) };
    if succeeded == 0 {
        return Err(io::Error::last_os_error());
    }
    // A process that has ended can still be opened while somebody holds a handle to it.
    if (ended.dwHighDateTime, ended.dwLowDateTime) != (0, 0) {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(format!("{:08x}{:08x}", created.dwHighDateTime, created.dwLowDateTime))
}

fn open(pid: u32) -> io::Result<OwnedHandle> {
    let access = PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SYNCHRONIZE;
    #[expect(unsafe_code, reason = "the system speaks C")]
    // SAFETY: only numbers are passed.
    let handle = unsafe { OpenProcess(access, 0, pid) };
    if handle.is_null() {
        let error = io::Error::last_os_error();
        let gone = error.raw_os_error() == i32::try_from(ERROR_INVALID_PARAMETER).ok();
        return Err(if gone { io::ErrorKind::NotFound.into() } else { error });
    }
    #[expect(unsafe_code, reason = "a new handle has no owner yet")]
    // SAFETY: the handle was opened above and nobody else owns it.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// An open process handle.
pub(super) struct Watch(OwnedHandle);

pub(super) fn watch(pid: u32) -> io::Result<Watch> {
    open(pid).map(Watch)
}

impl Watch {
    pub(super) async fn ended(&self) -> io::Result<()> {
        let process = self.0.try_clone()?;
        let (sender, end) = tokio::sync::oneshot::channel();
        // Nobody joins this thread, since it must not hold up the exit of the agent.
        std::thread::Builder::new().name("program".into()).spawn(move || {
            #[expect(unsafe_code, reason = "the system speaks C")]
            // SAFETY: the handle stays open until the wait is over.
            let waited = unsafe { WaitForSingleObject(process.as_raw_handle(), INFINITE) };
            let _ = sender.send(waited == WAIT_OBJECT_0);
        })?;
        match end.await {
            Ok(true) => Ok(()),
            _ => Err(io::Error::other("the process cannot be waited for")),
        }
    }
}
