//! Namespaces of the kernel, by unshare(1): another name of the host, a network of its own, other mounts. They take a
//! right that a plain user often does not have.

use crate::{Home, skip};

/// Whether this user may make namespaces of these kinds, as options of unshare(1). If not, skips the running test.
#[track_caller]
pub fn may_make(home: &Home, kinds: &[&str]) -> bool {
    if !skip::have(&["unshare"], "apt-get install util-linux") {
        return false;
    }
    let tried = home.program("unshare").args(kinds).args(["true"]).run();
    let may = tried.code == Some(0);
    if !may {
        skip::skip(&format!("needs the right to make namespaces (unshare {})", kinds.join(" ")));
    }
    may
}
