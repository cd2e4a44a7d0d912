//! Folders that only this user may write to: what lies in another one could be anybody's.
//!
//! One check, [`fault()`], for two kinds of folder. Those of sockets, locks and logs ([`private`]) lie in
//! places that others may write to as well, `/tmp` for one, where a symbolic link could be somebody's trap:
//! it is refused. Those of files with secrets and records (`durable`) lie in the person's home, which people
//! do spread over disks with links of their own: a link is followed, and what it leads to is checked.

use std::io;
use std::path::{Path, PathBuf};

mod fault;
#[cfg(unix)]
#[path = "folder/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "folder/windows.rs"]
mod system;

pub(crate) use fault::Fault;
pub(crate) use system::is_open_to_others;
pub(super) use system::{close, make};

/// What becomes of a symbolic link that stands in the folder's place.
#[derive(Debug, Clone, Copy)]
pub(super) enum Links {
    Refused,
    Followed,
}

/// Why a folder is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    /// Somebody else could put files there, or has prepared the folder for us.
    #[error("{} {fault}", path.display())]
    Unsafe {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        fault: Fault,
    },
    /// It cannot be made or looked at.
    #[error("{}: {error}", path.display())]
    Failed {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// Makes the folder for this user alone where it is missing, and refuses one that is not safe: a symbolic
/// link, another user's, or writable for others. With `parents` the missing folders above it are made too.
///
/// # Errors
/// [`FolderError`]; nothing was changed then.
pub(crate) fn private(path: &Path, parents: bool) -> Result<(), FolderError> {
    let failed = |error| FolderError::Failed { path: path.to_owned(), error };
    match make(path, parents) {
        // With `parents` a link to a folder counts as made; the check that follows sees the link itself.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    match fault(path, Links::Refused).map_err(failed)? {
        None => Ok(()),
        Some(fault) => Err(FolderError::Unsafe { path: path.to_owned(), fault }),
    }
}

/// What is wrong with the folder; nothing where it belongs to this user and nobody else can write to it.
///
/// # Errors
/// Where it cannot be looked at, or is not there.
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
    fn another_users_folder_is_refused_with_both_uids() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("theirs");
        private(&path, false).unwrap();
        let foreign = if chown(&path, Some(12_345), None).is_ok() { path } else { PathBuf::from("/") };
        let text = reason(&foreign);
        assert!(text.contains("belongs to uid") && text.contains("not to you"), "{text}");
    }
}
