//! The library for Python: its environment for tests, and what it has to pass. The cases that it shares with the
//! libraries for other languages are in `tests/conformance`.

use std::path::{Path, PathBuf};
use std::process::Command;

use seqera_tests::binaries::workspace;
use seqera_tests::skip::on_path;

use crate::checks;

/// Where the environment is (`tests/conformance/languages.json` names it too).
fn environment() -> PathBuf {
    workspace().join("target/peers/python")
}

fn library() -> PathBuf {
    workspace().join("client/python")
}

/// Makes the environment, unless it is there with the same packages. `add` installs packages of the system.
pub(crate) fn prepare(add: fn(&[&str])) {
    let wanted = [workspace().join("tests/peers/python-requirements.txt"), library().join("pyproject.toml")]
        .map(|file| std::fs::read_to_string(file).unwrap_or_default())
        .concat();
    let stamp = environment().join("installed");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return;
    }
    if !on_path("python3") {
        println!("      missing: python3. To run all tests: sudo apt-get install python3-venv");
        return;
    }
    println!("      installing the packages for Python, below target/peers");
    match install(&environment(), add) {
        Ok(()) => std::fs::write(stamp, wanted).unwrap_or_else(|error| println!("      {error}")),
        Err(problem) => println!("      that failed: {problem}; the tests that need them are skipped"),
    }
}

fn install(folder: &Path, add: fn(&[&str])) -> Result<(), String> {
    // Debian has the module for environments in a package of its own, which also has pip.
    let made = run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder));
    if let Err(problem) = made {
        add(&["python3-venv"]);
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder)).map_err(|_| problem)?;
    }
    let requirements = workspace().join("tests/peers/python-requirements.txt");
    let quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    let mut packages = python();
    run(packages.args(quiet).arg("-r").arg(requirements))?;
    let mut library = python();
    run(library.args(quiet).args(["--no-deps", "-e"]).arg(self::library()))
}

fn python() -> Command {
    Command::new(environment().join("bin/python"))
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().last().unwrap_or_default();
    if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {last}")) }
}

/// Style, types and tests of the library.
pub(crate) fn check() -> Result<(), String> {
    if !environment().join("installed").is_file() {
        return checks::skip("the library for Python: python3 or its packages are missing");
    }
    let tools: [&[&str]; 4] = [
        &["ruff", "check", "--quiet", "."],
        &["ruff", "format", "--check", "--quiet", "."],
        &["mypy", "--no-error-summary"],
        &["pytest", "--quiet", "-p", "no:cacheprovider", "tests"],
    ];
    let failed: Vec<String> = tools
        .iter()
        .filter_map(|words| {
            let status = python().arg("-m").args(*words).current_dir(library()).status();
            (!status.is_ok_and(|status| status.success())).then(|| words[0].to_owned())
        })
        .collect();
    if failed.is_empty() { Ok(()) } else { Err(failed.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is built from the library's folder can hold nothing from above it.
    #[test]
    fn the_library_has_the_licence_of_the_whole() {
        let [whole, own] =
            ["LICENSE", "client/python/LICENSE"].map(|file| std::fs::read(workspace().join(file)));
        assert_eq!(own.expect("it is there"), whole.expect("it is there"));
    }
}
