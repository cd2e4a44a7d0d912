//! Which programs are run. What is started runs as this user and holds or gets tokens, so nobody else may have put it
//! there. A client looks before it starts an agent, and an agent before it hands over to the program that has taken
//! the place of its own.

use std::fs::{File, Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// Write permission for everybody.
pub const WRITABLE_BY_ALL: u32 = 0o002;

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

/// What keeps a program from being run: the file, one of its folders, or what leads there, and why. Blocks on the file
/// system.
pub fn distrusted(given: &Path, real: &Path, owners: &[u32]) -> Option<(PathBuf, String)> {
    let part = parts(given, real).find_map(|path| {
        let why = match path.metadata() {
            Ok(found) => fault(path, &found, owners)?,
            Err(error) => error.to_string(),
        };
        Some((path.to_owned(), why))
    });
    // What is found there now, another one can be a moment later. Who owns a folder further above does not matter: on
    // clusters that is whoever looks after a project.
    part.or_else(|| {
        first_on_the_way(given, |place, found| match found.is_symlink() {
            true => stranger(found.uid(), owners).filter(|_| !is_of_windows(place)),
            false if is_open(found) => fault(place, found, &[found.uid()]),
            false => None,
        })
    })
}

/// True if nobody but `owners` decides where this path leads: they own each folder from the root on, each link on the
/// way, and the folders that these lead through, and none is open to everybody but for folders like `/tmp`, in which an
/// entry is its owner's. It asks more than [`distrusted`]: a path that is followed again later leads to what is there
/// then. Blocks on the file system.
pub fn is_led_by(owners: &[u32], path: &Path) -> bool {
    let way = first_on_the_way(path, |_, found| {
        let open = || (is_open(found) && !found.is_symlink()).then(String::new);
        stranger(found.uid(), owners).or_else(open)
    });
    way.is_none()
}

/// True if everybody may put another entry in the place of one that is there.
fn is_open(found: &Metadata) -> bool {
    found.mode() & WRITABLE_BY_ALL != 0 && found.mode() & STICKY == 0
}

/// The first folder, link or file that `odd` has something to say about, from the root on and through all links, and
/// what that is. A path that leads nowhere is odd too.
fn first_on_the_way(
    path: &Path,
    odd: impl Fn(&Path, &Metadata) -> Option<String>,
) -> Option<(PathBuf, String)> {
    /// More than the kernel follows (`ELOOP`).
    const MOST_STEPS: usize = 400;
    let steps = |path: &Path| path.components().rev().map(|part| part.as_os_str().into()).collect();
    let mut left: Vec<PathBuf> = steps(path);
    let mut place = PathBuf::new();
    for _ in 0..MOST_STEPS {
        place.push(left.pop()?);
        let found = match place.symlink_metadata() {
            Ok(found) => found,
            Err(error) => return Some((place, error.to_string())),
        };
        if let Some(why) = odd(&place, &found) {
            return Some((place, why));
        }
        if found.is_symlink() {
            let Ok(target) = place.read_link() else { return Some((place, "it leads nowhere".to_owned())) };
            place.pop();
            left.append(&mut steps(&target));
        }
    }
    Some((path.to_owned(), "it leads round and round".to_owned()))
}

/// What a user makes in such a folder is that user's to remove and to rename.
pub const STICKY: u32 = 0o1000;

/// A program between its check and its start.
#[derive(Debug)]
pub struct Held {
    given: PathBuf,
    path: PathBuf,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// A compiled program: the very file that was checked.
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "only Linux starts a file by its descriptor")
    )]
    Compiled(File),
    /// Anything else that can be read, such as a script.
    Other,
    /// Nobody says: it may be run and not read.
    Unread,
}

impl Held {
    /// Checks the program at `given`, which is the file at `real`, and keeps it. Blocks on the file system.
    ///
    /// # Errors
    /// As for [`distrusted`].
    pub fn of(given: &Path, real: PathBuf, owners: &[u32]) -> Result<Self, (PathBuf, String)> {
        match distrusted(given, &real, owners) {
            Some(found) => Err(found),
            None => Self::opened(given, real, owners),
        }
    }

    /// The file is opened and then checked itself: another one may have taken its place meanwhile.
    fn opened(given: &Path, real: PathBuf, owners: &[u32]) -> Result<Self, (PathBuf, String)> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let opened = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(&real);
        let as_is = |content| Self { given: given.to_owned(), path: real.clone(), content };
        let Ok(file) = opened else { return Ok(as_is(Content::Unread)) };
        let why = match file.metadata() {
            Ok(found) => fault(&real, &found, owners),
            Err(error) => Some(error.to_string()),
        };
        match why {
            Some(why) => Err((real, why)),
            None => Ok(as_is(content(file))),
        }
    }

    /// The path that was given, which may be a link that leads to a newer version one day.
    pub fn given(&self) -> &Path {
        &self.given
    }

    /// Its real path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True for a file that can be read and is no compiled program of this system.
    pub fn is_no_binary(&self) -> bool {
        matches!(self.content, Content::Other)
    }

    /// What to start while this lives. On Linux a compiled program is started by the descriptor that was checked, so
    /// that nothing can take its place in between. A script is not: its interpreter could not open it.
    pub fn executable(&self) -> PathBuf {
        #[cfg(target_os = "linux")]
        if let Content::Compiled(file) = &self.content
            && Path::new("/proc/self/fd").is_dir()
        {
            use std::os::fd::AsRawFd;
            return PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        }
        self.path.clone()
    }
}

fn content(mut file: File) -> Content {
    let mut magic = [0; 4];
    let is_compiled = file.read_exact(&mut magic).is_ok() && BINARIES.contains(&magic);
    if is_compiled { Content::Compiled(file) } else { Content::Other }
}

/// How a compiled program begins: ELF.
#[cfg(not(target_vendor = "apple"))]
const BINARIES: [[u8; 4]; 1] = [*b"\x7fELF"];
/// How a compiled program begins: Mach-O of 64 bits, or several of them in one file (`mach-o/loader.h`, `fat.h`).
#[cfg(target_vendor = "apple")]
const BINARIES: [[u8; 4]; 2] = [[0xcf, 0xfa, 0xed, 0xfe], [0xca, 0xfe, 0xba, 0xbe]];

/// WSL shows the disks of Windows as writable for everybody; Windows itself guards them.
fn is_of_windows(path: &Path) -> bool {
    path.starts_with("/mnt") && is_kernel_of_windows()
}

/// True in WSL.
pub(crate) fn is_kernel_of_windows() -> bool {
    std::fs::read_to_string("/proc/sys/kernel/osrelease")
        .is_ok_and(|kernel| kernel.to_ascii_lowercase().contains("microsoft"))
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, copy, remove_file, set_permissions, write};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn held(path: &Path) -> Result<Held, (PathBuf, String)> {
        Held::of(path, path.canonicalize().unwrap(), &owners(None))
    }

    fn mode(path: &Path, mode: u32) {
        set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    /// A path for a program, without a link above it.
    fn place(folder: &tempfile::TempDir) -> PathBuf {
        folder.path().canonicalize().unwrap().join("seqera-agent")
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_compiled_program_is_started_as_it_was_checked_whatever_takes_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = place(&folder);
        copy("/bin/true", &path).unwrap();
        let found = held(&path).unwrap();
        assert_ne!(found.executable(), path);
        remove_file(&path).unwrap();
        write(&path, "#!/bin/sh\nexit 7\n").unwrap();
        mode(&path, 0o755);
        let ended = std::process::Command::new(found.executable()).status().unwrap();
        assert!(ended.success(), "{ended}");
    }

    #[test]
    fn a_path_is_followed_later_only_if_every_step_of_it_is_its_owners() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        let [versions, open, link] = ["versions", "open", "link"].map(|name| base.join(name));
        std::fs::create_dir_all(versions.join("1/bin")).unwrap();
        write(versions.join("1/bin/seqera-agent"), "").unwrap();
        symlink("versions/../versions/1", &link).unwrap();
        let is_followed = |path: &Path| is_led_by(&owners(None), path);
        assert!(is_followed(&link.join("bin/seqera-agent")));
        assert!(!is_followed(&link.join("bin/none")), "what is not there leads nowhere");
        symlink("round", base.join("round")).unwrap();
        assert!(!is_followed(&base.join("round")));
        // Whoever may rename what is in a folder decides where a path through it leads.
        std::fs::create_dir(&open).unwrap();
        symlink(&versions, open.join("versions")).unwrap();
        let through = open.join("versions/1/bin/seqera-agent");
        for (bits, is_safe) in [(0o755, true), (0o777, false), (0o1777, true)] {
            mode(&open, bits);
            assert_eq!(is_followed(&through), is_safe, "{bits:o}");
        }
        if rustix::process::getuid().is_root() {
            std::os::unix::fs::lchown(open.join("versions"), Some(12_345), None).unwrap();
            assert!(!is_followed(&through), "a link of another user");
            std::os::unix::fs::lchown(open.join("versions"), Some(0), None).unwrap();
            std::os::unix::fs::lchown(&open, Some(12_345), None).unwrap();
            assert!(!is_followed(&through), "a folder of another user");
            std::os::unix::fs::lchown(&versions, Some(12_345), None).unwrap();
            assert!(!is_followed(&link.join("bin/seqera-agent")), "what a link leads through");
        }
    }

    #[test]
    fn a_folder_further_above_that_everybody_can_write_to_and_a_link_of_another_user_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        let [open, links] = ["open", "links"].map(|name| base.join(name));
        std::fs::create_dir_all(open.join("versions/bin")).unwrap();
        std::fs::create_dir(&links).unwrap();
        let real = open.join("versions/bin/seqera");
        write(&real, "").unwrap();
        symlink(&open, links.join("hop")).unwrap();
        let through = links.join("hop/versions/bin/seqera");
        let found = |path: &Path| held(path).map(|held| held.path().to_owned()).map_err(|(place, _)| place);
        // In a folder like /tmp an entry is its owner's, and a group was allowed by an owner.
        for (bits, is_safe) in [(0o755, true), (0o775, true), (0o1777, true), (0o777, false)] {
            mode(&open, bits);
            for path in [&real, &through] {
                let expected = if is_safe { Ok(real.clone()) } else { Err(open.clone()) };
                assert_eq!(found(path), expected, "{bits:o} {path:?}");
            }
        }
        mode(&open, 0o755);
        if rustix::process::getuid().is_root() {
            std::os::unix::fs::lchown(&open, Some(12_345), None).unwrap();
            assert_eq!(found(&through), Ok(real.clone()), "whoever looks after a project");
            std::os::unix::fs::lchown(links.join("hop"), Some(12_345), None).unwrap();
            assert_eq!(found(&through), Err(links.join("hop")));
        }
    }

    #[test]
    fn a_script_is_started_by_its_path_because_its_interpreter_gets_no_descriptor() {
        let folder = tempfile::tempdir().unwrap();
        let path = place(&folder);
        write(&path, "#!/bin/sh\nexit 7\n").unwrap();
        mode(&path, 0o755);
        let script = held(&path).unwrap();
        assert!(script.is_no_binary());
        assert_eq!((script.executable(), script.path()), (path.clone(), &*path));
    }

    #[test]
    fn what_took_the_place_of_the_program_before_it_was_opened_is_checked_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = place(&folder);
        copy("/bin/true", &path).unwrap();
        mode(&path, 0o777);
        assert!(Held::opened(&path, path.clone(), &owners(None)).is_err());
        remove_file(&path).unwrap();
        symlink("/bin/true", &path).unwrap();
        let link = Held::opened(&path, path.clone(), &owners(None)).unwrap();
        assert!(matches!(link.content, Content::Unread), "a link is not followed any more");
    }
}
