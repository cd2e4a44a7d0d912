//! The archives: unpacked anywhere, they work.

use std::path::{Path, PathBuf};

use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Sandbox, skip};

use crate::{PATIENCE, checked, made, names_its_build, works};

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
        "bin/seqera-mcp",
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
    let inside = folder.file_name().expect("a name").to_string_lossy();
    for (file, line) in
        [("lua", format!("local root = \"/opt/{inside}\"\n")), ("tcl", format!("set root /opt/{inside}\n"))]
    {
        let module =
            std::fs::read_to_string(folder.join(format!("modules/seqera-agent.{file}"))).expect("text");
        assert!(module.contains(&line), "it names where the README unpacks it: {module}");
    }
    home.set("PATH", crate::path_with(&folder.join("bin")));
    names_its_build(&home, &folder.join("bin"), "x86_64-unknown-linux-musl");
    works(&home, &folder.join("bin/seqera"));
    home.program(folder.join("bin/seqera-mcp")).args(["--help"]).run().ok();
    checked("tar.gz, Linux x86_64", "unpacked; signed in with a token, `token`, `exec`, signed out, stopped");
}

/// The kernel starts programs of this processor with an emulator, in namespaces of their own, where nothing of the
/// machine changes (binfmt_misc, since Linux 6.7). The agent is launched by its path: the client starts the very file
/// that it has checked, by a descriptor, and the emulator cannot be given one.
const EMULATED: &str = r#"
set -e
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
head='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
emulator=$(command -v qemu-aarch64-static)
printf %s ":arm:M::$head:$mask:$emulator:F" >/proc/sys/fs/binfmt_misc/register
[ "$1" != probe ] || exit 0
PATH=$1:$PATH
seqera --version
seqera-agent --version
seqera-agent --launch
printf %s "$TOKEN" | seqera login --with-token >&2
[ "$(seqera token)" = "$TOKEN" ]
seqera exec -- sh -c '[ "$SEQERA_ACCESS_TOKEN" = "$TOKEN" ]'
seqera logout --all >&2
seqera agent stop
"#;

#[test]
fn arm() {
    let Some(archive) = made("seqera-agent-VERSION-linux-aarch64.tar.gz") else { return };
    if !skip::have(&["qemu-aarch64-static", "unshare"], "apt-get install qemu-user-static util-linux") {
        return;
    }
    let home = Home::new();
    let emulated = |argument: &Path| {
        let args = ["--user", "--map-root-user", "--mount", "sh", "-c", EMULATED, "emulated"];
        home.program("unshare").args(args).args([argument]).limit(PATIENCE)
    };
    if emulated(Path::new("probe")).run().code != Some(0) {
        return skip("this kernel takes no emulator in a namespace (Linux 6.7 or newer)");
    }
    let folder = unpacked(&home, &archive);
    complete(&folder);
    let sandbox = Sandbox::calm();
    let run = emulated(&folder.join("bin")).env("SEQERA_AUTH_DOMAIN", &sandbox.authority);
    let run = run.env("TOKEN", sandbox.personal_token(ADA)).run().ok();
    let built = run.stdout.lines().filter(|line| line.ends_with(", aarch64-unknown-linux-musl)")).count();
    assert!(built == 2 && run.stdout.contains("the agent has stopped"), "{run:?}");
    checked(
        "tar.gz, Linux aarch64",
        "under qemu-user: signed in with a token, `token`, `exec`, signed out, stopped; the agent was launched by hand",
    );
}
