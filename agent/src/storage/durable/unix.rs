//! Permissions and durability on POSIX systems.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use seqera_agent_proto::files::WITHOUT_FOLLOWING;

const PRIVATE_FILE: u32 = 0o600;

/// Creates a file that is private from the start: there is no moment at which others could open it.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(PRIVATE_FILE).open(path)
}

/// Opens a file that is there, and not what a link leads to.
pub(super) fn open_to_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).custom_flags(WITHOUT_FOLLOWING).open(path)
}

/// Makes a rename or removal in this folder durable. Some network file systems cannot do that and answer
/// EINVAL; they keep such changes in order themselves.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    match File::open(path)?.sync_all() {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}
