//! Programs on systems with owners and modes.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

#[cfg(target_os = "linux")]
use rustix::io::Errno;
use seqera_agent_proto::programs;

use crate::error::Error;

pub(crate) use seqera_agent_proto::programs::Held;

const WRITABLE_BY_GROUP: u32 = 0o020;

pub(super) fn trusted(program: &Path) -> Result<PathBuf, Error> {
    let real = real(program)?;
    match programs::distrusted(program, &real, &owners()) {
        Some(found) => Err(distrusted(found)),
        None => Ok(real),
    }
}

pub(super) fn held(program: &Path) -> Result<Held, Error> {
    Held::of(program, real(program)?, &owners()).map_err(distrusted)
}

fn real(program: &Path) -> Result<PathBuf, Error> {
    program.canonicalize().map_err(|error| distrusted((program.to_owned(), error.to_string())))
}

fn distrusted((path, why): (PathBuf, String)) -> Error {
    Error::Distrusted { path, why }
}

pub(super) fn open_to_a_group(program: &Path) -> Option<PathBuf> {
    let real = program.canonicalize().ok()?;
    let found = programs::parts(program, &real).find(|path| {
        // Distributions give each user a group of the same number, and umask 002 with it.
        let is_more = |found: &Metadata| found.gid() != found.uid() || has_access_list(path);
        path.metadata().is_ok_and(|found| found.mode() & WRITABLE_BY_GROUP != 0 && is_more(&found))
    });
    found.map(Path::to_owned)
}

/// True if an access list names others than owner and group. The permissions of the group are then the most that
/// anybody in the list has (acl(5)).
#[cfg(target_os = "linux")]
fn has_access_list(path: &Path) -> bool {
    let mut list = [0; 4096];
    !matches!(
        rustix::fs::getxattr(path, "system.posix_acl_access", &mut list),
        Err(Errno::NODATA | Errno::OPNOTSUPP)
    )
}

/// Elsewhere access lists do not show in the permissions.
#[cfg(not(target_os = "linux"))]
fn has_access_list(_: &Path) -> bool {
    false
}

/// True if everybody may write to it.
pub(super) fn is_open(folder: &Path) -> bool {
    folder.metadata().is_ok_and(|found| programs::fault(folder, &found, &[found.uid()]).is_some())
}

pub(super) fn is_led_by_owners(path: &Path) -> bool {
    programs::is_led_by(&owners(), path)
}

fn owners() -> Vec<u32> {
    // What lies at our path by now may be another file, of another owner, or none after an upgrade.
    let running = if cfg!(target_os = "linux") { Path::new("/proc/self/exe").metadata().ok() } else { None };
    let at_path = || std::env::current_exe().and_then(|own| own.metadata()).ok();
    programs::owners(running.or_else(at_path).map(|own| own.uid()))
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, create_dir, set_permissions, write};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use rustix::process::getuid;

    use super::*;
    use crate::program::first;

    fn program(folder: &Path) -> PathBuf {
        let path = folder.join("seqera");
        write(&path, "#!/bin/sh\n").unwrap();
        mode(&path, 0o755);
        path
    }

    fn mode(path: &Path, mode: u32) {
        set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn why(program: &Path) -> (PathBuf, String) {
        match trusted(program) {
            Err(Error::Distrusted { path, why }) => (path, why),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_program_is_run_by_its_real_path_and_a_group_may_look_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let real = program(folder.path()).canonicalize().unwrap();
        mode(folder.path(), 0o775);
        mode(&real, 0o775);
        let link = folder.path().join("link");
        symlink(&real, &link).unwrap();
        assert_eq!(trusted(&link), Ok(real));
    }

    #[test]
    fn a_group_that_may_write_is_told_unless_it_is_the_owners_own() {
        let folder = tempfile::tempdir().unwrap();
        let real = program(folder.path()).canonicalize().unwrap();
        mode(folder.path(), 0o755);
        assert_eq!(open_to_a_group(&real), None);
        mode(folder.path(), 0o775);
        let is_own = folder.path().metadata().is_ok_and(|found| found.gid() == found.uid());
        let folder = real.parent().unwrap().to_owned();
        assert_eq!(open_to_a_group(&real), (!is_own).then(|| folder.clone()));
        if getuid().is_root() {
            chown(&folder, None, Some(12345)).unwrap();
            assert_eq!(open_to_a_group(&real), Some(folder));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn whom_an_access_list_names_is_told_like_a_group() {
        let folder = tempfile::tempdir().unwrap();
        let real = program(folder.path()).canonicalize().unwrap();
        mode(folder.path(), 0o755);
        // Owner, somebody, group, the most that they have, others (acl(5), the format of its attribute).
        let entries = [
            (1_u16, 7_u16, u32::MAX),
            (2, 7, 12_345),
            (4, 5, u32::MAX),
            (16, 7, u32::MAX),
            (32, 5, u32::MAX),
        ];
        let entries = entries.iter().flat_map(|(tag, rights, id)| {
            [&tag.to_le_bytes()[..], &rights.to_le_bytes(), &id.to_le_bytes()].concat()
        });
        let list: Vec<u8> = 2_u32.to_le_bytes().into_iter().chain(entries).collect();
        let flags = rustix::fs::XattrFlags::empty();
        if rustix::fs::setxattr(folder.path(), "system.posix_acl_access", &list, flags).is_ok() {
            assert_eq!(open_to_a_group(&real).as_deref(), real.parent());
        }
    }

    #[test]
    fn what_everybody_can_change_is_refused_be_it_the_file_its_folder_or_that_of_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let real = program(folder.path());
        let open = folder.path().join("open");
        create_dir(&open).unwrap();
        let link = open.join("seqera");
        symlink(&real, &link).unwrap();
        mode(&open, 0o1777);
        assert_eq!(why(&link), (open.clone(), "everybody may write to it (mode 1777)".to_owned()));
        mode(&real, 0o777);
        assert_eq!(why(&real).0, real.canonicalize().unwrap());
        std::fs::remove_file(&link).unwrap();
        assert_eq!(why(&program(&open)).0, open);
    }

    #[test]
    fn what_another_user_owns_is_passed_over_and_named_if_there_is_nothing_else() {
        if !getuid().is_root() {
            return;
        }
        let (theirs, ours) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (planted, own) = (program(theirs.path()), program(ours.path()));
        chown(theirs.path(), Some(12345), None).unwrap();
        assert_eq!(why(&planted).1, "it belongs to another user (uid 12345)");
        let relative = PathBuf::from("seqera");
        assert_eq!(first([relative.clone(), planted.clone(), own.clone()]), Ok(own.canonicalize().ok()));
        assert!(matches!(first([planted]), Err(Error::Distrusted { path, .. }) if path == theirs.path()));
        assert_eq!(first([relative]), Ok(None));
    }
}
