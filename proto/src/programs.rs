//! Which programs are run. What is started runs as this user and holds or gets tokens, so nobody else may have put it
//! there. A client looks before it starts an agent, and an agent before it hands over to the program that has taken
//! the place of its own.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Write permission for everybody.
const WRITABLE_BY_ALL: u32 = 0o002;

/// Whose programs are run: root's, this user's, and those of the owner of the program that runs (`own`), such as a
/// module tree of a cluster, a shared conda or Homebrew.
pub fn owners(own: Option<u32>) -> Vec<u32> {
    [0, rustix::process::getuid().as_raw()].into_iter().chain(own).collect()
}

/// Why a file, a folder or a process with this owner is not trusted.
pub fn stranger(uid: u32, owners: &[u32]) -> Option<String> {
    (!owners.contains(&uid)).then(|| format!("it belongs to another user (uid {uid})"))
}

/// Why a program, or the folder that it is in, may have been put there by others. A group may write to it: such an
/// owner has allowed it.
pub fn fault(path: &Path, found: &Metadata, owners: &[u32]) -> Option<String> {
    let why = stranger(found.uid(), owners).or_else(|| {
        let mode = found.mode() & 0o7777;
        (mode & WRITABLE_BY_ALL != 0).then(|| format!("everybody may write to it (mode {mode:04o})"))
    });
    why.filter(|_| !is_of_windows(path))
}

/// A program and what decides which file it is: the real path, and the folders of it and of the path that was given.
pub fn parts<'a>(given: &'a Path, real: &'a Path) -> impl Iterator<Item = &'a Path> {
    std::iter::once(real).chain([given.parent(), real.parent()].into_iter().flatten())
}

/// What keeps a program from being run: the file or one of its folders, and why. Blocks on the file system.
pub fn distrusted(given: &Path, real: &Path, owners: &[u32]) -> Option<(PathBuf, String)> {
    parts(given, real).find_map(|path| {
        let why = match path.metadata() {
            Ok(found) => fault(path, &found, owners)?,
            Err(error) => error.to_string(),
        };
        Some((path.to_owned(), why))
    })
}

/// WSL shows the disks of Windows as writable for everybody; Windows itself guards them.
fn is_of_windows(path: &Path) -> bool {
    path.starts_with("/mnt")
        && std::fs::read_to_string("/proc/sys/kernel/osrelease")
            .is_ok_and(|kernel| kernel.to_ascii_lowercase().contains("microsoft"))
}
