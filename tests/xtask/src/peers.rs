//! The real programs that tests run against: installed where that is possible, else named.

use std::process::Command;

use seqera_tests::skip::on_path;
use seqera_tests::{keyring, oidc_provider};

/// Debian packages, and a program of each that tells whether it is there.
const PACKAGES: [(&str, &str); 6] = [
    ("curl", "curl"),
    ("dbus-daemon", "dbus"),
    ("gnome-keyring-daemon", "gnome-keyring"),
    ("secret-tool", "libsecret-tools"),
    ("node", "nodejs"),
    ("npm", "npm"),
];

/// Installs what is missing. What cannot be installed is named; the tests that need it skip.
pub(crate) fn prepare() -> Result<(), String> {
    debug_assert!(keyring::PROGRAMS.iter().all(|name| PACKAGES.iter().any(|(program, _)| program == name)));
    let missing: Vec<&str> =
        PACKAGES.iter().filter(|(program, _)| !on_path(program)).map(|(_, package)| *package).collect();
    if !missing.is_empty() {
        install(&missing);
    }
    provider_packages();
    Ok(())
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

fn provider_packages() {
    let folder = oidc_provider::folder();
    let stamp = |path: &str| std::fs::metadata(folder.join(path)).and_then(|file| file.modified()).ok();
    let fresh = stamp("node_modules/.package-lock.json") >= stamp("package-lock.json");
    if fresh || !on_path("npm") {
        return;
    }
    println!("      {}", oidc_provider::REMEDY);
    let args = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
    let done = Command::new("npm").args(args).current_dir(folder).status();
    if !done.is_ok_and(|status| status.success()) {
        println!("      that failed; the tests with oidc-provider are skipped");
    }
}

fn is_root() -> bool {
    let user = Command::new("id").arg("-u").output();
    user.is_ok_and(|output| output.stdout == b"0\n")
}
