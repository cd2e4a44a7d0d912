//! What can be known of a neighbour.

/// The user at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    all(not(target_os = "linux"), not(test)),
    expect(dead_code, reason = "only Linux is asked, see the files beside this one")
)]
pub(crate) enum Neighbour {
    /// This user.
    Ours,
    /// Another user, by uid.
    Stranger(u32),
    /// The system does not say, or names root. Relays run as root and carry other people's bytes: that of WSL
    /// 2, from browsers of Windows, and those of some SSH and VPN servers. Root itself needs no connection to
    /// take what it wants.
    Unknown,
}
