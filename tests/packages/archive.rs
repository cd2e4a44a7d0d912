//! The archives: unpacked anywhere, they work.

use std::path::{Path, PathBuf};
use std::time::Duration;

use seqera_tests::{Home, Sandbox, eventually, skip};

use crate::{checked, made, names_its_build, works};

/// An emulated agent takes its time to start.
const LIMIT: Duration = Duration::from_secs(60);

/// Unpacks an archive into the home; returns the folder in it.
fn unpacked(home: &Home, archive: &Path) -> PathBuf {
    let inside = archive.file_name().expect("a name").to_string_lossy().replace(".tar.gz", "");
    home.program("tar").args(["-xzf".as_ref(), archive.as_os_str()]).run().ok();
    home.root().join(inside)
}

#[track_caller]
fn complete(folder: &Path) {
    let wanted = [
        "bin/seqera",
        "bin/seqera-agent",
        "man/man1/seqera.1",
        "man/man1/seqera-login.1",
        "completions/seqera.bash",
        "systemd/seqera-agent.service",
        "systemd/seqera-agent.socket",
        "modules/seqera-agent.lua",
        "LICENSE",
        "README.md",
        "install.sh",
    ];
    let missing: Vec<&&str> = wanted.iter().filter(|name| !folder.join(name).is_file()).collect();
    assert!(missing.is_empty(), "not in the archive: {missing:?}");
}

#[test]
fn intel() {
    let Some(archive) = made("seqera-agent-VERSION-linux-x86_64.tar.gz") else { return };
    let mut home = Home::new();
    let folder = unpacked(&home, &archive);
    complete(&folder);
    home.set("PATH", crate::path_with(&folder.join("bin")));
    names_its_build(&home, &folder.join("bin"), "x86_64-unknown-linux-musl");
    works(&home, &folder.join("bin/seqera"));
    checked("tar.gz, Linux x86_64", "unpacked; signed in with a token, `token`, `exec`, signed out, stopped");
}

#[test]
fn arm() {
    let Some(archive) = made("seqera-agent-VERSION-linux-aarch64.tar.gz") else { return };
    if !skip::have(&["qemu-aarch64-static"], "apt-get install qemu-user-static") {
        return;
    }
    let mut home = Home::new();
    let folder = unpacked(&home, &archive);
    complete(&folder);
    // Where the kernel does not start programs of other processors by itself, these do it, one for each program.
    let emulated = home.root().join("emulated");
    for program in ["seqera", "seqera-agent"] {
        let real = folder.join("bin").join(program);
        let script = format!("exec qemu-aarch64-static {} \"$@\"", real.display());
        crate::other_program(&emulated.join(program), "");
        std::fs::write(emulated.join(program), format!("#!/bin/sh\n{script}\n")).expect("one's own file");
    }
    home.set("PATH", crate::path_with(&emulated));
    names_its_build(&home, &emulated, "aarch64-unknown-linux-musl");
    arm_signs_in(&home, &emulated, &folder);
    checked("tar.gz, Linux aarch64", "under qemu-user: signed in with a token, `token`, signed out, stopped");
}

/// The agent is started by hand: the client would start the program for the other processor itself.
fn arm_signs_in(home: &Home, emulated: &Path, folder: &Path) {
    let sandbox = Sandbox::calm();
    let agent = home.program(emulated.join("seqera-agent")).start();
    let socket = home.socket_dir().join("agent.sock");
    eventually(LIMIT, "the agent listens", || socket.exists().then_some(()));
    crate::signs_in(home, &sandbox, &emulated.join("seqera"));
    let run = |args: &[&str]| home.program(emulated.join("seqera")).args(args).run();
    run(&["logout", "--all"]).ok();
    run(&["agent", "stop"]).ok();
    drop(agent);
    assert!(folder.is_dir());
}
