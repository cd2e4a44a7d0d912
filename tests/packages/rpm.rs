//! The package for Fedora, with Debian's rpm and a root of its own.

use std::path::{Path, PathBuf};

use seqera_tests::namespaces::may_make;
use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Run, Sandbox, skip};

use crate::{PATIENCE, checked, made, other_program};

const PACKAGE: &str = "seqera-agent-VERSION-1.x86_64.rpm";

/// A root with the few programs that the package's scripts call, for rpm runs them in it.
fn root(home: &Home) -> PathBuf {
    let root = home.root().join("root");
    for folder in ["usr/bin", "bin", "proc", "dev"] {
        std::fs::create_dir_all(root.join(folder)).expect("a folder");
    }
    std::fs::copy("/usr/bin/busybox", root.join("bin/busybox")).expect("busybox");
    for program in ["sh", "readlink", "seq", "sleep", "kill", "echo"] {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(program)).expect("a link");
    }
    root
}

/// rpm in a mount namespace of its own, with `/proc` in the root: that is where the scripts look for agents.
fn rpm(home: &Home, root: &Path, args: &str) -> Run {
    let script = format!("mount --rbind /proc \"$1/proc\" && exec rpm --root \"$1\" {args}");
    let mut all = vec!["--mount", "sh", "-c", &script, "rpm"];
    all.push(root.to_str().expect("text"));
    home.program("unshare").args(all).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").limit(PATIENCE).run()
}

fn ready() -> Option<PathBuf> {
    let package = made(PACKAGE)?;
    let remedy = "apt-get install rpm busybox-static util-linux";
    let can = skip::have(&["rpm", "busybox", "unshare"], remedy) && may_make(&Home::new(), &["--mount"]);
    can.then_some(package)
}

/// The programs run with this root as theirs, as after a real installation. All in one namespace, where the scripts
/// see the agent's program by the name that it has.
const STORY: &str = r#"
set -e
mount --rbind /proc "$1/proc"
mount --rbind /dev "$1/dev"
rpm --root "$1" --install --nodeps "$2"
in_root() { chroot "$1" /bin/sh -c "$2"; }
printf %s "$TOKEN" | in_root "$1" 'seqera login --with-token' >&2
in_root "$1" 'seqera token'
pid=$(in_root "$1" 'seqera agent status -o json' | sed 's/.*"pid":\([0-9]*\).*/\1/')
kill -0 "$pid"
rpm --root "$1" --upgrade --replacepkgs --nodeps "$2"
kill -0 "$pid"
rpm --root "$1" --erase seqera-agent
! kill -0 "$pid" 2>/dev/null
"#;

#[test]
fn is_installed_used_and_removed() {
    let Some(package) = ready() else { return };
    let mut home = Home::new();
    let root = root(&home);
    let sandbox = Sandbox::calm();
    let token = sandbox.personal_token(ADA);
    for name in ["HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"] {
        home.set(name, format!("/{name}"));
        std::fs::create_dir_all(root.join(name)).expect("a folder");
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(root.join(name), private).expect("one's own folder");
    }
    let args = ["--mount", "sh", "-c", STORY, "rpm"].map(std::ffi::OsStr::new);
    let story = home.program("unshare").args(args).args([root.as_os_str(), package.as_os_str()]);
    let story = story.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("TOKEN", &token);
    let run = story.limit(PATIENCE).env("SEQERA_AUTH_DOMAIN", &sandbox.authority).run().ok();
    assert!(run.stdout.contains(&token) && run.stdout.contains("seqera logout --all"), "{run:?}");
    let left =
        ["usr/bin/seqera", "usr/share/man/man1/seqera.1.gz", "usr/lib/systemd/user/seqera-agent.service"];
    assert!(left.iter().all(|name| !root.join(name).exists()));
    checked(
        "rpm, x86_64",
        "installed with Debian's rpm into an empty root and used there as the root: signed in with a token, `token`; \
         installed again under a running agent, which stayed; removed, with no agent and no file left",
    );
}

#[test]
fn another_seqera_is_left_alone() {
    let Some(package) = ready() else { return };
    let home = Home::new();
    let root = root(&home);
    let other = root.join("usr/bin/seqera");
    other_program(&other, "seqera of npm");
    let refused = rpm(&home, &root, &format!("--install --nodeps {}", package.display()));
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert!(refused.stderr.contains("is another program's; nothing was installed"), "{refused:?}");
    assert!(!root.join("usr/bin/seqera-agent").exists());
    checked("rpm, x86_64", "refused where /usr/bin/seqera is another program's");
}

#[test]
fn that_for_arm_has_the_same_files() {
    let Some(package) = ready() else { return };
    let Some(arm) = made("seqera-agent-VERSION-1.aarch64.rpm") else { return };
    let home = Home::new();
    let list = |file: &Path| home.program("rpm").args(["-qpl".as_ref(), file.as_os_str()]).run().ok().stdout;
    assert_eq!(list(&package), list(&arm));
    checked("rpm, aarch64", "the same files as the other; read with rpm, not installed");
}
