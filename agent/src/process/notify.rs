//! Words to the service manager: `sd_notify(3)`, a datagram to the socket that `NOTIFY_SOCKET` names.
//!
//! The crate `sd-notify` does less: it reads that variable from the environment by itself, and takes an
//! abstract name (`@…`), which a service manager may give, for a path.

use std::ffi::OsStr;
use std::io;

/// The agent serves.
pub(crate) const READY: &str = "READY=1";
/// The agent has begun to stop.
pub(crate) const STOPPING: &str = "STOPPING=1";

/// Sends one word where a service manager listens; a manager that does not hear it is no reason to stop.
pub(crate) fn tell(socket: Option<&OsStr>, word: &str) {
    if let Some(socket) = socket
        && let Err(error) = send(socket, word.as_bytes())
    {
        tracing::warn!(%error, word, "the service manager was not told");
    }
}

#[cfg(unix)]
fn send(socket: &OsStr, word: &[u8]) -> io::Result<()> {
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let address = match socket.as_encoded_bytes().strip_prefix(b"@") {
        #[cfg(target_os = "linux")]
        Some(name) => <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(word, &address).map(drop)
}

#[cfg(windows)]
fn send(_: &OsStr, _: &[u8]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    use super::*;

    #[test]
    fn the_manager_hears_the_word_at_a_path_and_at_an_abstract_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let name = format!("seqera-notify-{}", std::process::id());
        let manager = [
            (UnixDatagram::bind(&path).unwrap(), path.into_os_string()),
            (
                UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap(),
                format!("@{name}").into(),
            ),
        ];
        for (socket, address) in manager {
            tell(Some(&address), READY);
            let mut word = [0; 32];
            let length = socket.recv(&mut word).unwrap();
            assert_eq!(&word[..length], READY.as_bytes());
        }
    }
}
