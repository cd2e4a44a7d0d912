//! Learns that a file or a folder has gone without looking again and again. Only Linux tells (inotify(7)), and only of what
//! happens on this host.

use std::io;
use std::path::Path;

#[cfg(target_os = "linux")]
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
#[cfg(target_os = "linux")]
use tokio::io::unix::AsyncFd;

#[cfg(target_os = "linux")]
use crate::descriptor;

/// Some files and folders that are watched until this is dropped.
#[cfg(target_os = "linux")]
pub(super) struct Watch(AsyncFd<rustix::fd::OwnedFd>);

#[cfg(target_os = "linux")]
impl Watch {
    /// # Errors
    /// If one of them is not there, or the user has as many watches as the system allows.
    pub(super) fn on<'a>(files: impl IntoIterator<Item = &'a Path>) -> io::Result<Self> {
        let kernel = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        // A file that is open goes from its folder with a change of its number of links, which is an attribute.
        let gone = WatchFlags::ATTRIB | WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF;
        for file in files {
            inotify::add_watch(&kernel, file, gone | WatchFlags::DONT_FOLLOW)?;
        }
        descriptor::readable(kernel).map(Self)
    }

    /// Completes when one of them may have been removed, renamed or covered by another file system.
    pub(super) async fn removed(&self) {
        let _ = self.0.readable().await;
    }
}

/// Nothing is told here.
#[cfg(not(target_os = "linux"))]
pub(super) enum Watch {}

#[cfg(not(target_os = "linux"))]
impl Watch {
    /// # Errors
    /// Always.
    pub(super) fn on<'a>(_: impl IntoIterator<Item = &'a Path>) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// There is nothing to wait for.
    pub(super) async fn removed(&self) {
        match *self {}
    }
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_file_that_is_removed_or_renamed_is_told_even_while_it_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other, elsewhere] = ["one", "other", "elsewhere"].map(|name| folder.path().join(name));
        for renamed in [false, true] {
            let open = [std::fs::File::create(&one).unwrap(), std::fs::File::create(&other).unwrap()];
            let watch = Watch::on([&*one, &*other]).unwrap();
            assert!(timeout(Duration::from_millis(20), watch.removed()).await.is_err());
            match renamed {
                true => std::fs::rename(&other, &elsewhere).unwrap(),
                false => std::fs::remove_file(&other).unwrap(),
            }
            timeout(LIMIT, watch.removed()).await.unwrap();
            drop(open);
        }
    }

    #[tokio::test]
    async fn what_is_not_there_cannot_be_watched() {
        assert!(Watch::on([Path::new("/nowhere/at/all")]).is_err());
    }
}
