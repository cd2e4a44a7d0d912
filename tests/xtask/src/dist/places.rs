//! What is built, and where it lies.

use std::path::PathBuf;

use seqera_tests::binaries::workspace;

/// The programs, and the most bytes that each may have. Scripts start the client in loops, and every page of it
/// has to be brought in; all lie on the small shared disks of clusters.
pub(super) const PROGRAMS: [(&str, usize); 3] =
    [("seqera", 2 * 1024 * 1024), ("seqera-agent", 10_200_000), ("seqera-mcp", 6_500_000)];

/// Where everything lies that is published.
pub(super) fn out() -> PathBuf {
    workspace().join("target/dist")
}

/// Where the programs for `target` are, once they are built.
pub(crate) fn folder(target: &str) -> PathBuf {
    out().join(target)
}
