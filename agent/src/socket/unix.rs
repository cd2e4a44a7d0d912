//! Unix sockets. The threat: another user of the host who connects, or who prepares the folder or the file
//! before the agent comes. Hence a folder of our own, mode 0600 before anybody can connect, and the peer's
//! uid from the kernel.

use std::fs::Permissions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{UnixListener, UnixSocket, UnixStream};

use super::error::BindError;
use super::peers::Peer;
use crate::storage::folder;

/// A stream of bytes to one client.
pub(super) type Stream = UnixStream;

/// Clipped by the kernel to the system's maximum (`listen(2)`), which is what is wanted.
const BACKLOG: u32 = i32::MAX as u32;

/// A live agent's kernel answers at once; only a full backlog takes longer, and that one is alive.
const PROBE: Duration = Duration::from_secs(1);

/// A listening socket and the file by which it is found.
#[derive(Debug)]
pub(crate) struct Listener {
    inner: UnixListener,
    path: PathBuf,
    /// Device and inode of the file, to know it again.
    file: (u64, u64),
    /// A service manager removes its own files.
    ours: bool,
}

/// Binds `path`, whose folder is made and checked. Whoever calls holds the lock of this agent, so a file
/// at which nobody answers was left behind and is replaced.
///
/// # Errors
/// [`BindError::Failed`] says that another place may work.
pub(super) async fn bind(path: &Path) -> Result<Listener, BindError> {
    let dir = path.parent().ok_or_else(|| BindError::InTheWay(path.to_owned(), "is no file name"))?;
    folder::private(dir, false)?;
    make_way(path).await?;
    listen(path).map_err(|error| BindError::Failed(path.to_owned(), error))
}

fn listen(path: &Path) -> io::Result<Listener> {
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    // Between bind and listen nobody can connect, whatever the umask made of the mode.
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    let inner = socket.listen(BACKLOG)?;
    Ok(Listener { inner, path: path.to_owned(), file: identity(path)?, ours: true })
}

/// Removes what a crashed agent left at `path`, and nothing else.
async fn make_way(path: &Path) -> Result<(), BindError> {
    let Ok(meta) = path.symlink_metadata() else { return Ok(()) };
    if !meta.file_type().is_socket() {
        return Err(BindError::InTheWay(path.to_owned(), "is there and is not a socket"));
    }
    if serves(path).await {
        return Err(BindError::InTheWay(path.to_owned(), "is served by another program"));
    }
    std::fs::remove_file(path).map_err(|error| BindError::Failed(path.to_owned(), error))
}

/// True unless a connect is refused: a process listens there, even if it has no time for us.
pub(crate) async fn serves(path: &Path) -> bool {
    match tokio::time::timeout(PROBE, UnixStream::connect(path)).await {
        Ok(Ok(_)) | Err(_) => true,
        Ok(Err(error)) => !matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound),
    }
}

/// Takes over the listening socket that a service manager made.
///
/// # Errors
/// Where it is not a listening Unix stream socket with a file, or the file or its folder are not safe.
pub(crate) fn adopt(descriptor: OwnedFd) -> Result<Listener, BindError> {
    let unfit = |error: io::Error| BindError::Failed("descriptor 3".into(), error);
    let kind = rustix::net::sockopt::socket_type(&descriptor).map_err(|error| unfit(error.into()))?;
    #[cfg(not(target_vendor = "apple"))]
    let listens =
        rustix::net::sockopt::socket_acceptconn(&descriptor).map_err(|error| unfit(error.into()))?;
    // macOS declares the option and does not answer it; accept fails there if it does not listen.
    #[cfg(target_vendor = "apple")]
    let listens = true;
    let inner = StdListener::from(descriptor);
    let address = inner.local_addr().map_err(unfit)?;
    let path = address.as_pathname().map(Path::to_owned);
    let Some(path) = path.filter(|_| listens && kind == rustix::net::SocketType::STREAM) else {
        return Err(unfit(io::Error::new(
            io::ErrorKind::InvalidInput,
            "is not a listening Unix stream socket with a path",
        )));
    };
    folder::private(path.parent().unwrap_or(Path::new("/")), false)?;
    // The manager may have made the file by its umask.
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(unfit)?;
    let file = identity(&path).map_err(unfit)?;
    inner.set_nonblocking(true).map_err(unfit)?;
    Ok(Listener { inner: UnixListener::from_std(inner).map_err(unfit)?, path, file, ours: false })
}

/// True where a process of `peer` may speak to the agent of `own`. Root is another user too: what root
/// wants it takes, but not by mistake.
fn admits(own: u32, peer: u32) -> bool {
    own == peer
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let meta = path.symlink_metadata()?;
    Ok((meta.dev(), meta.ino()))
}

impl Listener {
    /// The file by which clients find the socket.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for a client. `Err(uid)` inside: a process of another user, which has been hung up on.
    ///
    /// # Errors
    /// What the system said, descriptor limits above all.
    pub(crate) async fn accept(&self) -> io::Result<Result<(Stream, Peer), u32>> {
        let (stream, _) = self.inner.accept().await?;
        let credentials = stream.peer_cred()?;
        if !admits(rustix::process::getuid().as_raw(), credentials.uid()) {
            return Ok(Err(credentials.uid()));
        }
        let pid = credentials.pid().and_then(|pid| u32::try_from(pid).ok());
        let exe = pid.and_then(|pid| std::fs::read_link(format!("/proc/{pid}/exe")).ok());
        Ok(Ok((stream, Peer { uid: credentials.uid(), pid, exe })))
    }

    /// True while clients find this very socket at its path.
    pub(crate) fn in_place(&self) -> bool {
        identity(&self.path).is_ok_and(|file| file == self.file)
    }

    /// Removes the file if it is still this socket's and was made here.
    pub(crate) fn remove(&self) {
        if self.ours && self.in_place() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_agents_own_user_is_admitted() {
        assert!(admits(1000, 1000));
        assert!(!admits(1000, 1001));
        assert!(!admits(1000, 0));
        assert!(!admits(0, 1000));
    }
}
