//! What is written in JavaScript: the library for Node.js and the extension for VS Code. Both are built here, from what
//! npm has, and tested; other tests use what is built.

use std::path::{Path, PathBuf};
use std::process::Command;

use seqera_tests::binaries::workspace;
use seqera_tests::skip::on_path;

use crate::checks;

/// The folders with a `package.json` of ours that has the version of the whole.
const PACKAGES: [&str; 2] = ["client/node", "client/vscode"];

/// Builds and tests the library.
pub(crate) fn library() -> Result<(), String> {
    in_folder("client/node", &["test", "--silent"])
}

/// Builds and tests the extension, and packs it for the tests with a real editor.
pub(crate) fn extension() -> Result<(), String> {
    in_folder("client/vscode", &["test", "--silent"])?;
    let target = workspace().join("target/peers/seqera.vsix").display().to_string();
    std::fs::create_dir_all(workspace().join("target/peers")).map_err(|error| error.to_string())?;
    in_folder("client/vscode", &["run", "--silent", "package", "--", &target])
}

/// The version of the whole is the only one, in each `package.json` and in the file that locks it.
pub(crate) fn versions() -> Result<(), String> {
    let wrong: Vec<String> = PACKAGES.into_iter().flat_map(wrong_versions).collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

fn wrong_versions(package: &str) -> Vec<String> {
    let version = |file: &str, pointer: &str| {
        let path = workspace().join(package).join(file);
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let object: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        object.pointer(pointer).and_then(|found| found.as_str().map(str::to_owned))
    };
    let places = [
        ("package.json", "/version"),
        ("package-lock.json", "/version"),
        ("package-lock.json", "/packages//version"),
    ];
    let ours = env!("CARGO_PKG_VERSION");
    let wrong = places.into_iter().filter(|(file, pointer)| version(file, pointer).as_deref() != Some(ours));
    wrong.map(|(file, pointer)| format!("{package}/{file}{pointer} is not {ours}")).collect()
}

fn in_folder(folder: &str, npm: &[&str]) -> Result<(), String> {
    let folder = workspace().join(folder);
    if !on_path("npm") || !is_installed(&folder) {
        return checks::skip(&format!("{}: npm or its packages are missing", folder.display()));
    }
    let status =
        Command::new("npm").args(npm).current_dir(&folder).status().map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("npm {}: {status}", npm.join(" "))) }
}

fn is_installed(folder: &Path) -> bool {
    folder.join("node_modules/.package-lock.json").is_file()
}

/// The folders whose packages have to be there.
pub(crate) fn folders() -> impl Iterator<Item = PathBuf> {
    PACKAGES.into_iter().map(|package| workspace().join(package))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packages_have_the_version_of_the_whole() {
        assert_eq!(versions(), Ok(()));
    }

    #[test]
    fn no_lock_file_names_a_registry() {
        for folder in folders() {
            let lock = std::fs::read_to_string(folder.join("package-lock.json")).unwrap();
            assert!(!lock.contains("\"resolved\""), "{}", folder.display());
        }
    }
}
