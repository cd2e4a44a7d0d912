//! Windows named pipes. Any user can create a pipe with our name before the agent does, so the pipe's owner
//! is checked after opening it. tokio opens it with SECURITY_IDENTIFICATION, so that the server cannot
//! impersonate us.

use std::io::{Error as IoError, ErrorKind};
use std::os::windows::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use seqera_agent_proto::place::{owner_sid, user_sid};
use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeClient};
use tokio::time::Instant;
use windows_sys::Win32::Foundation::ERROR_PIPE_BUSY;
use windows_sys::Win32::System::Pipes::WaitNamedPipeW;

use crate::connect::miss::Miss;
use crate::error::Error;

pub(crate) type Stream = NamedPipeClient;

pub(super) fn dial(pipe: &Path, wait: Duration) -> Result<Stream, Miss> {
    let stream = open(pipe, wait).map_err(|error| miss(pipe, &error))?;
    let owner = owner_sid(&stream);
    if owner.is_some() && owner == user_sid() {
        return Ok(stream);
    }
    let why = format!("it belongs to another user ({})", owner.as_deref().unwrap_or("unknown"));
    Err(Miss::Failed(Error::Distrusted { path: pipe.to_owned(), why }))
}

/// A pipe has one place, so there is none to go on to.
pub(super) fn is_squatted(_: &Path) -> bool {
    false
}

/// How long a pipe is waited for without another look: one whose agent ends meanwhile is gone, which nobody tells
/// those who wait (seen with Wine 8).
const LOOK: Duration = Duration::from_millis(100);

fn open(pipe: &Path, wait: Duration) -> Result<Stream, IoError> {
    let busy = |error: &IoError| error.raw_os_error() == Some(ERROR_PIPE_BUSY as i32);
    let until = Instant::now() + wait;
    loop {
        let error = match ClientOptions::new().open(pipe) {
            Err(error) if busy(&error) => error,
            opened => return opened,
        };
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(error);
        }
        match wait_for_instance(pipe, left.min(LOOK)) {
            // Another client may take the free instance first.
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::TimedOut => {}
            Err(error) => return Err(error),
        }
    }
}

#[expect(unsafe_code, reason = "Win32 has no safe wrapper for waiting on a pipe")]
fn wait_for_instance(pipe: &Path, wait: Duration) -> Result<(), IoError> {
    let name: Vec<u16> = pipe.as_os_str().encode_wide().chain([0]).collect();
    // Zero would mean the server's default timeout.
    let millis = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX - 1).max(1);
    // SAFETY: the name ends with a zero and outlives the call.
    match unsafe { WaitNamedPipeW(name.as_ptr(), millis) } {
        0 => Err(IoError::last_os_error()),
        _ => Ok(()),
    }
}

fn miss(pipe: &Path, error: &IoError) -> Miss {
    match error.kind() {
        ErrorKind::NotFound => Miss::Nobody,
        ErrorKind::TimedOut => Miss::Silent,
        _ if error.raw_os_error() == Some(ERROR_PIPE_BUSY as i32) => Miss::Silent,
        // Our agent lets us in.
        ErrorKind::PermissionDenied => {
            let why = "another user has made it, and lets nobody else in".to_owned();
            Miss::Failed(Error::Distrusted { path: pipe.to_owned(), why })
        }
        _ => Miss::Failed(Error::Unreachable { path: pipe.to_owned(), why: error.to_string() }),
    }
}
