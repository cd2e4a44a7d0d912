//! Asks by sock_diag(7) for the one socket at the other end. `/proc/net/tcp` has the same answer, but the kernel
//! walks through all sockets of the machine to print it, and another user could make it do that for each of a
//! thousand connections.

use std::io;
use std::net::{IpAddr, SocketAddr};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, sendto, socket_with,
};
use rustix::process::getuid;

use super::neighbour::Neighbour;

pub(super) const ASKED: bool = true;

/// `SOCK_DIAG_BY_FAMILY` of linux/sock_diag.h, the type of question and answer.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST` of linux/netlink.h.
const REQUEST: u16 = 1;
/// `IPPROTO_TCP`.
const TCP: u8 = 6;

/// `struct nlmsghdr` and `struct inet_diag_req_v2` (linux/inet_diag.h).
const QUESTION_BYTES: usize = 16 + 56;
/// Where the ports are in an answer: behind `struct nlmsghdr` and four bytes of `struct inet_diag_msg`.
const PORTS: usize = 16 + 4;
/// Where the uid is in an answer: behind the socket's addresses, the timer and the two queues. The inode follows.
const UID: usize = PORTS + 48 + 12;

/// The owner of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Owner {
    uid: u32,
    /// 0 if no process holds the socket any more. The uid says nothing then.
    inode: u32,
}

pub(super) fn look_up(peer: SocketAddr, local: SocketAddr) -> Neighbour {
    let owner = ask(peer, local).unwrap_or_else(|error| {
        tracing::debug!(%error, "the owner of a connection is not known");
        None
    });
    judge(getuid().as_raw(), owner)
}

fn judge(own: u32, owner: Option<Owner>) -> Neighbour {
    match owner {
        None | Some(Owner { inode: 0, .. }) => Neighbour::Unknown,
        Some(Owner { uid, .. }) if uid == own => Neighbour::Ours,
        Some(Owner { uid: 0, .. }) => Neighbour::Unknown,
        Some(Owner { uid, .. }) => Neighbour::Stranger(uid),
    }
}

/// The owner of the socket that has the address `peer` and is connected to `local`. `None` if there is no such
/// socket, for example because it is in another network namespace.
fn ask(peer: SocketAddr, local: SocketAddr) -> io::Result<Option<Owner>> {
    let (kind, flags) = (SocketType::DGRAM, SocketFlags::CLOEXEC);
    let kernel = socket_with(AddressFamily::NETLINK, kind, flags, Some(netlink::SOCK_DIAG))?;
    let question = question(peer, local);
    sendto(&kernel, &question, SendFlags::empty(), &netlink::SocketAddrNetlink::new(0, 0))?;
    // More than an answer and its attributes. The kernel has written it before `sendto` returns.
    let mut answer = [0; 1024];
    let (_, length) = recv(&kernel, &mut answer, RecvFlags::DONTWAIT)?;
    Ok(owner(&answer[..length.min(answer.len())], peer, local))
}

fn question(peer: SocketAddr, local: SocketAddr) -> Vec<u8> {
    let family = if peer.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let mut bytes = Vec::with_capacity(QUESTION_BYTES);
    bytes.extend((QUESTION_BYTES as u32).to_ne_bytes());
    bytes.extend([BY_FAMILY, REQUEST].map(u16::to_ne_bytes).concat());
    bytes.extend([0; 8]); // sequence number, sender
    bytes.extend([family.as_raw() as u8, TCP, 0, 0]);
    bytes.extend(u32::MAX.to_ne_bytes()); // any state
    bytes.extend(ports(peer, local));
    bytes.extend(address(peer.ip()));
    bytes.extend(address(local.ip()));
    bytes.extend([0; 4]); // any interface
    bytes.extend([0xff; 8]); // no cookie (INET_DIAG_NOCOOKIE)
    bytes
}

/// Seen from the other end: its own port, then ours, in network byte order.
fn ports(peer: SocketAddr, local: SocketAddr) -> [u8; 4] {
    let ([a, b], [c, d]) = (peer.port().to_be_bytes(), local.port().to_be_bytes());
    [a, b, c, d]
}

/// IPv4 uses the first four of the 16 bytes.
fn address(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&ip.octets());
            bytes
        }
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// Reads an answer. The ports are compared because the kernel names a socket that listens on the first port if
/// none is connected.
fn owner(answer: &[u8], peer: SocketAddr, local: SocketAddr) -> Option<Owner> {
    let number = |at: usize| Some(u32::from_ne_bytes(answer.get(at..at + 4)?.try_into().ok()?));
    let is_answer = answer.get(4..6)? == BY_FAMILY.to_ne_bytes();
    let fits = answer.get(PORTS..PORTS + 4)? == ports(peer, local);
    (is_answer && fits).then_some(Owner { uid: number(UID)?, inode: number(UID + 4)? })
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, TcpListener, TcpStream};

    use super::*;

    /// A connection to a new listener, and both addresses as the listener sees them.
    fn connection(listener: &TcpListener, to: SocketAddr) -> (TcpStream, TcpStream, SocketAddr) {
        let there = TcpStream::connect(to).unwrap();
        let (here, peer) = listener.accept().unwrap();
        (there, here, peer)
    }

    #[test]
    fn a_connection_of_ours_is_recognised_in_both_families() {
        for ip in [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)] {
            let Ok(listener) = TcpListener::bind((ip, 0)) else { continue };
            let (_there, here, peer) = connection(&listener, listener.local_addr().unwrap());
            assert_eq!(look_up(peer, here.local_addr().unwrap()), Neighbour::Ours, "{ip}");
        }
    }

    #[test]
    fn a_socket_of_ipv6_that_uses_ipv4_is_recognised_too() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mapped = SocketAddr::from((Ipv4Addr::LOCALHOST.to_ipv6_mapped(), port));
        let (_there, here, peer) = connection(&listener, mapped);
        assert_eq!(look_up(peer, here.local_addr().unwrap()), Neighbour::Ours);
    }

    #[test]
    fn one_that_has_sent_all_it_had_is_still_ours_and_one_that_has_gone_is_unknown() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (there, here, peer) = connection(&listener, listener.local_addr().unwrap());
        let local = here.local_addr().unwrap();
        there.shutdown(Shutdown::Write).unwrap();
        assert_eq!(look_up(peer, local), Neighbour::Ours);
        drop(there);
        assert_eq!(look_up(peer, local), Neighbour::Unknown);
    }

    #[test]
    fn a_listener_at_the_other_port_is_not_taken_for_the_connection() {
        let (one, other) = (
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(),
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(),
        );
        let found = look_up(one.local_addr().unwrap(), other.local_addr().unwrap());
        assert_eq!(found, Neighbour::Unknown);
    }

    #[test]
    fn only_a_socket_that_a_process_of_another_user_holds_is_a_strangers() {
        let owner = |uid, inode| Some(Owner { uid, inode });
        for (own, owner, expected) in [
            (1000, owner(1000, 7), Neighbour::Ours),
            (1000, owner(1001, 7), Neighbour::Stranger(1001)),
            (1000, owner(1001, 0), Neighbour::Unknown),
            (1000, owner(1000, 0), Neighbour::Unknown),
            (1000, owner(0, 7), Neighbour::Unknown),
            (0, owner(0, 7), Neighbour::Ours),
            (0, owner(1000, 7), Neighbour::Stranger(1000)),
            (1000, None, Neighbour::Unknown),
        ] {
            assert_eq!(judge(own, owner), expected, "{own} {owner:?}");
        }
    }

    #[test]
    fn an_answer_that_is_cut_off_or_of_another_kind_names_nobody() {
        let (peer, local) = (SocketAddr::from(([127, 0, 0, 1], 1)), SocketAddr::from(([127, 0, 0, 1], 2)));
        let mut answer = vec![0; UID + 8];
        answer[PORTS..PORTS + 4].copy_from_slice(&ports(peer, local));
        answer[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
        assert!(owner(&answer, peer, local).is_some());
        assert_eq!(owner(&answer[..UID + 7], peer, local), None);
        assert_eq!(owner(&answer[..3], peer, local), None);
        // NLMSG_ERROR, for example because there is no such socket.
        answer[4..6].copy_from_slice(&2_u16.to_ne_bytes());
        assert_eq!(owner(&answer, peer, local), None);
    }
}
