//! Whose the session bus is. Its address is often a name in a folder of all, such as `/tmp/dbus-…`, or an abstract one,
//! and an agent lives longer than many a desktop: once the bus has ended any user can take its name, and would be
//! handed what is meant for the keychain. So the kernel is asked who listens there, before a word is said.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv, socket_with,
};
use rustix::process::getuid;
use zbus::Address;
use zbus::address::Transport;
use zbus::address::transport::UnixSocket;

/// A bus that is there takes a connection at once; one whose backlog is full may be anybody's.
const PATIENCE: Duration = Duration::from_secs(1);

/// A connection to a bus of this user. While the bus lives nobody else can have its name.
pub(crate) struct OwnBus(OwnedFd);

/// Why nothing is said on a bus.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotOurs {
    #[error(
        "the session bus at {address} belongs to uid {owner}, neither to you nor to root: it gets no secret"
    )]
    Foreign { address: String, owner: u32 },
    #[error(
        "the session bus at {0} is no local socket, so that nobody can tell whose it is: it gets no secret"
    )]
    Elsewhere(String),
    /// There is none.
    #[error("no session bus answers: {0}")]
    Absent(io::Error),
}

impl OwnBus {
    /// The bus that the environment names, as the libraries find it.
    ///
    /// # Errors
    /// It is another user's, or there is none.
    pub(crate) fn of_session() -> Result<Self, NotOurs> {
        Self::at(&Address::session().map_err(|error| NotOurs::Absent(io::Error::other(error)))?)
    }

    /// # Errors
    /// As [`OwnBus::of_session`].
    pub(crate) fn at(address: &Address) -> Result<Self, NotOurs> {
        let Some(socket) = local(address) else { return Err(NotOurs::Elsewhere(address.to_string())) };
        let bus =
            socket.and_then(|socket| reached(&socket)).map_err(|error| NotOurs::Absent(error.into()))?;
        let owner = owner(&bus).map_err(NotOurs::Absent)?;
        if owner != 0 && owner != getuid().as_raw() {
            return Err(NotOurs::Foreign { address: address.to_string(), owner });
        }
        Ok(Self(bus))
    }

    /// Looks whether the bus is still there. If it is, whoever has connected to its address since is connected to it.
    ///
    /// # Errors
    /// It has ended: its name may be anybody's.
    pub(crate) fn lives(&self) -> Result<(), NotOurs> {
        match recv(&self.0, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Err(Errno::AGAIN) => Ok(()),
            Ok((_, read)) if read > 0 => Ok(()),
            Ok(_) => Err(NotOurs::Absent(io::ErrorKind::ConnectionReset.into())),
            Err(error) => Err(NotOurs::Absent(error.into())),
        }
    }
}

/// `None` if it is of another kind.
fn local(address: &Address) -> Option<Result<SocketAddrUnix, Errno>> {
    let Transport::Unix(socket) = address.transport() else { return None };
    match socket.path() {
        UnixSocket::File(path) => Some(SocketAddrUnix::new(path)),
        #[cfg(target_os = "linux")]
        UnixSocket::Abstract(name) => Some(SocketAddrUnix::new_abstract_name(name.as_encoded_bytes())),
        // Servers listen there; nobody connects.
        _ => Some(Err(Errno::INVAL)),
    }
}

fn reached(address: &SocketAddrUnix) -> Result<OwnedFd, Errno> {
    let bus = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // SO_SNDTIMEO also limits connect(2).
    set_socket_timeout(&bus, Timeout::Send, Some(PATIENCE))?;
    connect(&bus, address)?;
    Ok(bus)
}

/// The user of the process that listens. `rustix` cannot be asked: its process ids are never 0, and that of a process
/// in another pid namespace is.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "there is no safe wrapper that allows for process id 0")]
fn owner(bus: &OwnedFd) -> io::Result<u32> {
    let mut peer = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut length = libc::socklen_t::try_from(size_of_val(&peer)).map_err(io::Error::other)?;
    let (level, name) = (libc::SOL_SOCKET, libc::SO_PEERCRED);
    let value = (&raw mut peer).cast();
    // SAFETY: `value` points to a `ucred` and `length` holds its size, as socket(7) wants it.
    match unsafe { libc::getsockopt(bus.as_fd().as_raw_fd(), level, name, value, &mut length) } {
        0 => Ok(peer.uid),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(not(target_os = "linux"))]
#[expect(unsafe_code, reason = "there is no safe wrapper")]
fn owner(bus: &OwnedFd) -> io::Result<u32> {
    let (mut uid, mut gid) = (u32::MAX, u32::MAX);
    // SAFETY: both point to numbers that live across the call.
    match unsafe { libc::getpeereid(bus.as_fd().as_raw_fd(), &mut uid, &mut gid) } {
        0 => Ok(uid),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::os::unix::net::UnixListener;

    use rustix::process::Uid;

    use super::*;

    fn at(path: &std::path::Path) -> Address {
        format!("unix:path={}", path.display()).parse().unwrap()
    }

    #[test]
    fn a_bus_of_this_user_is_used_until_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bus");
        assert!(matches!(OwnBus::at(&at(&path)), Err(NotOurs::Absent(_))));
        let listener = UnixListener::bind(&path).unwrap();
        let bus = OwnBus::at(&at(&path)).ok().unwrap();
        assert!(bus.lives().is_ok());
        drop(listener);
        assert!(bus.lives().is_err());
    }

    #[test]
    fn one_that_another_user_has_put_there_is_told_nothing() {
        let stranger = Uid::from_raw(1001);
        let name = format!("seqera-test-{}-{:x}", std::process::id(), getrandom::u64().unwrap());
        let address: Address = format!("unix:abstract={name}").parse().unwrap();
        // The kernel keeps who has called listen(2), which is a thread here.
        let listening = std::thread::spawn(move || {
            if rustix::thread::set_thread_res_uid(stranger, stranger, stranger).is_err() {
                return None;
            }
            let socket =
                socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
            rustix::net::bind(&socket, &SocketAddrUnix::new_abstract_name(name.as_bytes()).unwrap()).unwrap();
            rustix::net::listen(&socket, 8).unwrap();
            Some(socket)
        });
        let Some(_socket) = listening.join().unwrap() else { return };
        let error = OwnBus::at(&address).err().unwrap().to_string();
        assert!(error.contains("belongs to uid 1001, neither to you nor to root"), "{error}");
    }

    #[test]
    fn of_what_is_no_local_socket_nobody_can_tell_whose_it_is() {
        let address: Address = "tcp:host=127.0.0.1,port=1".parse().unwrap();
        assert!(matches!(OwnBus::at(&address), Err(NotOurs::Elsewhere(_))));
    }
}
