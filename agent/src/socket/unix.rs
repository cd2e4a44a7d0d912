//! Unix sockets. The threat is another user on the host who connects, or who creates the folder or the file
//! before the agent does. So the folder must be ours alone, the mode is 0600 before anybody can connect, and
//! the kernel reports the peer's uid.

use std::fs::Permissions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{UnixListener, UnixSocket, UnixStream};

use super::error::BindError;
use super::peers::Peer;
use crate::storage::folder;

/// A stream of bytes to one client.
pub(super) type Stream = UnixStream;

/// The kernel reduces this to the system's maximum (`listen(2)`), which is what we want.
const BACKLOG: u32 = i32::MAX as u32;

/// If an agent is alive, the kernel answers a connect at once. Only a full backlog takes longer, and that too
/// means that the agent is alive.
const PROBE: Duration = Duration::from_secs(1);

/// A listening socket, and the file at which clients find it.
#[derive(Debug)]
pub(crate) struct Listener {
    inner: UnixListener,
    path: PathBuf,
    /// Device and inode of the file, by which it is recognised later.
    file: (u64, u64),
    /// False if a service manager made the socket; then the manager removes the file.
    ours: bool,
}

/// Binds `path`, after creating and checking its folder. The caller holds the agent's lock, so a socket file
/// at which nobody answers is stale and is replaced.
///
/// # Errors
/// If the folder is not safe, if something else is at the path, or if the system refuses.
/// [`BindError::try_elsewhere`] says whether another path may work.
pub(super) async fn bind(path: &Path) -> Result<Listener, BindError> {
    let dir = path.parent().ok_or_else(|| BindError::InTheWay(path.to_owned(), "is no file name"))?;
    folder::private(dir, false).map_err(|error| match squatter(dir) {
        Some(owner) => BindError::Squatted { path: dir.to_owned(), owner, us: us() },
        None => error.into(),
    })?;
    make_way(path).await?;
    listen(path).map_err(|error| BindError::Failed(path.to_owned(), error))
}

/// The other user who has put something where the folder belongs: a folder, a link or a file.
fn squatter(dir: &Path) -> Option<u32> {
    let owner = dir.symlink_metadata().ok()?.uid();
    (owner != us()).then_some(owner)
}

fn us() -> u32 {
    rustix::process::getuid().as_raw()
}

fn listen(path: &Path) -> io::Result<Listener> {
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    // Between bind and listen nobody can connect, whatever mode the umask has left.
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    let inner = socket.listen(BACKLOG)?;
    Ok(Listener { inner, path: path.to_owned(), file: identity(path)?, ours: true })
}

/// Removes the socket file that a crashed agent has left at `path`, and nothing else.
async fn make_way(path: &Path) -> Result<(), BindError> {
    let Ok(meta) = path.symlink_metadata() else { return Ok(()) };
    if !meta.file_type().is_socket() {
        return Err(BindError::InTheWay(path.to_owned(), "is there and is not a socket"));
    }
    if serves(path).await {
        let pid = async { UnixStream::connect(path).await.ok()?.peer_cred().ok()?.pid() };
        let pid = tokio::time::timeout(PROBE, pid).await.ok().flatten();
        let pid = pid.and_then(|pid| u32::try_from(pid).ok());
        return Err(BindError::Served { path: path.to_owned(), pid });
    }
    std::fs::remove_file(path).map_err(|error| BindError::Failed(path.to_owned(), error))
}

/// True unless a connect is refused: a process listens there, even if it does not answer.
pub(crate) async fn serves(path: &Path) -> bool {
    match tokio::time::timeout(PROBE, UnixStream::connect(path)).await {
        Ok(Ok(_)) | Err(_) => true,
        Ok(Err(error)) => !matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound),
    }
}

/// Takes over the listening socket that a service manager has made.
///
/// # Errors
/// If it is not a listening Unix stream socket with a path, or if its folder or its file is not safe.
pub(crate) fn adopt(descriptor: OwnedFd) -> Result<Listener, BindError> {
    let unfit = |error: io::Error| BindError::Failed("descriptor 3".into(), error);
    let kind = rustix::net::sockopt::socket_type(&descriptor).map_err(|error| unfit(error.into()))?;
    #[cfg(not(target_vendor = "apple"))]
    let listens =
        rustix::net::sockopt::socket_acceptconn(&descriptor).map_err(|error| unfit(error.into()))?;
    // macOS declares the option but does not support it. If the socket does not listen, accept fails later.
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
    // The manager may have created the file with the mode of its umask.
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(unfit)?;
    let file = identity(&path).map_err(unfit)?;
    inner.set_nonblocking(true).map_err(unfit)?;
    Ok(Listener { inner: UnixListener::from_std(inner).map_err(unfit)?, path, file, ours: false })
}

/// Ready once the caller has sent something, or has hung up.
pub(super) fn poll_heard(stream: &Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    stream.poll_read_ready(cx)
}

/// True if a process of the user `peer` may talk to the agent of the user `own`. Root counts as another user:
/// root can take what it wants, but not by mistake.
fn admits(own: u32, peer: u32) -> bool {
    own == peer
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let meta = path.symlink_metadata()?;
    Ok((meta.dev(), meta.ino()))
}

impl Listener {
    /// The file at which clients find the socket.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for a client. The inner `Err(uid)` is the user of a process that was turned away.
    ///
    /// # Errors
    /// If accept fails, which mostly means that no descriptor is free.
    pub(crate) async fn accept(&self) -> io::Result<Result<(Stream, Peer), u32>> {
        let (stream, _) = self.inner.accept().await?;
        let credentials = stream.peer_cred()?;
        if !admits(us(), credentials.uid()) {
            return Ok(Err(credentials.uid()));
        }
        let pid = credentials.pid().and_then(|pid| u32::try_from(pid).ok());
        let exe = pid.and_then(|pid| std::fs::read_link(format!("/proc/{pid}/exe")).ok());
        Ok(Ok((stream, Peer { uid: credentials.uid(), pid, exe })))
    }

    /// A second descriptor of the socket, and whether a service manager made it.
    pub(crate) fn duplicate(&self) -> Option<(OwnedFd, bool)> {
        let second = std::os::fd::AsFd::as_fd(&self.inner).try_clone_to_owned();
        second.ok().map(|second| (second, !self.ours))
    }

    /// The same socket, made by an earlier program of this process.
    pub(crate) fn made_here(self) -> Self {
        Self { ours: true, ..self }
    }

    /// True while this very socket is at its path.
    pub(crate) fn in_place(&self) -> bool {
        identity(&self.path).is_ok_and(|file| file == self.file)
    }

    /// Removes the file if it still belongs to this socket and we made it.
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
