//! Folders with the files of a package, and the archives made of them. Each file has the time of the commit and a
//! mode of two, whatever this machine's umask is, so that the same commit gives the same bytes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use seqera_tests::binaries::workspace;

use super::facts::{Facts, Target};
use super::places::{PROGRAMS, folder, out};
use super::{commit, toolchain};

/// A folder below `target/dist/staging` that is filled with the files of one package.
pub(super) struct Tree(pub(super) PathBuf);

impl Tree {
    /// An empty folder with this name.
    pub(super) fn new(name: &str) -> Self {
        let root = out().join("staging").join(name);
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap_or_else(|error| panic!("{}: {error}", root.display()));
        Self(root)
    }

    /// Writes a file.
    pub(super) fn put(&self, path: &str, content: impl AsRef<[u8]>) {
        self.write(path, content.as_ref(), 0o644);
    }

    /// Writes a program.
    pub(super) fn put_program(&self, path: &str, content: impl AsRef<[u8]>) {
        self.write(path, content.as_ref(), 0o755);
    }

    /// Takes a file of the repository.
    pub(super) fn copy(&self, from: &str, to: &str) {
        self.put(to, bytes(&workspace().join(from)));
    }

    /// Takes the programs for a target into a folder.
    pub(super) fn programs(&self, target: &Target<'_>, to: &str) {
        for (program, _) in PROGRAMS {
            let file = toolchain::file_name(target.triple, program);
            self.put_program(&format!("{to}/{file}"), bytes(&folder(target.triple).join(&file)));
        }
    }

    fn write(&self, path: &str, content: &[u8], mode: u32) {
        let path = self.0.join(path);
        let parent = path.parent().expect("a file lies in a folder");
        fs::create_dir_all(parent).and_then(|()| fs::write(&path, content)).expect("a file below target");
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("one's own file");
    }

    /// All files, with their paths from the root of the tree, sorted.
    pub(super) fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        collect(&self.0, &mut files);
        let name =
            |path: PathBuf| path.strip_prefix(&self.0).expect("below it").to_string_lossy().into_owned();
        let mut names: Vec<String> = files.into_iter().map(name).collect();
        names.sort();
        names
    }

    /// Gives every file and folder the time of the commit, and every folder its mode.
    pub(super) fn settle(&self) {
        let mut all = Vec::new();
        collect_all(&self.0, &mut all);
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(commit::time());
        for path in all.iter().rev() {
            if path.is_dir() {
                fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("one's own folder");
            }
            let file = fs::File::open(path).expect("one's own file");
            file.set_modified(time).expect("one's own file");
        }
    }

    /// A `tar.gz` of everything.
    pub(super) fn tar(&self, to: &Path) {
        self.settle();
        let script = "tar --format=ustar --mtime=\"@$TIME\" --owner=0 --group=0 --numeric-owner \
                      -cf - -C \"$FROM\" --files-from=- | gzip -9n >\"$TO\"";
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).env("TIME", commit::time().to_string());
        run(command.env("FROM", &self.0).env("TO", to).stdin(self.listing()));
    }

    /// A zip of everything, in the order of the names, or in the one of `files`.
    pub(super) fn zip(&self, to: &Path, files: &[String]) {
        self.settle();
        let _ = fs::remove_file(to);
        // Zip files hold local times.
        let mut command = Command::new("zip");
        command.args(["-X", "-q", "-9", "-D"]).arg(to).args(files).env("TZ", "UTC").current_dir(&self.0);
        run(&mut command);
    }

    /// The files, one a line, for standard input of tar.
    fn listing(&self) -> fs::File {
        let list = out().join("staging/list");
        let lines: String = self.files().iter().map(|name| format!("{name}\n")).collect();
        fs::write(&list, lines).expect("a file below target");
        fs::File::open(list).expect("just written")
    }
}

/// The tree of an archive, which every channel for Linux and macOS is made of.
pub(super) fn release(facts: &Facts, target: &Target<'_>) -> Tree {
    let stem = target.stem(facts);
    let tree = Tree::new(&stem);
    tree.programs(target, &format!("{stem}/bin"));
    shared(&tree, &stem);
    tree.copy("LICENSE", &format!("{stem}/LICENSE"));
    tree.copy("README.md", &format!("{stem}/README.md"));
    if target.is_windows() {
        return tree;
    }
    let script = facts.fill_file("install.sh", &[]);
    tree.put_program(&format!("{stem}/install.sh"), script);
    let manager = if target.name("os") == Some("darwin") { "launchd" } else { "systemd" };
    let mut units = Vec::new();
    collect(&workspace().join("packaging").join(manager), &mut units);
    for unit in units {
        let name = unit.file_name().unwrap_or_default().to_string_lossy().into_owned();
        tree.put(&format!("{stem}/{manager}/{name}"), bytes(&unit));
    }
    // Where it lies if somebody unpacks it as the README says.
    let root = format!("/opt/{stem}");
    for kind in ["lua", "tcl"] {
        let text = facts.fill_file(&format!("modules/seqera-agent.{kind}.in"), &[("root", root.as_str())]);
        tree.put(&format!("{stem}/modules/seqera-agent.{kind}"), text);
    }
    tree
}

/// Manual pages and completions.
fn shared(tree: &Tree, stem: &str) {
    for (name, text) in manual() {
        tree.put(&format!("{stem}/man/man1/{name}"), text);
    }
    for shell in ["bash", "fish", "ps1", "zsh"] {
        let from = format!("client/src/bin/seqera/commands/completions/seqera.{shell}");
        tree.copy(&from, &format!("{stem}/completions/seqera.{shell}"));
    }
}

/// The manual pages that `cargo xtask man` has written, by name.
pub(super) fn manual() -> Vec<(String, Vec<u8>)> {
    let mut pages: Vec<PathBuf> = Vec::new();
    collect(&workspace().join("target/man"), &mut pages);
    pages.sort();
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    pages.iter().map(|path| (name(path), bytes(path))).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut all = Vec::new();
    collect_all(folder, &mut all);
    files.extend(all.into_iter().filter(|path| !path.is_dir()));
}

fn collect_all(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        all.push(path.clone());
        if path.is_dir() {
            collect_all(&path, all);
        }
    }
}

pub(super) fn bytes(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Runs a packer.
///
/// # Panics
/// If it fails or is missing.
pub(super) fn run(command: &mut Command) {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().unwrap_or_else(|error| panic!("{name}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} fails: {said}{}", String::from_utf8_lossy(&output.stdout));
}
