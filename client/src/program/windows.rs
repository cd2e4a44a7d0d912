//! Programs on Windows: the owner and the access list of the file and its folders say who can change them.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use seqera_agent_proto::place::user_sid;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_BACKUP_SEMANTICS, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE,
};

use crate::error::Error;
use crate::program::system::access_list::{Access, access};

mod access_list;

/// Whoever may be the owner beside this user: the system, the administrators, TrustedInstaller.
const OWNERS: [&str; 3] =
    ["S-1-5-18", "S-1-5-32-544", "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"];

/// Groups that anybody is in: everyone, local, anonymous, interactive and authenticated users, users, guests.
const ANYBODY: [&str; 7] =
    ["S-1-1-0", "S-1-2-0", "S-1-5-7", "S-1-5-4", "S-1-5-11", "S-1-5-32-545", "S-1-5-32-546"];

/// A program that was checked, open so that it stays where it is.
pub(crate) struct Held {
    path: PathBuf,
    _file: File,
}

impl Held {
    /// Its real path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What to start while this lives: nothing can take the place of a file that is open like this.
    pub(crate) fn executable(&self) -> &Path {
        &self.path
    }
}

pub(super) fn trusted(program: &Path) -> Result<PathBuf, Error> {
    held(program).map(|held| held.path)
}

/// The file is opened before it is checked, and stays open, so that nobody can write to it, or move or remove it or a
/// folder above it: its path leads to what was checked. A program beside this one is no exception: it may have been
/// put there in a folder where anybody can.
pub(super) fn held(program: &Path) -> Result<Held, Error> {
    let distrusted = |path: &Path, why: String| Error::Distrusted { path: path.to_owned(), why };
    let real = program.canonicalize().map_err(|error| distrusted(program, error.to_string()))?;
    let owners = owners();
    let file = checked(&real, &owners, false).map_err(|why| distrusted(&real, why))?;
    for folder in [program.parent(), real.parent()].into_iter().flatten() {
        checked(folder, &owners, true).map_err(|why| distrusted(folder, why))?;
    }
    Ok(Held { path: plain(real), _file: file })
}

fn checked(path: &Path, owners: &[String], is_folder: bool) -> Result<File, String> {
    let open = if is_folder { folder(path) } else { pinned(path) }.map_err(|error| error.to_string())?;
    let found = access(&open).map_err(|code| format!("its access list cannot be read (error {code})"))?;
    fault(&found, owners, is_folder).map_or(Ok(open), Err)
}

/// A file that others may read and run meanwhile, and nothing else.
fn pinned(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).share_mode(FILE_SHARE_READ).open(path)
}

fn folder(path: &Path) -> io::Result<File> {
    let shared = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    let mut options = OpenOptions::new();
    options.read(true).share_mode(shared).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(path)
}

/// True if a group that anybody is in may put files into it.
pub(super) fn is_open(path: &Path) -> bool {
    let found = folder(path).ok().and_then(|open| access(&open).ok());
    found.is_some_and(|found| fault(&found, std::slice::from_ref(&found.owner), true).is_some())
}

/// This user, and whoever owns what runs here already.
fn owners() -> Vec<String> {
    let own = std::env::current_exe().and_then(File::open).ok().and_then(|own| access(&own).ok());
    let owners = OWNERS.into_iter().map(str::to_owned);
    owners.chain(user_sid()).chain(own.map(|own| own.owner)).filter(|owner| !owner.is_empty()).collect()
}

/// Without the prefix of a real path (`\\?\`), which not every program understands in its own name.
fn plain(real: PathBuf) -> PathBuf {
    const LONGEST: usize = 260;
    let text = real.to_str().and_then(|text| text.strip_prefix(r"\\?\"));
    let drive = text.filter(|text| text.as_bytes().get(1) == Some(&b':') && text.len() < LONGEST);
    drive.map(PathBuf::from).unwrap_or(real)
}

/// Not told apart here: groups have no mode of their own.
pub(super) fn open_to_a_group(_: &Path) -> Option<PathBuf> {
    None
}

fn fault(found: &Access, owners: &[String], is_folder: bool) -> Option<String> {
    if !owners.contains(&found.owner) {
        return Some(format!("it belongs to another user ({})", found.owner));
    }
    let Some(granted) = &found.granted else { return Some("everybody may write to it".to_owned()) };
    let writes = if is_folder { access_list::CHANGES_FOLDER } else { access_list::CHANGES_FILE };
    let open = granted.iter().find(|(sid, rights)| ANYBODY.contains(&sid.as_str()) && rights & writes != 0);
    open.map(|(sid, _)| format!("everybody may write to it ({sid})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: &str = "S-1-5-21-1-2-3-1001";

    fn us() -> Vec<String> {
        OWNERS.into_iter().chain([US]).map(str::to_owned).collect()
    }

    fn found(owner: &str, granted: &[(&str, u32)]) -> Access {
        let granted = granted.iter().map(|(sid, rights)| ((*sid).to_owned(), *rights)).collect();
        Access { owner: owner.to_owned(), granted: Some(granted) }
    }

    #[test]
    fn owners_are_this_user_the_administrators_and_the_system() {
        let owners = us();
        for owner in [US, "S-1-5-18", "S-1-5-32-544"] {
            assert_eq!(fault(&found(owner, &[]), &owners, false), None, "{owner}");
        }
        assert!(fault(&found("S-1-5-21-1-2-3-1002", &[]), &owners, false).is_some());
    }

    #[test]
    fn what_anybody_may_change_is_refused_and_what_anybody_may_read_is_not() {
        const READ_AND_RUN: u32 = 0x0012_00A9;
        const MODIFY: u32 = 0x0013_01BF;
        let owners = us();
        let readable = found("S-1-5-18", &[("S-1-5-32-545", READ_AND_RUN), (US, MODIFY)]);
        assert_eq!(fault(&readable, &owners, false), None);
        assert!(fault(&found(US, &[("S-1-5-11", MODIFY)]), &owners, false).is_some());
        assert!(fault(&found(US, &[("S-1-1-0", MODIFY)]), &owners, true).is_some());
        // Whoever may add folders to a folder changes no program in it.
        assert_eq!(fault(&found("S-1-5-18", &[("S-1-5-11", 0x4)]), &owners, true), None);
        let without_list = Access { owner: US.to_owned(), granted: None };
        assert!(fault(&without_list, &owners, false).is_some());
    }

    #[test]
    fn a_program_cannot_be_changed_moved_or_removed_between_its_check_and_its_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seqera agent.exe");
        let own = std::env::current_exe().unwrap();
        std::fs::copy(&own, &path).unwrap();
        // The stand-in for a library that Wine lacks.
        let _ = std::fs::copy(
            own.with_file_name("bcryptprimitives.dll"),
            folder.path().join("bcryptprimitives.dll"),
        );
        let found = held(&path).unwrap();
        assert!(OpenOptions::new().write(true).open(&path).is_err(), "written to");
        assert!(std::fs::rename(&path, folder.path().join("other.exe")).is_err(), "moved");
        assert!(std::fs::remove_file(&path).is_err(), "removed");
        let listed = std::process::Command::new(found.executable()).arg("--list").output().unwrap();
        assert!(listed.status.success());
        drop(found);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_real_path_is_shown_and_started_without_its_prefix_where_that_means_the_same() {
        assert_eq!(plain(PathBuf::from(r"\\?\C:\x y\a.exe")), Path::new(r"C:\x y\a.exe"));
        let share = PathBuf::from(r"\\?\UNC\server\a.exe");
        assert_eq!(plain(share.clone()), share);
        let long = PathBuf::from(format!(r"\\?\C:\{}.exe", "a".repeat(260)));
        assert_eq!(plain(long.clone()), long);
    }
}
