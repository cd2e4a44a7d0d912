//! `cargo xtask dist`: what a release consists of, in `target/dist`, and the programs in `target/dist/<target>`. For
//! Linux they are linked statically against musl, so that one build runs on every distribution, old clusters
//! included. Every channel carries these same programs.

mod checked;
mod commit;
mod deb;
mod elf;
mod facts;
mod node;
mod places;
mod recipes;
mod reproduce;
mod toolchain;
mod tree;
mod wheel;

use std::path::{Path, PathBuf};
use std::process::Command;

use seqera_tests::binaries::{self, cargo, workspace};
use seqera_tests::environment;
use seqera_tests::skip::on_path;

use facts::Facts;
pub(crate) use places::folder;
use places::{PROGRAMS, out};

use crate::report;

/// For whom the programs are built unless another target is named.
pub(crate) const TARGET: &str = "x86_64-unknown-linux-musl";

/// What a run of `cargo xtask dist` is to make.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Wish {
    /// Targets to build for, [`TARGET`] if there is none at all.
    pub(crate) targets: Vec<String>,
    /// Targets whose programs are in their folders already.
    pub(crate) built: Vec<String>,
    /// Packs nothing.
    pub(crate) only_programs: bool,
    /// The releaser's key.
    pub(crate) sign: Option<PathBuf>,
}

/// Builds the programs, packs them for every channel, and tries what can be tried here.
pub(crate) fn dist(mut wish: Wish) {
    let facts = Facts::read();
    if wish.targets.is_empty() && wish.built.is_empty() {
        wish.targets.push(TARGET.to_owned());
    }
    let names: Vec<String> = wish.targets.iter().chain(&wish.built).cloned().collect();
    let targets: Vec<facts::Target<'_>> = names.iter().map(|name| facts.target(name)).collect();
    for target in &wish.targets {
        report::waiting(target, || build(target));
    }
    for target in &names {
        check(target).unwrap_or_else(|problem| panic!("{target}: {problem}"));
    }
    if wish.only_programs {
        return;
    }
    if wish.targets.iter().any(|target| target == TARGET) {
        run_with(&folder(TARGET), &["demo"]);
    }
    pack(&facts, &targets);
    if let Some(key) = &wish.sign {
        recipes::sign(&out().join("SHA256SUMS"), key);
    }
    let tried = checked::try_all(&names);
    println!("\nin {}", out().display());
    tried.unwrap_or_else(|problem| panic!("{problem}"));
}

/// Makes everything that is published for the targets, whose programs are there.
fn pack(facts: &Facts, targets: &[facts::Target<'_>]) {
    recipes::clean();
    crate::man::write();
    for target in targets {
        let release = tree::release(facts, target);
        let archive = out().join(target.archive(facts));
        if target.is_windows() {
            release.zip(&archive, &release.files())
        } else {
            release.tar(&archive)
        }
        deb::deb(facts, target);
        if on_path("rpmbuild") {
            deb::rpm(facts, target);
        } else {
            report::line("no package for Fedora: rpmbuild is missing (apt-get install rpm)");
        }
        node::programs(facts, target);
        wheel::wheel(facts, target);
    }
    node::main(facts);
    recipes::recipes(facts, targets);
    recipes::sums();
}

/// What every run of `cargo xtask test` packs and tries: the programs for Linux, which are built by then.
///
/// # Errors
/// A test fails.
pub(crate) fn packages() -> Result<(), String> {
    let facts = Facts::read();
    report::waiting("packing", || pack(&facts, &[facts.target(TARGET)]));
    checked::try_those(&["archive::intel", "deb::", "node::", "wheel::", "install_sh::"])
}

/// Builds the programs from two clones of the last commit, in folders whose paths differ in length, and compares
/// them.
///
/// # Panics
/// If one differs, with the name of the program.
pub(crate) fn reproduce() {
    reproduce::compare(TARGET);
}

/// Builds the programs for Linux and checks them.
///
/// # Errors
/// One of them is too large, or needs something on the machine where it runs.
pub(crate) fn static_programs() -> Result<(), String> {
    build(TARGET);
    check(TARGET)
}

/// For this processor Rust links static programs at a fixed address.
const FIXED: &str = "aarch64";

/// Whether the programs for a target are what they are said to be: small, and for Linux in need of nothing.
fn check(target: &str) -> Result<(), String> {
    for (program, limit) in PROGRAMS {
        let file = folder(target).join(toolchain::file_name(target, program));
        let bytes = std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let size = bytes.len();
        report::line(&format!("{target}: {program}: {size} bytes, {limit} are the limit"));
        // Windows programs carry tables for unwinding, and what C libraries do elsewhere.
        if size > limit && target.contains("linux") {
            return Err(format!("{program} has {size} bytes, {limit} are the limit"));
        }
        if !target.contains("linux") {
            continue;
        }
        let kind = elf::Kind::of(&bytes).ok_or_else(|| format!("{program} is no ELF file"))?;
        let anywhere = kind.position_independent || target.starts_with(FIXED);
        if !kind.is_static() || !anywhere {
            return Err(format!("{program} is not static and position-independent: {kind:?}"));
        }
    }
    Ok(())
}

/// The folder with the programs, built for `target`.
///
/// # Panics
/// If something is missing that cannot be installed here, or if they do not build.
pub(crate) fn build(target: &str) -> PathBuf {
    add_target(target);
    compile(target, "seqera-client", &[("CARGO_PROFILE_DIST_PANIC", "abort")], toolchain::of_client(target));
    compile(target, "seqera-agent", &[], toolchain::of_agent(target));
    compile(target, "seqera-mcp", &[], toolchain::of_agent(target));
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

/// Whether Rust's libraries for `target` are here, or could be had.
pub(crate) fn has_target(target: &str) -> bool {
    add_target(target);
    let rustc = Command::new("rustc").args(["--print", "target-libdir", "--target", target]).output();
    let folder = rustc.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    folder.is_ok_and(|folder| Path::new(&folder).is_dir())
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
