//! Named pipes. The threats are a pipe of this name that somebody else has created first, and another user or
//! another machine that connects. So the pipe has the first-instance flag (which the library sets for the
//! first instance), an access list for the user alone, and accepts no remote clients.

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

/// A listening pipe.
#[derive(Debug)]
pub(crate) struct Listener {
    inner: PipeListener<Bytes, Bytes>,
    path: PathBuf,
}

/// Creates the pipe.
///
/// # Errors
/// [`BindError::Failed`], also if the pipe exists already: if it belongs to somebody else, our callers would
/// connect to them.
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

/// Grants full access to this SID and inherits nothing (security descriptor string format, SDDL).
fn owner_only() -> io::Result<SecurityDescriptor> {
    let sid = user_sid().ok_or_else(|| io::Error::other("the user's SID is unknown"))?;
    let text = widestring::U16CString::from_str(format!("D:P(A;;GA;;;{sid})")).map_err(io::Error::other)?;
    SecurityDescriptor::deserialize(&text)
}

/// True if a pipe of this name accepts a connection.
pub(crate) async fn serves(path: &Path) -> bool {
    DuplexPipeStream::<Bytes>::connect_by_path(path).await.is_ok()
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
