//! Named pipes. The threats: a pipe of this name that somebody else has made first, and another user or
//! another machine that connects. Hence the first-instance flag (set by the library for the first one), an
//! access list for the user alone, and no remote clients.

use std::io;
use std::path::{Path, PathBuf};

use interprocess::os::windows::named_pipe::PipeListenerOptions;
use interprocess::os::windows::named_pipe::pipe_mode::Bytes;
use interprocess::os::windows::named_pipe::tokio::{DuplexPipeStream, PipeListener};
use interprocess::os::windows::security_descriptor::SecurityDescriptor;
use seqera_agent_proto::place::user_sid;

use super::error::BindError;
use super::peers::Peer;

/// A stream of bytes to one client.
pub(super) type Stream = DuplexPipeStream<Bytes>;

/// A pipe that is listened to.
#[derive(Debug)]
pub(crate) struct Listener {
    inner: PipeListener<Bytes, Bytes>,
    path: PathBuf,
}

/// Makes the pipe. Fails where it exists: somebody else's would get our callers.
///
/// # Errors
/// [`BindError::Failed`].
pub(super) async fn bind(path: &Path) -> Result<Listener, BindError> {
    let failed = |error| BindError::Failed(path.to_owned(), error);
    let inner = PipeListenerOptions::new()
        .path(path)
        .accept_remote(false)
        .security_descriptor(Some(owner_only().map_err(failed)?))
        .create_tokio_duplex::<Bytes>()
        .map_err(failed)?;
    Ok(Listener { inner, path: path.to_owned() })
}

/// "Protected, and everything to this SID" (security descriptor string format, SDDL).
fn owner_only() -> io::Result<SecurityDescriptor> {
    let sid = user_sid().ok_or_else(|| io::Error::other("the user's SID is unknown"))?;
    let text = widestring::U16CString::from_str(format!("D:P(A;;GA;;;{sid})")).map_err(io::Error::other)?;
    SecurityDescriptor::deserialize(&text)
}

/// True where a pipe of this name exists.
pub(crate) async fn serves(path: &Path) -> bool {
    DuplexPipeStream::<Bytes>::connect_by_path(path).await.is_ok()
}

impl Listener {
    /// The name of the pipe.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for a client. The access list has let in nobody but this user.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) async fn accept(&self) -> io::Result<Result<(Stream, Peer), u32>> {
        let stream = self.inner.accept().await?;
        let pid = stream.client_process_id().ok();
        Ok(Ok((stream, Peer { uid: 0, pid, exe: None })))
    }

    /// A pipe lives as long as its listener.
    pub(crate) fn in_place(&self) -> bool {
        true
    }

    /// A pipe goes with its listener.
    pub(crate) fn remove(&self) {}
}
