//! The packages for Debian and Fedora: the same files, and the same steps around them (`packaging/deb/maintainer.sh`).
//! `dpkg-deb` and `rpmbuild` are called directly: they take finished trees for any processor, while tools that read
//! `Cargo.toml` would have to be compiled first and know nothing of files that come from elsewhere.

use std::path::Path;
use std::process::Command;

use seqera_tests::binaries::workspace;

use super::commit;
use super::facts::{Facts, Target, read};
use super::places::out;
use super::tree::{Tree, bytes, manual, run};

const UNITS: [&str; 2] = ["seqera-agent.service", "seqera-agent.socket"];

/// Makes the package for Debian, where the target has one.
pub(super) fn deb(facts: &Facts, target: &Target<'_>) {
    let Some(architecture) = target.name("deb") else { return };
    let name = facts.text("name");
    let tree = Tree::new(&format!("{name}-{architecture}"));
    installed(facts, target, &tree, "usr/share/zsh/vendor-completions");
    let doc = format!("usr/share/doc/{name}");
    tree.put(&format!("{doc}/copyright"), facts.fill_file("deb/copyright.in", &[]));
    tree.put(&format!("{doc}/changelog"), changelog(facts));
    gzip(&tree, &format!("{doc}/changelog"));
    tree.put(&format!("usr/share/lintian/overrides/{name}"), overrides(name));
    let bytes: u64 = tree.files().iter().map(|file| size(&tree.0.join(file))).sum();
    control(facts, &tree, architecture, bytes.div_ceil(1024));
    tree.settle();
    let file = out().join(format!("{name}_{}_{architecture}.deb", facts.text("version")));
    let mut command = Command::new("dpkg-deb");
    command.args(["--build", "--root-owner-group", "-Zxz"]).arg(&tree.0).arg(file);
    run(command.env("SOURCE_DATE_EPOCH", commit::time().to_string()));
}

/// The files of the package's `DEBIAN` folder.
fn control(facts: &Facts, tree: &Tree, architecture: &str, kilobytes: u64) {
    let sums: String = tree.files().iter().map(|file| md5(&tree.0, file)).collect();
    let description: Vec<String> = facts.description().iter().map(|line| format!(" {line}")).collect();
    let summary = facts.text("summary");
    let summary = format!("{}{}", summary[..1].to_lowercase(), &summary[1..]);
    let more = [
        ("deb", architecture),
        ("kilobytes", &kilobytes.to_string()),
        ("summary_lower", &summary),
        ("description_indented", &description.join("\n")),
    ];
    tree.put("DEBIAN/control", facts.fill_file("deb/control.in", &more));
    tree.put("DEBIAN/md5sums", sums);
    let steps = facts.fill_file("deb/maintainer.sh", &[]);
    let step = |on: &str, what: &str| format!("{steps}\ncase $1 in {on}) {what} ;; esac\n");
    tree.put_program("DEBIAN/preinst", step("install", "refuse_other; warn_of_first"));
    tree.put_program("DEBIAN/prerm", step("remove", "end_agents; say_what_stays"));
}

/// Makes the package for Fedora, where the target has one.
pub(super) fn rpm(facts: &Facts, target: &Target<'_>) {
    let Some(architecture) = target.name("rpm") else { return };
    let (name, version) = (facts.text("name"), facts.text("version"));
    let tree = Tree::new(&format!("{name}.{architecture}"));
    installed(facts, target, &tree, "usr/share/zsh/site-functions");
    tree.copy("LICENSE", &format!("usr/share/licenses/{name}/LICENSE"));
    tree.settle();
    let files: Vec<String> = tree.files().iter().map(|file| format!("/{file}")).collect();
    let steps = facts.fill_file("deb/maintainer.sh", &[]);
    let more = [
        ("description", facts.description().join("\n")),
        ("maintainer_script", steps.replace("#!/bin/sh\n", "")),
        ("files", format!("%defattr(-,root,root)\n{}", files.join("\n"))),
    ];
    let more: Vec<(&str, &str)> = more.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let top = Tree::new(&format!("rpm-{architecture}"));
    top.put("spec", facts.fill_file("rpm/seqera-agent.spec.in", &more));
    let mut command = Command::new("rpmbuild");
    command.args(["-bb", "--target", &format!("{architecture}-linux")]);
    command.args(["--define", &format!("_topdir {}", top.0.display())]);
    command.args(["--define", &format!("tree {}", tree.0.display())]).arg(top.0.join("spec"));
    run(command.env("SOURCE_DATE_EPOCH", commit::time().to_string()));
    let file = format!("{name}-{version}-1.{architecture}.rpm");
    let made = top.0.join("RPMS").join(architecture).join(&file);
    std::fs::copy(made, out().join(file)).expect("a copy below target");
}

/// The files as they are installed on either system.
fn installed(facts: &Facts, target: &Target<'_>, tree: &Tree, zsh: &str) {
    tree.programs(target, "usr/bin");
    for unit in UNITS {
        tree.copy(&format!("packaging/systemd/{unit}"), &format!("usr/lib/systemd/user/{unit}"));
    }
    for (name, text) in manual() {
        let page = format!("usr/share/man/man1/{name}");
        tree.put(&page, text);
        gzip(tree, &page);
    }
    let completions = "client/src/bin/seqera/commands/completions/seqera";
    tree.copy(&format!("{completions}.bash"), "usr/share/bash-completion/completions/seqera");
    tree.copy(&format!("{completions}.fish"), "usr/share/fish/vendor_completions.d/seqera.fish");
    tree.copy(&format!("{completions}.zsh"), &format!("{zsh}/_seqera"));
    let doc = format!("usr/share/doc/{}", facts.text("name"));
    tree.copy("README.md", &format!("{doc}/README.md"));
}

/// Debian's form; what has changed is in the project's own.
fn changelog(facts: &Facts) -> String {
    let date = Command::new("date").args(["-u", "-R", "-d", &format!("@{}", commit::time())]).output();
    let date = String::from_utf8_lossy(&date.expect("date can be started").stdout).trim().to_owned();
    let (name, version, maintainer) = (facts.text("name"), facts.text("version"), facts.text("maintainer"));
    let where_ = facts.text("homepage");
    format!(
        "{name} ({version}) unstable; urgency=medium\n\n  * What has changed: packaging/CHANGELOG.md at\n    \
         {where_}\n\n -- {maintainer}  {date}\n"
    )
}

/// The tags with the reasons for them, each with the name of the package.
fn overrides(name: &str) -> String {
    let text = read(&workspace().join("packaging/deb/lintian-overrides"));
    let line = |line: &str| match line.starts_with('#') || line.is_empty() {
        true => format!("{line}\n"),
        false => format!("{name}: {line}\n"),
    };
    text.lines().map(line).collect()
}

fn gzip(tree: &Tree, file: &str) {
    run(Command::new("gzip").args(["-9nf"]).arg(tree.0.join(file)));
}

fn md5(root: &Path, file: &str) -> String {
    let output = Command::new("md5sum").arg(file).current_dir(root).output().expect("md5sum can be started");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn size(path: &Path) -> u64 {
    bytes(path).len() as u64
}
