//! Folders that only this user may write to. A file in any other folder could be anybody's.
//!
//! One check, [`fault()`], serves two kinds of folder. The folders of sockets, locks and logs ([`private`]) lie
//! in places that others may write to as well, such as `/tmp`. There a symbolic link could be somebody's trap,
//! so it is refused. The folders of files with secrets and records (`durable`) lie in the person's home, which
//! people do spread over several disks with links. There a link is followed, and its target is checked.

use std::io;
use std::path::{Path, PathBuf};

mod fault;
#[cfg(unix)]
#[path = "folder/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "folder/windows.rs"]
mod system;

pub(crate) use fault::{Fault, remedy};
pub(super) use system::{close, is_open_to_group, make};
pub(crate) use system::{is_open_to_others, writable};

/// What to do if the path is a symbolic link.
#[derive(Debug, Clone, Copy)]
pub(super) enum Links {
    Refused,
    Followed,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    /// Somebody else could put files there, or has set the folder up as a trap.
    #[error("{} {fault}", path.display())]
    Unsafe { path: PathBuf, fault: Fault },
    /// The folder cannot be created or inspected.
    #[error("{}: {error}", path.display())]
    Failed { path: PathBuf, error: io::Error },
}

/// Creates the folder for this user alone if it is missing, and refuses one that is not safe: a symbolic link,
/// another user's folder, or one that others can write to. With `parents`, missing parents are created too.
///
/// # Errors
/// [`FolderError::Unsafe`] if the folder is not safe, [`FolderError::Failed`] if it cannot be created or
/// inspected. A folder that exists is never changed.
pub(crate) fn private(path: &Path, parents: bool) -> Result<(), FolderError> {
    let failed = |error| FolderError::Failed { path: path.to_owned(), error };
    may_create(path)?;
    match make(path, parents) {
        // With `parents`, `make` also accepts a link to a folder; the check below looks at the link itself.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    match fault(path, Links::Refused).map_err(failed)? {
        None => Ok(()),
        Some(fault) => Err(FolderError::Unsafe { path: path.to_owned(), fault }),
    }
}

/// Checks that this user may create `path`, a file or a folder, unless it exists already: root creates nothing in
/// the folders of other users.
///
/// # Errors
/// [`FolderError::Unsafe`] with the folder in which `path` would be created.
pub(crate) fn may_create(path: &Path) -> Result<(), FolderError> {
    match system::foreign_place(path) {
        Some((place, fault)) if path.symlink_metadata().is_err() => {
            Err(FolderError::Unsafe { path: place.to_owned(), fault })
        }
        _ => Ok(()),
    }
}

impl From<FolderError> for io::Error {
    fn from(error: FolderError) -> Self {
        match error {
            FolderError::Failed { error, .. } => error,
            FolderError::Unsafe { .. } => Self::new(io::ErrorKind::PermissionDenied, error),
        }
    }
}

/// True for the errors of the system (EROFS, EACCES) that say that this user cannot write here, now or later. A
/// full disk is different: it may have room again in a moment.
pub(crate) fn is_read_only(error: &io::Error) -> bool {
    let by_system = error.raw_os_error().is_some();
    by_system && matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
}

/// What is wrong with the folder. `None` if it belongs to this user and nobody else can write to it.
///
/// # Errors
/// Any error of the file system, "not found" included.
pub(super) fn fault(path: &Path, links: Links) -> io::Result<Option<Fault>> {
    let meta = match links {
        Links::Refused => path.symlink_metadata(),
        Links::Followed => path.metadata(),
    }?;
    Ok(if meta.is_symlink() {
        Some(Fault::Link)
    } else if !meta.is_dir() {
        Some(Fault::NotAFolder)
    } else {
        system::access_fault(&meta)
    })
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

    use super::*;

    fn reason(path: &Path) -> String {
        private(path, false).unwrap_err().to_string()
    }

    #[test]
    fn a_missing_folder_is_made_for_its_user_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        assert!(matches!(private(&path, false), Err(FolderError::Failed { .. })));
        private(&path, true).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o700);
        private(&path, true).unwrap();
    }

    #[test]
    fn a_symbolic_link_is_refused_even_to_a_good_folder() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        private(&real, false).unwrap();
        symlink(&real, &link).unwrap();
        assert_eq!(reason(&link), format!("{} is a symbolic link", link.display()));
        assert!(private(&link, true).is_err());
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_refused_with_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        for mode in [0o777, 0o720, 0o702] {
            std::fs::set_permissions(dir.path(), Permissions::from_mode(mode)).unwrap();
            assert!(reason(dir.path()).contains(&format!("mode {mode:04o}")));
        }
    }

    #[test]
    fn root_creates_nothing_in_the_folder_of_another_user() {
        let dir = tempfile::tempdir().unwrap();
        let theirs = dir.path().join("theirs");
        private(&theirs, false).unwrap();
        if chown(&theirs, Some(12_345), None).is_err() {
            return;
        }
        for (path, parents) in [(theirs.join("seqera"), false), (theirs.join("a/b"), true)] {
            let text = private(&path, parents).unwrap_err().to_string();
            assert!(text.starts_with(&format!("{} belongs to uid 12345, ", theirs.display())), "{text}");
            assert!(text.contains("run without sudo"), "{text}");
        }
        assert_eq!(std::fs::read_dir(&theirs).unwrap().count(), 0);
    }

    #[test]
    fn another_users_folder_is_refused_with_both_uids() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("theirs");
        private(&path, false).unwrap();
        let foreign = if chown(&path, Some(12_345), None).is_ok() { path } else { PathBuf::from("/") };
        let text = reason(&foreign);
        assert!(text.contains("belongs to uid") && text.contains("not to you"), "{text}");
    }
}
