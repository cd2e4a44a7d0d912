//! `cargo xtask reproduce`: whether two builds of one commit are the same bytes.

use std::path::Path;
use std::process::Command;

use seqera_tests::binaries::{cargo, workspace};

use super::places::{PROGRAMS, out};
use super::toolchain;
use super::tree::{bytes, run};
use crate::report;

/// Builds in two clones, the second time with another path of another length, and compares the programs.
///
/// # Panics
/// If they differ.
pub(super) fn compare(target: &str) {
    let folders = ["one", "another/one/further/down"].map(|name| out().join("reproduce").join(name));
    for folder in &folders {
        let _ = std::fs::remove_dir_all(folder);
        run(Command::new("git").args(["clone", "-q"]).arg(workspace()).arg(folder));
        report::waiting(&folder.display().to_string(), || build(folder, target));
    }
    for (program, _) in PROGRAMS {
        let file = toolchain::file_name(target, program);
        let [one, other] =
            folders.each_ref().map(|folder| bytes(&folder.join("target/dist").join(target).join(&file)));
        assert!(one == other, "{file} differs: cmp {}/… {}/…", folders[0].display(), folders[1].display());
        report::line(&format!("{file}: the same {} bytes", one.len()));
    }
    let _ = std::fs::remove_dir_all(out().join("reproduce"));
}

fn build(folder: &Path, target: &str) {
    let args = ["xtask", "dist", "--programs", "--target", target];
    let mut command = Command::new(cargo());
    // Cargo hands these to what it runs; here they would name this workspace.
    command.args(args).current_dir(folder).env_remove("CARGO_MANIFEST_DIR").env_remove("CARGO_TARGET_DIR");
    let status = command.status().expect("cargo can be started");
    assert!(status.success(), "it does not build in {}", folder.display());
}
