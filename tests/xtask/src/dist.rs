//! `cargo xtask dist`: the programs as users get them, in `target/dist/<target>`. For Linux they are linked
//! statically against musl, so that one build runs on every distribution, old clusters included.

mod commit;
mod elf;
mod toolchain;

use std::path::{Path, PathBuf};
use std::process::Command;

use seqera_tests::binaries::{self, cargo, workspace};
use seqera_tests::environment;
use seqera_tests::skip::on_path;

use crate::report;

/// For whom the programs are built unless another target is named.
pub(crate) const TARGET: &str = "x86_64-unknown-linux-musl";

/// The programs, and the most bytes that each may have. Scripts start the client in loops, and every page of it
/// has to be brought in; both lie on the small shared disks of clusters.
const PROGRAMS: [(&str, usize); 2] = [("seqera", 2 * 1024 * 1024), ("seqera-agent", 10 * 1024 * 1024)];

/// Builds both programs for `target`, checks and tries them, and says where they are.
pub(crate) fn dist(target: &str) {
    let folder = build(target);
    if let Err(problem) = check(&folder) {
        panic!("{problem}");
    }
    run_with(&folder, &["demo"]);
    println!("\nin {}", folder.display());
}

/// Builds both programs for Linux and checks them.
///
/// # Errors
/// One of them is too large, or needs something on the machine where it runs.
pub(crate) fn static_programs() -> Result<(), String> {
    check(&build(TARGET))
}

fn check(folder: &Path) -> Result<(), String> {
    for (program, limit) in PROGRAMS {
        let bytes = std::fs::read(folder.join(program)).map_err(|error| format!("{program}: {error}"))?;
        let kind = elf::Kind::of(&bytes).ok_or_else(|| format!("{program} is no ELF file"))?;
        let size = bytes.len();
        report::line(&format!("{program}: {size} bytes, {limit} are the limit"));
        if !kind.is_static() || !kind.position_independent {
            return Err(format!("{program} is not static and position-independent: {kind:?}"));
        }
        if size > limit {
            return Err(format!("{program} has {size} bytes, {limit} are the limit"));
        }
    }
    Ok(())
}

/// Where the programs for `target` are, once they are built.
pub(crate) fn folder(target: &str) -> PathBuf {
    workspace().join("target/dist").join(target)
}

/// The folder with both programs, built for `target`.
///
/// # Panics
/// If something is missing that cannot be installed here, or if they do not build.
pub(crate) fn build(target: &str) -> PathBuf {
    add_target(target);
    compile(target, "seqera-client", &[("CARGO_PROFILE_DIST_PANIC", "abort")], toolchain::of_client(target));
    compile(target, "seqera-agent", &[], &[]);
    let built = workspace().join("target").join(target).join("dist");
    let folder = folder(target);
    std::fs::create_dir_all(&folder).expect("a folder below target");
    for (program, _) in PROGRAMS {
        let file = toolchain::file_name(target, program);
        std::fs::copy(built.join(&file), folder.join(&file)).expect("a copy below target");
    }
    folder
}

fn compile(target: &str, package: &str, environment: &[(&str, &str)], flags: &[&str]) {
    let mut command = Command::new(cargo());
    command.args(["build", "--locked", "--profile", "dist", "--bins", "--target", target, "-p", package]);
    command.envs(environment.iter().copied()).current_dir(workspace());
    toolchain::set(&mut command, target, flags);
    let status = command.status().expect("cargo can be started");
    assert!(status.success(), "{package} does not build for {target}");
}

/// Adds the standard library of `target`, if rustup manages the toolchain. Without rustup, cargo says what is
/// missing.
fn add_target(target: &str) {
    if on_path("rustup") {
        let _ = Command::new("rustup").args(["--quiet", "target", "add", target]).status();
    }
}

/// Runs a task of this program again, with the programs in `folder` instead of those for development.
pub(crate) fn run_with(folder: &Path, task: &[&str]) {
    let sandbox = binaries::build(&["-p", "seqera-sandbox"]).join("seqera-sandbox");
    // Beside them, because a run takes all programs from one folder.
    let link = folder.join("seqera-sandbox");
    let _ = std::fs::remove_file(&link);
    std::os::unix::fs::symlink(sandbox, &link).expect("a link below target");
    let own = std::env::current_exe().expect("this program has a path");
    let status = Command::new(own).args(task).env(environment::BIN_DIR, folder).status();
    let _ = std::fs::remove_file(&link);
    assert!(status.expect("this program can be started").success(), "'{}' fails", task.join(" "));
}
