//! The commit that is built: its name and time stand in everything that a release consists of.

use std::process::Command;

use seqera_tests::binaries::workspace;

/// The first twelve digits of the commit, with `-changed` where files differ from it.
pub(super) fn short() -> String {
    let name = git(&["rev-parse", "--short=12", "HEAD"]);
    let changed = !git(&["status", "--porcelain", "--untracked-files=no"]).is_empty();
    if name.is_empty() {
        "unknown".to_owned()
    } else {
        format!("{name}{}", if changed { "-changed" } else { "" })
    }
}

/// When it was committed, in seconds since 1970: the time of every file in a package. Without git it is the first
/// day that a zip file can name.
pub(super) fn time() -> u64 {
    git(&["log", "-1", "--format=%ct"]).parse().unwrap_or(315_532_800)
}

fn git(args: &[&str]) -> String {
    let output = Command::new("git").args(args).current_dir(workspace()).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
