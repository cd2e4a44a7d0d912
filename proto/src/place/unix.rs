//! Places on Linux, macOS and the BSDs.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::variables::{Lookup, absolute};

/// The size of the kernel's `sun_path` without the closing zero (`unix(7)`: 108 on Linux, 104 on macOS and
/// the BSDs).
const LONGEST_SOCKET_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// What identifies this host. Images are cloned together with their machine id, so the node name counts too.
pub(super) fn host_identity() -> Vec<u8> {
    let mut identity = machine_id();
    identity.push(b'\n');
    identity.extend_from_slice(rustix::system::uname().nodename().to_bytes());
    identity
}

#[cfg(not(target_os = "macos"))]
fn machine_id() -> Vec<u8> {
    ["/etc/machine-id", "/var/lib/dbus/machine-id", "/etc/hostid"]
        .iter()
        .find_map(|file| std::fs::read(file).ok().filter(|id| !id.is_empty()))
        .unwrap_or_default()
        .trim_ascii()
        .to_vec()
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
