//! The Debian package, in a root of its own.

use std::path::{Path, PathBuf};

use seqera_tests::{Home, Run, Sandbox, skip};

use crate::{PATIENCE, checked, ends, made, names_its_build, other_program, signs_in, works};

const PACKAGE: &str = "seqera-agent_VERSION_amd64.deb";

/// An empty root with dpkg's own files. The package's scripts are told of it by `DPKG_ROOT`.
fn root(home: &Home) -> PathBuf {
    let root = home.root().join("root");
    for folder in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "usr/bin"] {
        std::fs::create_dir_all(root.join(folder)).expect("a folder");
    }
    std::fs::write(root.join("var/lib/dpkg/status"), "").expect("a file");
    root
}

fn dpkg(home: &Home, root: &Path, args: &[&str]) -> Run {
    let own = ["--root", root.to_str().expect("text"), "--force-not-root", "--force-script-chrootless"];
    home.program("dpkg")
        .args(own)
        .args(args)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .limit(PATIENCE)
        .run()
}

/// What is below a folder, without dpkg's own files.
fn files(root: &Path) -> Vec<String> {
    let found =
        std::process::Command::new("find").arg(root).args(["-type", "f", "-o", "-type", "l"]).output();
    let found = String::from_utf8_lossy(&found.expect("find can be started").stdout).into_owned();
    let mut files: Vec<String> =
        found.lines().filter(|line| !line.contains("/dpkg/")).map(str::to_owned).collect();
    files.sort();
    files
}

#[test]
fn is_installed_used_and_removed_with_its_agent() {
    let Some(package) = made(PACKAGE) else { return };
    let package = package.to_str().expect("text");
    let mut home = Home::new();
    let root = root(&home);
    dpkg(&home, &root, &["--install", package]).ok();
    let bin = root.join("usr/bin");
    home.set("PATH", crate::path_with(&bin));
    names_its_build(&home, &bin, "x86_64-unknown-linux-musl");
    works(&home, &bin.join("seqera"));
    assert!(root.join("usr/share/man/man1/seqera.1.gz").is_file());
    assert!(root.join("usr/lib/systemd/user/seqera-agent.service").is_file());

    let sandbox = Sandbox::calm();
    signs_in(&home, &sandbox, &bin.join("seqera"));
    let pid = home.agent_pid().expect("an agent");
    // The same version again is an upgrade: whoever uses the agent keeps it.
    dpkg(&home, &root, &["--install", package]).ok();
    assert_eq!(home.agent_pid(), Some(pid));
    let removed = dpkg(&home, &root, &["--remove", "seqera-agent"]).ok();
    assert!(removed.stdout.contains("seqera logout --all") && removed.stdout.contains("~/.config/seqera-ai"));
    ends(pid);
    assert_eq!(files(&root), Vec::<String>::new());
    checked(
        "deb, amd64",
        "installed with dpkg into an empty root, signed in with a token, `token`, `exec`; reinstalled under a running \
         agent; removed, with no agent and no file left",
    );
}

#[test]
fn another_seqera_is_left_alone() {
    let Some(package) = made(PACKAGE) else { return };
    let home = Home::new();
    let root = root(&home);
    let other = root.join("usr/bin/seqera");
    other_program(&other, "seqera of npm");
    let refused = dpkg(&home, &root, &["--install", package.to_str().expect("text")]);
    assert_ne!(refused.code, Some(0));
    assert!(refused.stderr.contains("is another program's; nothing was installed"), "{refused:?}");
    assert_eq!(files(&root), [other.to_str().expect("text")]);
    checked("deb, amd64", "refused where /usr/bin/seqera is another program's, with nothing left behind");
}

#[test]
fn another_seqera_that_a_shell_finds_first_is_named() {
    let Some(package) = made(PACKAGE) else { return };
    let home = Home::new();
    let root = root(&home);
    let other = root.join("usr/local/bin/seqera");
    other_program(&other, "seqera of npm");
    let said = dpkg(&home, &root, &["--install", package.to_str().expect("text")]).ok();
    let warning = format!("{} is another program, which comes first", other.display());
    assert!(said.stderr.contains(&warning), "{said:?}");
    assert!(root.join("usr/bin/seqera").is_file());
    checked("deb, amd64", "said so where npm's /usr/local/bin/seqera comes first on PATH");
}

#[test]
fn lintian_has_nothing_to_say() {
    let Some(package) = made(PACKAGE) else { return };
    if !skip::have(&["lintian"], "apt-get install lintian") {
        return;
    }
    let home = Home::new();
    let packages = [Some(package), arm()];
    for package in packages.iter().flatten() {
        let args = ["--no-cfg", "--allow-root", "--fail-on", "error,warning"].map(std::ffi::OsStr::new);
        let run = home.program("lintian").args(args).args([package]).limit(PATIENCE).run().ok();
        assert!(!run.stdout.contains("W: ") && !run.stdout.contains("E: "), "{run:?}");
        checked(
            &package.file_name().expect("a name").to_string_lossy(),
            "lintian: no error and no warning; the overrides have their reasons beside them",
        );
    }
}

fn arm() -> Option<PathBuf> {
    let file = crate::dist().join(format!("seqera-agent_{}_arm64.deb", crate::version()));
    file.is_file().then_some(file)
}
