//! `cargo xtask man`: the manual pages, as packages install them.

use std::process::Command;

use seqera_tests::binaries::{cargo, workspace};

/// Writes a page for every command into `target/man`. A test of the client makes and checks them, so the
/// command itself does not carry the code for it.
///
/// # Panics
/// If they cannot be made.
pub(crate) fn write() {
    let folder = workspace().join("target/man");
    let mut command = Command::new(cargo());
    command.args(["test", "--quiet", "-p", "seqera-client", "--bin", "seqera", "manual::"]);
    let status = command.env("SEQERA_MAN_DIR", &folder).status();
    let written = status.unwrap_or_else(|error| panic!("cargo: {error}"));
    assert!(written.success(), "the pages have faults");
    println!("{}", folder.display());
}
