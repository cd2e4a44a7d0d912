//! A folder by its path: on Windows the access lists of the folders above decide who can put another in its place.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::windows::fs::MetadataExt;
use std::path::{Path, PathBuf};

use seqera_client::proto::files::{self, Writer};

/// Numbers of files are not known here, so the time of the last change has to do.
pub(super) type Identity = (u64, u64);

pub(super) struct Folder {
    pub(super) path: PathBuf,
}

impl Folder {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        match fs::metadata(path)?.is_dir() {
            true => Ok(Self { path: path.to_owned() }),
            false => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// The folder decides who may write and read there.
    pub(super) fn fault(&self) -> io::Result<Option<String>> {
        Ok(None)
    }

    pub(super) fn read(&self, name: &OsStr, limit: u64) -> io::Result<Vec<u8>> {
        files::read(&self.path.join(name), limit, Writer::Program)
    }

    pub(super) fn create(&self, name: &OsStr) -> io::Result<File> {
        fs::OpenOptions::new().write(true).create_new(true).open(self.path.join(name))
    }

    pub(super) fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    pub(super) fn remove(&self, name: &OsStr) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    pub(super) fn identity(&self, name: &OsStr) -> io::Result<Identity> {
        fs::symlink_metadata(self.path.join(name)).map(|found| of(&found))
    }

    pub(super) fn is_on_disk(&self) -> bool {
        false
    }
}

pub(super) fn identity(file: &File) -> io::Result<Identity> {
    file.metadata().map(|found| of(&found))
}

fn of(found: &fs::Metadata) -> Identity {
    (found.creation_time(), found.last_write_time())
}

/// A file that is open is in the way of its next version.
pub(super) fn held(_: File) -> Option<File> {
    None
}
