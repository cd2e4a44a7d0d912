//! Sockets of Linux, macOS and the BSDs.

use std::fs::{Metadata, symlink_metadata};
use std::io::{Error as IoError, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::getuid;
use seqera_agent_proto::limits;
use seqera_agent_proto::programs::stranger;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::connect::miss::Miss;
use crate::error::Error;

pub(crate) type Stream = tokio::net::UnixStream;

/// Write permission for the group and for others.
const WRITABLE_BY_OTHERS: u32 = 0o022;

pub(super) fn dial(socket: &Path, wait: Duration) -> Result<Stream, Miss> {
    let stream = asynchronous(reach(socket, wait)?).map_err(|error| miss(socket, &error))?;
    check_peer(stream.peer_cred().map(|peer| peer.uid()), socket)?;
    Ok(stream)
}

/// Like [`dial`], for calls that block.
#[cfg(target_os = "linux")]
pub(crate) fn dial_blocking(socket: &Path, wait: Duration) -> Result<StdStream, Miss> {
    let stream = reach(socket, wait)?;
    check_peer(peer_uid(&stream), socket)?;
    Ok(stream)
}

/// Connects to a socket in a folder that nobody else can write to. Whose process listens is still to be seen.
fn reach(socket: &Path, wait: Duration) -> Result<StdStream, Miss> {
    check_folder(socket.parent().unwrap_or(Path::new("/")))?;
    // Two steps, for a sandbox refuses the first one whatever the path is.
    let made =
        Socket::new(Domain::UNIX, Type::STREAM, None).map_err(|error| match Error::of_sandbox(&error) {
            Some(sandboxed) => Miss::Failed(sandboxed),
            None => miss(socket, &error),
        })?;
    connect(made, socket, wait).map_err(|error| miss(socket, &error))
}

/// `rustix` cannot be asked: its process ids are never 0, and that of an agent in another pid namespace is.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "there is no safe wrapper that allows for process id 0")]
fn peer_uid(stream: &StdStream) -> Result<u32, IoError> {
    use std::os::fd::AsRawFd;
    let mut peer = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut length = libc::socklen_t::try_from(size_of_val(&peer)).map_err(IoError::other)?;
    let (level, name) = (libc::SOL_SOCKET, libc::SO_PEERCRED);
    let value = (&raw mut peer).cast();
    // SAFETY: `value` points to a `ucred` and `length` holds its size, as socket(7) wants it.
    match unsafe { libc::getsockopt(stream.as_raw_fd(), level, name, value, &mut length) } {
        0 => Ok(peer.uid),
        _ => Err(IoError::last_os_error()),
    }
}

/// True if another user has put something where the socket's folder belongs.
pub(super) fn is_squatted(socket: &Path) -> bool {
    let folder = socket.parent().unwrap_or(Path::new("/"));
    symlink_metadata(folder).is_ok_and(|meta| meta.uid() != getuid().as_raw())
}

fn connect(socket: Socket, path: &Path, wait: Duration) -> Result<StdStream, IoError> {
    // SO_SNDTIMEO also limits connect(2), and zero would mean no limit (socket(7)).
    socket.set_write_timeout(Some(wait.max(Duration::from_millis(1))))?;
    let address = SockAddr::unix(path)?;
    loop {
        match socket.connect(&address) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(()) => break,
        }
    }
    Ok(StdStream::from(socket))
}

fn asynchronous(stream: StdStream) -> Result<Stream, IoError> {
    stream.set_nonblocking(true)?;
    Stream::from_std(stream)
}

fn miss(socket: &Path, error: &IoError) -> Miss {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::NotADirectory => Miss::Nobody,
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Miss::Silent,
        // Its folder belongs to this user, so the mode is not the reason.
        ErrorKind::PermissionDenied if is_own(socket) => {
            Miss::Failed(Error::of_sandbox(error).unwrap_or(Error::NoAgent))
        }
        _ => Miss::Failed(match limits::behind(error) {
            Some(limit) => Error::Exhausted(limit),
            None => Error::Unreachable { path: socket.to_owned(), why: error.to_string() },
        }),
    }
}

fn is_own(socket: &Path) -> bool {
    let own = |meta: Metadata| meta.uid() == getuid().as_raw() && meta.mode() & 0o200 != 0;
    symlink_metadata(socket).is_ok_and(own)
}

/// The folder must be a real folder that belongs to this user, and nobody else may write to it.
fn check_folder(folder: &Path) -> Result<(), Miss> {
    let meta = match symlink_metadata(folder) {
        // The runtime folder of another user, left over after `su`: our agent cannot be in there.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Err(Miss::Nobody),
        Err(error) => return Err(miss(folder, &error)),
        Ok(meta) => meta,
    };
    let fault = if meta.is_symlink() {
        Some("it is a symbolic link".to_owned())
    } else if !meta.is_dir() {
        Some("it is not a folder".to_owned())
    } else {
        fault(&meta)
    };
    trusted(folder, fault).map_err(Miss::Failed)
}

/// The process that listens must run as this user (`SO_PEERCRED`, `LOCAL_PEERCRED`).
fn check_peer(uid: Result<u32, IoError>, socket: &Path) -> Result<(), Miss> {
    let uid = uid.map_err(|error| miss(socket, &error))?;
    trusted(socket, stranger(uid, &[getuid().as_raw()])).map_err(Miss::Failed)
}

fn trusted(path: &Path, fault: Option<String>) -> Result<(), Error> {
    match fault {
        Some(why) => Err(Error::Distrusted { path: PathBuf::from(path), why }),
        None => Ok(()),
    }
}

fn fault(meta: &Metadata) -> Option<String> {
    stranger(meta.uid(), &[getuid().as_raw()]).or_else(|| {
        let mode = meta.mode() & 0o7777;
        (mode & WRITABLE_BY_OTHERS != 0).then(|| format!("other users may write to it (mode {mode:04o})"))
    })
}
