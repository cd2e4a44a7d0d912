//! The real programs that tests run against. They are installed if possible; otherwise the run names them.

use std::path::Path;
use std::process::{Command, Stdio};

use seqera_tests::skip::on_path;
use seqera_tests::{binaries, chromium, glewlwyd, keycloak, nextflow, oidc_provider, vscode, wine};

use crate::checks::{self, Part};
use crate::{contract, dist, node, python};

/// Debian packages, each with a program that shows whether it is installed. Those for what users get, for
/// Windows and for counting instructions are among them. Wine lies in no folder of `PATH`, nor do
/// packages of R, and of Python the one of the system is meant.
const PACKAGES: [(&str, &str); 35] = [
    (wine::WINE, "wine64"),
    ("/usr/lib/R/site-library/httr2/DESCRIPTION", "r-cran-httr2"),
    ("/usr/lib/R/site-library/jsonlite/DESCRIPTION", "r-cran-jsonlite"),
    ("busybox", "busybox-static"),
    ("bwrap", "bubblewrap"),
    ("chromium", "chromium"),
    ("curl", "curl"),
    ("dash", "dash"),
    ("dbus-daemon", "dbus"),
    ("direnv", "direnv"),
    ("fish", "fish"),
    ("g++", "g++"),
    ("glewlwyd", "glewlwyd"),
    ("gnome-keyring-daemon", "gnome-keyring"),
    ("go", "golang-go"),
    ("groff", "groff-base"),
    ("lintian", "lintian"),
    ("java", "default-jre-headless"),
    ("javac", "default-jdk-headless"),
    ("make", "make"),
    ("musl-gcc", "musl-tools"),
    ("mvn", "maven"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("nvim", "neovim"),
    ("openssl", "openssl"),
    ("/usr/bin/python3", "python3"),
    ("ssh-keygen", "openssh-client"),
    ("secret-tool", "libsecret-tools"),
    ("sqlite3", "sqlite3"),
    ("systemd-analyze", "systemd"),
    ("valgrind", "valgrind"),
    (wine::COMPILER, "gcc-mingw-w64-x86-64"),
    ("zip", "zip"),
    ("zsh", "zsh"),
];

/// What `cargo xtask bench` measures this project beside, and with.
const OF_BENCH: [(&str, &str); 7] = [
    ("git", "git"),
    ("gpg-agent", "gpg-agent"),
    ("gpg-connect-agent", "gpgconf"),
    ("oidc-agent", "oidc-agent-cli"),
    ("ssh-agent", "openssh-client"),
    ("strace", "strace"),
    ("valgrind", "valgrind"),
];

/// Installs what a measurement needs, or names it.
pub(crate) fn for_bench() {
    let missing: Vec<&str> =
        OF_BENCH.iter().filter(|(program, _)| !on_path(program)).map(|(_, package)| *package).collect();
    if !missing.is_empty() {
        install(&missing);
    }
}

/// One part for each peer, so that the run shows the time of each.
pub(crate) const TESTS: [Part; 19] = [
    // With the tests of the table itself.
    ("conformance: Rust", || conformance(&["--skip", "python", "--skip", "node"])),
    ("conformance: Python", || conformance(&["--exact", "python"])),
    ("conformance: Node", || conformance(&["--exact", "node"])),
    ("library for Python", python::check),
    ("peer: gRPC's own library", || test("grpc")),
    ("recipes", || test("recipes")),
    ("peer: GNOME Keyring", || test("keychain")),
    ("peer: imports from GNOME Keyring", || test("imports")),
    ("peer: oidc-provider", || test("provider")),
    ("peer: Keycloak", || test("keycloak")),
    ("peer: a Platform with Keycloak", || test("platform")),
    ("peer: Glewlwyd", || test("glewlwyd")),
    ("peer: Chromium", || test("chromium")),
    ("peer: the SDK of MCP", || test("mcp")),
    ("peer: Nextflow", || test("nextflow")),
    ("VS Code extension", node::extension),
    ("peer: VS Code", || test("vscode")),
    ("peer: service managers", || test("managers")),
    ("peer: Windows under Wine", || test("windows")),
];

/// Runs the cases of `tests/conformance` for one language.
fn conformance(which: &[&str]) -> Result<(), String> {
    checks::cargo_test(&[&["-p", "seqera-tests", "--test", "conformance", "--"], which].concat())
}

/// Runs the tests of one module of the test program `peers`.
fn test(module: &str) -> Result<(), String> {
    checks::cargo_test(&["-p", "seqera-tests", "--test", "peers", "--", &format!("{module}::")])
}

/// Installs what is missing. The run names what it cannot install, and the tests that need it are skipped.
pub(crate) fn prepare() -> Result<(), String> {
    let missing: Vec<&str> = PACKAGES
        .iter()
        .filter(|(program, _)| !on_path(program))
        .map(|(_, package)| *package)
        .filter(|package| !starts_by_itself(package))
        .collect();
    if !missing.is_empty() {
        install(&missing);
    }
    npm_packages(&oidc_provider::folder());
    npm_packages(&chromium::folder());
    node::folders().for_each(|folder| npm_packages(&folder));
    if !vscode::is_installed() && on_path("npm") {
        println!("      installing VS Code from npm, below target/peers; about half a minute");
        by_script(&vscode::folder());
    }
    npm_packages(&binaries::workspace().join("tests/peers/mcp"));
    npm_packages(&contract::folder());
    python::prepare(install);
    from_maven("Keycloak", &keycloak::folder(), keycloak::is_installed());
    from_maven("Nextflow", &nextflow::folder(), nextflow::is_installed());
    // Only then does the test build for it.
    dist::has_target(wine::TARGET);
    Ok(())
}

/// Under systemd this package starts a server, and a test should not leave a server on anybody's machine.
fn starts_by_itself(package: &str) -> bool {
    let server = package == "glewlwyd" && Path::new("/run/systemd/system").is_dir();
    if server {
        println!("      missing: {package}, whose package starts a server. By hand: {}", glewlwyd::REMEDY);
    }
    server
}

fn install(packages: &[&str]) {
    let list = packages.join(" ");
    if !on_path("apt-get") || !is_root() {
        println!("      missing: {list}. To run all tests: sudo apt-get install {list}");
        return;
    }
    println!("      installing {list}");
    let script = format!("apt-get update -qq && apt-get install -qq -y --no-install-recommends {list}");
    let quiet = ["-c", &format!("({script}) >/dev/null")];
    let installed = Command::new("/bin/sh").args(quiet).env("DEBIAN_FRONTEND", "noninteractive").status();
    if !installed.is_ok_and(|status| status.success()) {
        println!("      that failed; by hand: apt-get install {list}");
    }
}

fn npm_packages(folder: &Path) {
    let stamp = |path: &str| std::fs::metadata(folder.join(path)).and_then(|file| file.modified()).ok();
    let fresh = stamp("node_modules/.package-lock.json") >= stamp("package-lock.json");
    if fresh || !on_path("npm") {
        return;
    }
    println!("      npm ci in {}", folder.display());
    let args = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
    let done = Command::new("npm").args(args).current_dir(folder).status();
    if !done.is_ok_and(|status| status.success()) {
        println!("      that failed; the tests that need its packages are skipped");
    }
}

/// Runs the script that fetches a peer from Maven Central.
fn from_maven(name: &str, folder: &Path, is_installed: bool) {
    if is_installed || !on_path("java") || !on_path("mvn") {
        return;
    }
    println!("      installing {name} from Maven Central, below target/peers; a minute or two");
    by_script(folder);
}

/// Runs the script that installs a peer.
fn by_script(folder: &Path) {
    let script = folder.join("install.sh");
    let done = Command::new("/bin/sh").arg(&script).stdout(Stdio::null()).status();
    if !done.is_ok_and(|status| status.success()) {
        println!("      that failed; by hand: sh {}", script.display());
    }
}

fn is_root() -> bool {
    let user = Command::new("id").arg("-u").output();
    user.is_ok_and(|output| output.stdout == b"0\n")
}
