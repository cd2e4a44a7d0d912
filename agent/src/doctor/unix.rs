//! File systems on Linux, macOS and the BSDs, and who can read a file.

use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The file system that a path is on.
pub(super) struct FileSystem {
    name: String,
    /// Other hosts may have it mounted as well.
    pub(super) is_network: bool,
}

impl fmt::Display for FileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// `f_type` of statfs(2) for file systems that other hosts may have mounted as well. The numbers come from
/// linux/magic.h, or from the file system's own source if it is not part of the kernel.
#[cfg(target_os = "linux")]
const NETWORK: [(u32, &str); 15] = [
    (0x6969, "NFS"),
    (0x0BD0_0BD0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB"),
    (0x517B, "SMB"),
    (0x00C3_6400, "Ceph"),
    (0x5346_414F, "AFS"),
    (0x6B41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x0102_1997, "9P"),
    (0xAAD7_AAEA, "PanFS"),
    (0x0116_1970, "GFS2"),
    (0x7461_636F, "OCFS2"),
];

/// Local file systems, with names that people recognise.
#[cfg(target_os = "linux")]
const LOCAL: [(u32, &str); 7] = [
    (0xEF53, "ext4"),
    (0x5846_5342, "XFS"),
    (0x9123_683E, "Btrfs"),
    (0x2FC1_2FC1, "ZFS"),
    (0x0102_1994, "tmpfs"),
    (0x794C_7630, "overlay"),
    (0x6573_5546, "FUSE"),
];

/// The file system of the nearest folder that exists.
#[cfg(target_os = "linux")]
pub(super) fn file_system(path: &Path) -> FileSystem {
    let found = path.ancestors().find_map(|path| rustix::fs::statfs(path).ok());
    // `f_type` is a signed machine word; the numbers above have 32 bits.
    found.map_or_else(unknown, |found| named(found.f_type as u32))
}

#[cfg(target_os = "linux")]
fn named(kind: u32) -> FileSystem {
    let find =
        |list: &[(u32, &'static str)]| list.iter().find(|(known, _)| *known == kind).map(|(_, name)| *name);
    match (find(&NETWORK), find(&LOCAL)) {
        (Some(name), _) => FileSystem { name: format!("on {name}"), is_network: true },
        (None, Some(name)) => FileSystem { name: format!("on {name}"), is_network: false },
        (None, None) => FileSystem { name: format!("on a file system of type {kind:#x}"), is_network: false },
    }
}

/// These systems report whether a file system is local (statfs(2), `MNT_LOCAL`).
#[cfg(not(target_os = "linux"))]
pub(super) fn file_system(path: &Path) -> FileSystem {
    const MNT_LOCAL: u64 = 0x1000;
    let found = path.ancestors().find_map(|path| rustix::fs::statfs(path).ok());
    found.map_or_else(unknown, |found| {
        let is_network = u64::from(found.f_flags) & MNT_LOCAL == 0;
        let name = if is_network { "on a network file system" } else { "on a local file system" };
        FileSystem { name: name.to_owned(), is_network }
    })
}

fn unknown() -> FileSystem {
    FileSystem { name: "on an unknown file system".to_owned(), is_network: false }
}

/// Why somebody other than this user can read the file, and what to do about it.
pub(super) fn exposed(path: &Path, meta: &Metadata) -> Option<(String, String)> {
    let (mode, shown) = (meta.mode() & 0o7777, path.display());
    let own = rustix::process::getuid().as_raw();
    if meta.uid() != own {
        return Some((
            format!("{shown} belongs to uid {}, not to you", meta.uid()),
            format!("remove {shown}"),
        ));
    }
    let open = mode & 0o077 != 0;
    open.then(|| (format!("{shown} can be read by others (mode {mode:04o})"), format!("chmod 600 {shown}")))
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_by_their_numbers_and_others_are_named_or_numbered() {
        assert!(named(0x6969).is_network && named(0x6969).to_string() == "on NFS");
        assert!(named(0xFF53_4D42).is_network, "its number is negative where words have 32 bits");
        assert!(!named(0xEF53).is_network);
        assert_eq!(named(0x1234).to_string(), "on a file system of type 0x1234");
    }

    #[test]
    fn a_path_that_is_not_there_yet_lies_where_its_folder_does() {
        let there = file_system(Path::new("/proc")).to_string();
        assert_eq!(file_system(Path::new("/proc/no/such/path")).to_string(), there);
    }

    #[test]
    fn a_file_that_others_can_read_is_named_with_the_command_that_closes_it() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("refresh-token.x");
        std::fs::write(&path, "").unwrap();
        for (mode, is_open) in [(0o600, false), (0o640, true), (0o604, true)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let found = exposed(&path, &path.metadata().unwrap());
            assert_eq!(found.is_some(), is_open, "{mode:o}");
            assert!(found.is_none_or(|(_, remedy)| remedy == format!("chmod 600 {}", path.display())));
        }
    }
}
