//! Unix systems without sock_diag(7). macOS shows the owners of sockets in the list `net.inet.tcp.pcblist_n`,
//! whose layout is private and changes between its versions; a wrong reading would turn the right browser away.

use std::net::SocketAddr;

use super::neighbour::Neighbour;

pub(super) const ASKED: bool = false;

pub(super) fn look_up(_: SocketAddr, _: SocketAddr) -> Neighbour {
    Neighbour::Unknown
}
