//! Places on Linux, macOS and the BSDs.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::host::Host;
#[cfg(not(target_os = "macos"))]
use super::host::machine_id as machine_id_in;
use super::variables::{Lookup, absolute};

/// The size of the kernel's `sun_path` without the closing zero (`unix(7)`: 108 on Linux, 104 on macOS and
/// the BSDs).
const LONGEST_SOCKET_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

pub(super) fn host(_: Lookup<'_>) -> Host {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Host { machine: machine_id(), name, was_named: true }
}

/// `f_type` (statfs(2), linux/magic.h) of the file systems that only one host can have mounted. Everything else
/// counts as shared with other hosts: NFS and its like, and also 9P, virtiofs and FUSE, behind which anything may
/// lie.
#[cfg(target_os = "linux")]
const LOCAL: [u32; 13] = [
    0xEF53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683E, // Btrfs
    0x2FC1_2FC1, // ZFS
    0x0102_1994, // tmpfs
    0x8584_58F6, // ramfs
    0x794C_7630, // overlayfs
    0xF2F5_2010, // F2FS
    0xCA45_1A4E, // bcachefs
    0x3153_464A, // JFS
    0x5265_4973, // ReiserFS
    0x7366_746E, // NTFS (ntfs3)
    0x5346_544E, // NTFS
];

/// True if the folder lies on a file system that no other host can have mounted. A folder that is not there yet
/// lies where its parent does.
#[cfg(target_os = "linux")]
pub(super) fn is_local(folder: &Path) -> bool {
    let found = folder.ancestors().find_map(|folder| rustix::fs::statfs(folder).ok());
    // A signed machine word; the numbers above have 32 bits.
    found.is_some_and(|found| LOCAL.contains(&(found.f_type as u32)))
}

/// As on Linux, by name: macOS mounts NFS, SMB and FUSE under names of their own.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_local(folder: &Path) -> bool {
    const LOCAL: [&str; 6] = ["apfs", "hfs", "ufs", "ffs", "zfs", "tmpfs"];
    let found = folder.ancestors().find_map(|folder| rustix::fs::statfs(folder).ok());
    found.is_some_and(|found| {
        let name: Vec<u8> = found.f_fstypename.iter().map(|c| *c as u8).take_while(|c| *c != 0).collect();
        LOCAL.iter().any(|local| local.as_bytes() == name)
    })
}

#[cfg(not(target_os = "macos"))]
fn machine_id() -> Vec<u8> {
    ["/etc/machine-id", "/var/lib/dbus/machine-id", "/etc/hostid"]
        .iter()
        .find_map(|file| {
            std::fs::read(file).ok().map(|content| machine_id_in(&content)).filter(|id| !id.is_empty())
        })
        .unwrap_or_default()
}

/// The hardware UUID (`gethostuuid(2)`).
#[cfg(target_os = "macos")]
#[expect(unsafe_code, reason = "the system call has no safe wrapper")]
fn machine_id() -> Vec<u8> {
    #[repr(C)]
    struct Timespec {
        seconds: i64,
        nanos: i64,
    }
    unsafe extern "C" {
        fn gethostuuid(id: *mut u8, wait: *const Timespec) -> i32;
    }
    let mut id = [0_u8; 16];
    let wait = Timespec { seconds: 1, nanos: 0 };
    // SAFETY: `id` has the 16 bytes of a uuid_t, and both pointers live across the call.
    match unsafe { gethostuuid(id.as_mut_ptr(), &wait) } {
        0 => id.to_vec(),
        _ => Vec::new(),
    }
}

/// Unknown if `HOME` is not set. The password database is not asked: a static binary has no name service and
/// would not find the users of a directory service, so two programs of one user could disagree.
#[cfg(not(target_os = "macos"))]
pub(super) fn known_home() -> Option<PathBuf> {
    None
}

/// On macOS, every program can ask the directory service.
#[cfg(target_os = "macos")]
pub(super) fn known_home() -> Option<PathBuf> {
    directories::BaseDirs::new().map(|known| known.home_dir().to_owned())
}

/// XDG's folder, on macOS too, so that the log of a program has the same path on every Unix.
pub(super) fn state_folder(_: Lookup<'_>, home: Option<PathBuf>) -> Option<(PathBuf, Option<&'static str>)> {
    Some((home?.join(".local/state"), None))
}

/// The sockets to try and to bind, best first.
pub(super) fn sockets(run_dir: &Path, suffix: &str, env: Lookup<'_>) -> Vec<PathBuf> {
    let uid = rustix::process::getuid().as_raw();
    let runtime = absolute(env, "XDG_RUNTIME_DIR").ok().flatten().or_else(|| {
        let dir = PathBuf::from(format!("/run/user/{uid}"));
        owned_by(&dir, uid).then_some(dir)
    });
    let folders = [
        runtime.map(|dir| dir.join("seqera")),
        Some(run_dir.to_owned()),
        // The last resort: short, on a local file system, and its owner is checked before use.
        Some(PathBuf::from(format!("/tmp/seqera-{uid}"))),
    ];
    let name = format!("agent{suffix}.sock");
    let fits = |path: &PathBuf| path.as_os_str().len() <= LONGEST_SOCKET_PATH;
    folders.into_iter().flatten().map(|dir| dir.join(&name)).filter(fits).collect()
}

fn owned_by(dir: &Path, uid: u32) -> bool {
    dir.symlink_metadata().is_ok_and(|meta| meta.is_dir() && meta.uid() == uid)
}
