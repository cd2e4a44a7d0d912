//! The wheel, installed by pip into an empty environment.

use std::path::{Path, PathBuf};
use std::process::Command;

use seqera_tests::{Home, Run, Sandbox, skip};

use crate::{PATIENCE, checked, dist, ends, names_its_build, other_program, signs_in, version, works};

/// An empty environment in the home, and `pip install` of the wheel into it.
fn environment(home: &Home) -> Option<PathBuf> {
    let wheels = dist().read_dir().into_iter().flatten().flatten().map(|entry| entry.file_name());
    let prefix = format!("seqera_agent_cli-{}-", version());
    if !wheels.into_iter().any(|name| name.to_string_lossy().starts_with(&prefix)) {
        skip("no wheel has been made (cargo xtask dist)");
        return None;
    }
    let folder = home.root().join("venv");
    // The first that can make environments: Debian has that in a package of its own.
    let makes = |python: &str| {
        let made = Command::new(python).args(["-m", "venv"]).arg(&folder).output();
        made.is_ok_and(|output| output.status.success())
    };
    if !["python3", "/usr/bin/python3"].into_iter().any(makes) {
        skip("no Python that can make environments (apt-get install python3-venv)");
        return None;
    }
    Some(folder.join("bin"))
}

fn pip(home: &Home, bin: &Path, args: &[&str]) -> Run {
    let quiet = ["-m", "pip", "-q", "--disable-pip-version-check", "--no-input"];
    home.program(bin.join("python")).args(quiet).args(args).limit(PATIENCE).run()
}

fn install(home: &Home, bin: &Path) {
    let folder = dist();
    let from = ["install", "--no-index", "--find-links", folder.to_str().expect("text")];
    pip(home, bin, &[&from[..], &["seqera-agent-cli"]].concat()).ok();
}

#[test]
fn is_installed_linked_used_and_removed() {
    let mut home = Home::new();
    let Some(bin) = environment(&home) else { return };
    install(&home, &bin);
    home.set("PATH", crate::path_with(&bin));
    home.shell("seqera-agent-cli --version && seqera-agent-cli link").run().ok();
    names_its_build(&home, &bin, "x86_64-unknown-linux-musl");
    works(&home, &bin.join("seqera"));
    let sandbox = Sandbox::calm();
    signs_in(&home, &sandbox, &bin.join("seqera-agent-cli"));
    let pid = home.agent_pid().expect("an agent");
    home.shell("seqera-agent-cli link && seqera-agent-cli unlink").run().ok();
    ends(pid);
    pip(&home, &bin, &["uninstall", "-y", "seqera-agent-cli"]).ok();
    let left = bin.read_dir().expect("a folder").flatten().map(|entry| entry.file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().contains("seqera")).collect();
    assert!(left.is_empty(), "{left:?}");
    checked(
        "wheel, Linux x86_64",
        "installed by pip into an empty environment, linked, signed in with a token, `token`, `exec`; unlinked, \
         uninstalled, with no agent and no file left",
    );
}

#[test]
fn an_agent_that_may_not_end_keeps_its_commands() {
    let mut home = Home::new();
    let Some(bin) = environment(&home) else { return };
    install(&home, &bin);
    home.set("PATH", crate::path_with(&bin));
    home.set("SEQERA_CREDENTIAL_STORE", "memory");
    home.shell("seqera-agent-cli link").run().ok();
    let sandbox = Sandbox::calm();
    signs_in(&home, &sandbox, &bin.join("seqera"));
    let pid = home.agent_pid().expect("an agent");
    let refused = home.shell("seqera-agent-cli unlink").run().fails_with(1);
    assert!(refused.stderr.contains("nothing was removed"), "{refused:?}");
    assert!(refused.stderr.contains("unlink --force"), "{refused:?}");
    assert_eq!((home.agent_pid(), bin.join("seqera").exists()), (Some(pid), true));
    home.shell("seqera-agent-cli unlink --force").run().ok();
    ends(pid);
    assert!(!bin.join("seqera").exists());
    checked(
        "wheel, Linux x86_64",
        "left an agent running whose session lives only in its memory, and its commands",
    );
}

/// Version 1 of Seqera's command line is a package for Python with a command of the same name.
#[test]
fn version_1_stays_as_it_is() {
    let home = Home::new();
    let Some(bin) = environment(&home) else { return };
    let theirs = bin.join("seqera");
    other_program(&theirs, "seqera-ai 0.1.0");
    install(&home, &bin);
    let path = crate::path_with(&bin);
    let refused = home.shell("seqera-agent-cli link").env("PATH", &path).run().fails_with(1);
    assert!(refused.stderr.contains("is another program's; nothing was changed"), "{refused:?}");
    assert!(!bin.join("seqera-agent").exists(), "not half of it either");
    assert_eq!(home.program(&theirs).run().ok().line(), "seqera-ai 0.1.0");
    let own = home.shell("seqera-agent-cli --version").env("PATH", &path).run().ok();
    assert!(own.stdout.starts_with("seqera "), "the other name works: {own:?}");
    home.shell("seqera-agent-cli unlink").env("PATH", &path).run().ok();
    pip(&home, &bin, &["uninstall", "-y", "seqera-agent-cli"]).ok();
    assert_eq!(home.program(&theirs).run().ok().line(), "seqera-ai 0.1.0");
    checked("wheel, Linux x86_64", "beside version 1 in one environment: its `seqera` stays, `link` refuses");
}
