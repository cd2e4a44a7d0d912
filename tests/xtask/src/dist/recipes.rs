//! Texts that other channels build from, with the sums of the archives: conda, Homebrew and module files. Also the
//! sums themselves, and who signed them.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use super::facts::{Facts, Target};
use super::places::out;
use super::tree::{Tree, bytes, run};

/// The namespace of a signature (`ssh-keygen -Y`), so that none for another purpose fits.
const NAMESPACE: &str = "seqera-agent";

/// Writes the recipes for the targets, whose archives are there.
pub(super) fn recipes(facts: &Facts, targets: &[Target<'_>]) {
    let archives: Vec<Archive> = targets.iter().map(|target| Archive::of(facts, target)).collect();
    let conda = Tree::new("conda");
    let sources: String = archives.iter().map(Archive::for_conda).collect();
    conda.put("meta.yaml", facts.fill_file("conda/meta.yaml.in", &[("conda_sources", sources.trim_end())]));
    let sources: String = archives.iter().map(Archive::for_rattler).collect();
    conda.put(
        "recipe.yaml",
        facts.fill_file("conda/recipe.yaml.in", &[("rattler_sources", sources.trim_end())]),
    );
    conda.copy("packaging/conda/build.sh", "build.sh");
    let version = facts.text("version");
    conda.tar(&out().join(format!("conda-recipe-{version}.tar.gz")));
    let urls = brew(&archives);
    let file = out().join("seqera-agent.rb");
    std::fs::write(file, facts.fill_file("brew/seqera-agent.rb.in", &[("brew_urls", &urls)]))
        .expect("a file");
    let root = format!("/opt/{}/{}", facts.text("name"), facts.text("version"));
    for kind in ["lua", "tcl"] {
        let text = facts.fill_file(&format!("modules/seqera-agent.{kind}.in"), &[("root", root.as_str())]);
        std::fs::write(out().join(format!("modulefile.{kind}")), text).expect("a file below target");
    }
    std::fs::write(out().join("install.sh"), facts.fill_file("install.sh", &[]))
        .expect("a file below target");
}

struct Archive {
    system: &'static str,
    arm: bool,
    url: String,
    sum: String,
}

impl Archive {
    fn of(facts: &Facts, target: &Target<'_>) -> Self {
        let file = target.archive(facts);
        let system = match target.name("os") {
            Some("win32") => "win",
            Some("darwin") => "osx",
            _ => "linux",
        };
        let url = format!("{}/v{}/{file}", facts.text("downloads"), facts.text("version"));
        Self { system, arm: target.name("cpu") == Some("arm64"), url, sum: sum(&out().join(&file)) }
    }

    fn for_conda(&self) -> String {
        let processor = match (self.system, self.arm) {
            ("osx", true) => "arm64",
            (_, true) => "aarch64",
            _ => "x86_64",
        };
        let selector = format!("# [{} and {processor}]", self.system);
        format!("  - url: {}  {selector}\n    sha256: {}  {selector}\n", self.url, self.sum)
    }

    fn for_rattler(&self) -> String {
        let processor = match (self.system, self.arm) {
            ("osx", true) => "arm64",
            (_, true) => "aarch64",
            _ => "x86_64",
        };
        format!(
            "  - if: {} and {processor}\n    then:\n      url: {}\n      sha256: {}\n",
            self.system, self.url, self.sum
        )
    }
}

/// The addresses by system and processor, as Homebrew's formulas have them.
fn brew(archives: &[Archive]) -> String {
    let mut text = String::new();
    for (system, word) in [("osx", "on_macos"), ("linux", "on_linux")] {
        let of: Vec<&Archive> = archives.iter().filter(|archive| archive.system == system).collect();
        if of.is_empty() {
            continue;
        }
        let _ = writeln!(text, "  {word} do");
        for archive in of {
            let processor = if archive.arm { "on_arm" } else { "on_intel" };
            let _ = writeln!(text, "    {processor} do\n      url \"{}\"", archive.url);
            let _ = writeln!(text, "      sha256 \"{}\"\n    end", archive.sum);
        }
        let _ = writeln!(text, "  end");
    }
    text
}

/// The SHA-256 of a file in hex digits.
fn sum(file: &Path) -> String {
    Sha256::digest(bytes(file)).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes `SHA256SUMS` over everything that is published.
pub(super) fn sums() {
    let mut files: Vec<PathBuf> =
        out().read_dir().into_iter().flatten().flatten().map(|e| e.path()).collect();
    files.retain(|path| path.is_file() && !is_about(path));
    files.sort();
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let lines: String = files.iter().map(|path| format!("{}  {}\n", sum(path), name(path))).collect();
    std::fs::write(out().join("SHA256SUMS"), lines).expect("a file below target");
}

/// Whether a file speaks of the others.
fn is_about(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    name.starts_with("SHA256SUMS") || name == "CHECKED.md" || name.starts_with('.')
}

/// Signs the sums with the releaser's key, which `ssh-keygen` may find in an agent.
///
/// # Panics
/// If that fails.
pub(super) fn sign(sums: &Path, key: &Path) {
    let signature = sums.with_file_name("SHA256SUMS.sig");
    let _ = std::fs::remove_file(&signature);
    run(Command::new("ssh-keygen").args(["-q", "-Y", "sign", "-n", NAMESPACE, "-f"]).arg(key).arg(sums));
    assert!(signature.is_file(), "ssh-keygen has made no signature");
}

/// Removes what an earlier run has made, so that nothing old is published. Cargo keeps files of its own there.
pub(super) fn clean() {
    for entry in out().read_dir().into_iter().flatten().flatten() {
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if entry.path().is_file() && !hidden {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    let _ = std::fs::remove_dir_all(out().join("staging"));
    std::fs::create_dir_all(out().join("staging")).expect("a folder below target");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verified(folder: &Path) -> bool {
        let script =
            "ssh-keygen -q -Y verify -f signers -I releases -n seqera-agent -s SHA256SUMS.sig <SHA256SUMS";
        Command::new("/bin/sh").args(["-c", script]).current_dir(folder).output().unwrap().status.success()
    }

    #[test]
    fn a_signature_fits_its_sums_and_no_others() {
        if !seqera_tests::skip::have(&["ssh-keygen"], "apt-get install openssh-client") {
            return;
        }
        let folder = std::env::temp_dir().join(format!("seqera-sign-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let script =
            "ssh-keygen -q -t ed25519 -N '' -C '' -f key && echo \"releases $(cat key.pub)\" >signers";
        run(Command::new("/bin/sh").args(["-c", script]).current_dir(&folder));
        let sums = folder.join("SHA256SUMS");
        std::fs::write(&sums, "00  file\n").unwrap();
        sign(&sums, &folder.join("key"));
        assert!(verified(&folder));
        std::fs::write(&sums, "01  file\n").unwrap();
        assert!(!verified(&folder));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn each_channel_names_processors_in_its_own_words() {
        let arm = Archive { system: "osx", arm: true, url: "u".into(), sum: "s".into() };
        assert_eq!(arm.for_conda(), "  - url: u  # [osx and arm64]\n    sha256: s  # [osx and arm64]\n");
        let arm = Archive { system: "linux", ..arm };
        assert!(arm.for_rattler().contains("linux and aarch64"));
        assert!(brew(&[arm]).starts_with("  on_linux do\n    on_arm do\n"));
    }
}
