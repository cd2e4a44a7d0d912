//! Named pipes. The threats are a pipe of this name that somebody else has created first, and another user or
//! another machine that connects. So the pipe has the first-instance flag (which the library sets for the
//! first instance), an access list for the user alone, and accepts no remote clients. Its owner is the user,
//! whatever else the token names: objects of an elevated shell belong to the administrators otherwise, and clients
//! trust a pipe by its owner.

use std::io;
use std::os::windows::io::AsRawHandle;
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use interprocess::os::windows::named_pipe::PipeListenerOptions;
use interprocess::os::windows::named_pipe::pipe_mode::Bytes;
use interprocess::os::windows::named_pipe::tokio::{DuplexPipeStream, PipeListener};
use interprocess::os::windows::security_descriptor::SecurityDescriptor;
use seqera_agent_proto::place::{owner_sid, user_sid};
use tokio::net::windows::named_pipe::ClientOptions;
use windows_sys::Win32::Foundation::ERROR_PIPE_BUSY;
use windows_sys::Win32::System::Pipes::GetNamedPipeServerProcessId;

use super::error::BindError;
use super::peers::Peer;

/// A stream of bytes to one client.
pub(super) type Stream = DuplexPipeStream<Bytes>;

/// A listening pipe.
#[derive(Debug)]
pub(crate) struct Listener {
    inner: PipeListener<Bytes, Bytes>,
    path: PathBuf,
}

/// Creates the pipe.
///
/// # Errors
/// If the pipe exists already, since our callers would connect to whoever made it, or if the system refuses.
pub(super) async fn bind(path: &Path) -> Result<Listener, BindError> {
    // The flag says only that access is denied; this says why, and also where the flag is not kept (Wine 8).
    match Answer::of(path) {
        Answer::Nobody => {}
        Answer::Served(pid) => return Err(BindError::Served { path: path.to_owned(), pid }),
        Answer::Foreign => return Err(BindError::InTheWay(path.to_owned(), "belongs to another user")),
    }
    let failed = |error| BindError::Failed(path.to_owned(), error);
    let inner = PipeListenerOptions::new()
        .path(path)
        .accept_remote(false)
        .security_descriptor(Some(owner_only().map_err(failed)?))
        .create_tokio_duplex::<Bytes>()
        .map_err(failed)?;
    Ok(Listener { inner, path: path.to_owned() })
}

/// Belongs to this SID, grants it full access and inherits nothing (security descriptor string format, SDDL).
fn owner_only() -> io::Result<SecurityDescriptor> {
    let sid = user_sid().ok_or_else(|| io::Error::other("the user's SID is unknown"))?;
    let text = format!("O:{sid}D:P(A;;GA;;;{sid})");
    SecurityDescriptor::deserialize(&widestring::U16CString::from_str(text).map_err(io::Error::other)?)
}

/// What becomes of an attempt to connect.
enum Answer {
    Nobody,
    /// By a process of this number, if the system tells.
    Served(Option<u32>),
    /// The pipe belongs to another user, or keeps us out, which no pipe of ours does.
    Foreign,
}

impl Answer {
    /// Opened so that the other end learns who we are and cannot act in our name, which tokio does.
    fn of(path: &Path) -> Self {
        match ClientOptions::new().open(path) {
            Ok(stream) if owner_sid(&stream) != user_sid() => Self::Foreign,
            Ok(stream) => Self::Served(server(&stream)),
            Err(error) if error.raw_os_error() == i32::try_from(ERROR_PIPE_BUSY).ok() => Self::Served(None),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Self::Foreign,
            Err(_) => Self::Nobody,
        }
    }
}

/// The process at the other end of a pipe that was opened.
fn server(stream: &impl AsRawHandle) -> Option<u32> {
    let mut pid = 0;
    #[expect(unsafe_code, reason = "the system speaks C")]
    // SAFETY: the handle is open and the result outlives the call.
    let told = unsafe { GetNamedPipeServerProcessId(stream.as_raw_handle(), &mut pid) };
    (told != 0).then_some(pid)
}

/// True if a pipe of this name accepts a connection, or is too busy to.
pub(crate) async fn serves(path: &Path) -> bool {
    matches!(Answer::of(path), Answer::Served(_))
}

/// Ready at once: a pipe cannot be asked without being read.
pub(super) fn poll_heard(_: &Stream, _: &mut Context<'_>) -> Poll<io::Result<()>> {
    Poll::Ready(Ok(()))
}

impl Listener {
    /// The name of the pipe.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for a client. The access list admits only this user.
    ///
    /// # Errors
    /// If the pipe cannot accept a connection.
    pub(crate) async fn accept(&self) -> io::Result<Result<(Stream, Peer), u32>> {
        let stream = self.inner.accept().await?;
        let pid = stream.client_process_id().ok();
        Ok(Ok((stream, Peer { uid: 0, pid, exe: None })))
    }

    /// A pipe lives as long as its listener.
    pub(crate) fn in_place(&self) -> bool {
        true
    }

    /// A pipe disappears with its listener.
    pub(crate) fn remove(&self) {}
}
