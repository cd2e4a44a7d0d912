//! Folders that only this user may write to: a socket or a lock in another one could be anybody's.

use std::io;
use std::path::{Path, PathBuf};

/// Why a folder is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    /// Somebody else could put files there, or has prepared the folder for us.
    #[error("{} {reason}", path.display())]
    Unsafe {
        /// The folder.
        path: PathBuf,
        /// Completes the sentence that begins with the folder.
        reason: String,
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
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    let meta = path.symlink_metadata().map_err(failed)?;
    match fault(&meta) {
        None => Ok(()),
        Some(reason) => Err(FolderError::Unsafe { path: path.to_owned(), reason }),
    }
}

#[cfg(unix)]
fn make(path: &Path, parents: bool) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    // With `recursive` a link to a folder counts as made; the check that follows sees the link itself.
    std::fs::DirBuilder::new().recursive(parents).mode(0o700).create(path)
}

#[cfg(unix)]
fn fault(meta: &std::fs::Metadata) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let own = rustix::process::getuid().as_raw();
    if meta.is_symlink() {
        Some("is a symbolic link".to_owned())
    } else if !meta.is_dir() {
        Some("is not a folder".to_owned())
    } else if meta.uid() != own {
        Some(format!("belongs to uid {}, not to you (uid {own})", meta.uid()))
    } else if meta.mode() & 0o022 != 0 {
        Some(format!("can be written to by others (mode {:04o}, wanted 0700)", meta.mode() & 0o7777))
    } else {
        None
    }
}

/// A new folder inherits the access list of the profile folder, which lets only its user in.
#[cfg(windows)]
fn make(path: &Path, parents: bool) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(parents).create(path)
}

#[cfg(windows)]
fn fault(meta: &std::fs::Metadata) -> Option<String> {
    if meta.is_symlink() {
        Some("is a link".to_owned())
    } else if !meta.is_dir() {
        Some("is not a folder".to_owned())
    } else {
        None
    }
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
