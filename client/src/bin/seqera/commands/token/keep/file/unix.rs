//! A folder as a descriptor (`openat(2)`): who may rename it, or what it lies in, can put another in its place.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, fstat, openat, renameat, statat, unlinkat};
use seqera_client::proto::files::{self, Writer};
use seqera_client::proto::programs::{STICKY, owners, stranger};

/// Device and number of a file.
pub(super) type Identity = (i128, i128);

/// For looking up names in it, which needs no right to read it.
#[cfg(target_os = "linux")]
const TO_SEARCH: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);
#[cfg(not(target_os = "linux"))]
const TO_SEARCH: OFlags = OFlags::DIRECTORY;

pub(super) struct Folder {
    pub(super) path: PathBuf,
    open: File,
}

impl Folder {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let open = File::options().read(true).custom_flags(TO_SEARCH.bits() as i32).open(path)?;
        Ok(Self { path: path.to_owned(), open })
    }

    /// Why a token should not be written into it: others could put a file in the place of ours, or whoever reads by
    /// its path would find another's.
    pub(super) fn fault(&self) -> io::Result<Option<String>> {
        let found = self.open.metadata()?;
        let (uid, mode) = (found.uid(), found.mode() & 0o7777);
        if let Some(why) = stranger(uid, &owners(None)) {
            return Ok(Some(why));
        }
        if mode & 0o022 != 0 && mode & STICKY == 0 {
            return Ok(Some(format!("others may write there (mode {mode:04o})")));
        }
        let by_path = fs::metadata(&self.path).ok();
        let is_there = by_path.is_some_and(|at| (at.dev(), at.ino()) == (found.dev(), found.ino()));
        Ok((!is_there)
            .then(|| "it is not the folder any more that was there when this command began".to_owned()))
    }

    pub(super) fn read(&self, name: &OsStr, limit: u64) -> io::Result<Vec<u8>> {
        files::read_in(self.open.as_fd(), name, limit, Writer::Program)
    }

    /// A new private file.
    pub(super) fn create(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(openat(&self.open, name, flags, Mode::RUSR | Mode::WUSR)?))
    }

    pub(super) fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(renameat(&self.open, from, &self.open, to)?)
    }

    pub(super) fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.open, name, AtFlags::empty())?)
    }

    pub(super) fn identity(&self, name: &OsStr) -> io::Result<Identity> {
        let found = statat(&self.open, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok((i128::from(found.st_dev), i128::from(found.st_ino)))
    }

    #[cfg(target_os = "linux")]
    pub(super) fn is_on_disk(&self) -> bool {
        // statfs(2): TMPFS_MAGIC and RAMFS_MAGIC.
        const IN_MEMORY: [i128; 2] = [0x0102_1994, 0x8584_58f6];
        rustix::fs::fstatfs(&self.open).is_ok_and(|found| !IN_MEMORY.contains(&i128::from(found.f_type)))
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn is_on_disk(&self) -> bool {
        false
    }
}

pub(super) fn identity(file: &File) -> io::Result<Identity> {
    let found = fstat(file)?;
    Ok((i128::from(found.st_dev), i128::from(found.st_ino)))
}

/// The number of a file that is open is given to no other one, even if it is removed.
pub(super) fn held(file: File) -> Option<File> {
    Some(file)
}
