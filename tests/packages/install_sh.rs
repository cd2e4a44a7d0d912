//! `install.sh` as people run it: fetched from a web server on loopback, in three shells, as far as a release's page
//! can be wrong and a home can be odd.

use std::path::{Path, PathBuf};

use seqera_tests::namespaces::may_make;
use seqera_tests::{Home, Run, Sandbox, environment, skip};

use crate::server::Server;
use crate::{PATIENCE, checked, ends, made, names_its_build, other_program, signs_in, version, works};

/// Shells that an `sh` may be.
const SHELLS: [&str; 3] = ["dash", "bash --posix", "busybox sh"];

/// A release on a server, and what is needed to install it.
struct Release {
    server: Server,
    archive: String,
}

impl Release {
    fn start() -> Option<Self> {
        let archive = made("seqera-agent-VERSION-linux-x86_64.tar.gz")?;
        let files = [made("install.sh")?, made("SHA256SUMS")?, archive.clone()];
        if !skip::have(&["curl", "busybox", "dash"], "apt-get install curl busybox-static dash") {
            return None;
        }
        let server = Server::start();
        files.iter().for_each(|file| server.put_file(file));
        Some(Self { server, archive: archive.file_name()?.to_string_lossy().into_owned() })
    }

    /// `curl … | sh` with further arguments, such as the README has it.
    fn install(&self, home: &Home, shell: &str, args: &str) -> Run {
        let url = &self.server.url;
        let script = format!("curl -fsSL {url}/install.sh | {shell} -s -- --from {url} {args}");
        home.shell(&script).env("PATH", path(home)).limit(PATIENCE).run()
    }
}

fn path(home: &Home) -> std::ffi::OsString {
    crate::path_with(&bin(home))
}

fn bin(home: &Home) -> PathBuf {
    home.root().join("home/.local/bin")
}

/// Everything below the home, to see that nothing has changed.
fn files(home: &Home) -> String {
    home.shell("find home | sort").run().ok().stdout
}

fn pid(home: &Home) -> u32 {
    home.agent_pid().expect("an agent")
}

fn is_alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn is_installed_used_upgraded_and_removed_in_every_shell() {
    let Some(release) = Release::start() else { return };
    for shell in SHELLS {
        let mut home = Home::new();
        let before = files(&home);
        let said = release.install(&home, shell, "").ok();
        assert!(said.stdout.starts_with(&format!("installed: seqera {} (", version())), "{said:?}");
        home.set("PATH", path(&home));
        names_its_build(&home, &bin(&home), "x86_64-unknown-linux-musl");
        works(&home, &bin(&home).join("seqera"));
        assert!(home.root().join("home/.local/share/man/man1/seqera-login.1").is_file());

        let sandbox = Sandbox::calm();
        let token = signs_in(&home, &sandbox, &bin(&home).join("seqera"));
        let old = pid(&home);
        let again = release.install(&home, shell, "").ok();
        assert!(again.stdout.contains("the running agent has been restarted"), "{again:?}");
        assert_ne!(pid(&home), old);
        ends(old);
        assert_eq!(home.shell("seqera token").run().ok().line(), token);

        let last = pid(&home);
        home.shell("seqera logout --all").run().ok();
        let script = "sh -u home/.local/lib/seqera-agent/install.sh --uninstall";
        let gone = home.shell(&script.replacen("sh", shell, 1)).run().ok();
        assert!(gone.stdout.contains("to end them, install again, 'seqera logout --all'"), "{gone:?}");
        assert!(gone.stdout.contains("/seqera-ai"), "{gone:?}");
        ends(last);
        let left =
            "find home -name '*seqera*' ! -path '*/.config/*'; find home/.local -empty; rm -rf home/.config";
        let left = home.shell(left).run();
        assert_eq!(left.stdout, "", "after {before}");
    }
    checked(
        "install.sh",
        "from a web server on loopback in dash, bash and busybox's sh: installed, signed in with a token, `token`, \
         `exec`; installed again under a running agent, which was restarted; `--uninstall`, with no agent and no file \
         left",
    );
}

/// As the README has it for a container. Everybody's agent of it ends with the programs; folders of the system stay.
#[test]
fn an_administrator_removes_it_for_everybody_and_no_folder_of_the_system() {
    let Some(release) = Release::start() else { return };
    let (admin, mut user, system) = (Home::new(), Home::new(), Home::new());
    if admin.shell("id -u").run().ok().line() != "0" {
        return skip("only root ends the agents of others");
    }
    system.shell("mkdir -p local/bin local/share/man").run().ok();
    let prefix = system.root().join("local");
    let args = format!("--prefix {}", prefix.display());
    for _ in 0..2 {
        release.install(&admin, "sh", &args).ok();
    }
    user.set("PATH", crate::path_with(&prefix.join("bin")));
    let sandbox = Sandbox::calm();
    signs_in(&user, &sandbox, &prefix.join("bin/seqera"));
    let agent = pid(&user);
    admin
        .shell(&format!("sh {}/lib/seqera-agent/install.sh --uninstall {args}", prefix.display()))
        .run()
        .ok();
    ends(agent);
    let left = system.shell("cd local && find . | sort | tr '\\n' ' '").run().ok().stdout;
    assert_eq!(left.trim_end(), ". ./bin ./share ./share/man");
    checked(
        "install.sh",
        "below a folder of the system: removed by root, with other users' agents, and with no folder \
         that was there before",
    );
}

#[test]
fn a_machine_with_wget_alone_will_do() {
    let Some(release) = Release::start() else { return };
    let home = Home::new();
    // busybox has all that the script needs, and no curl.
    let tools = home.root().join("tools");
    std::fs::create_dir(&tools).expect("a folder");
    let busybox = environment::variable("PATH").unwrap_or_default();
    let busybox =
        std::env::split_paths(&busybox).map(|folder| folder.join("busybox")).find(|file| file.is_file());
    home.program(busybox.expect("busybox"))
        .args(["--install", "-s", tools.to_str().expect("text")])
        .run()
        .ok();
    std::fs::copy(made("install.sh").expect("made"), home.root().join("install.sh")).expect("a copy");
    let script = format!("sh install.sh --from {}", release.server.url);
    let run = home.program(tools.join("sh")).args(["-c", &script]).env("PATH", &tools).run().ok();
    assert!(run.stdout.contains("is not on PATH"), "{run:?}");
    checked("install.sh", "with busybox's tools alone: wget, tar, gzip, sha256sum");
}

/// Runs the script where something is wrong; it has to fail, say this, and leave everything as it was.
#[track_caller]
fn refused(home: &Home, run: impl FnOnce(&Home) -> Run, said: &str, hint: &str) {
    let before = files(home);
    let run = run(home).fails_with(1);
    assert!(run.stderr.contains(said) && run.stderr.contains(hint), "{run:?}");
    assert_eq!(files(home), before);
}

#[test]
fn what_is_not_as_its_sum_says_is_not_installed() {
    let Some(release) = Release::start() else { return };
    let path = format!("/{}", release.archive);
    let whole = std::fs::read(crate::dist().join(&release.archive)).expect("the archive");
    let mut changed = whole.clone();
    *changed.last_mut().expect("bytes") ^= 1;
    for content in [changed, whole[..whole.len() / 2].to_vec(), Vec::new()] {
        release.server.put(&path, content);
        for shell in SHELLS {
            let install = |home: &Home| release.install(home, shell, "");
            refused(&Home::new(), install, "is not what SHA256SUMS says", "hint: fetch it again");
        }
    }
    release.server.put("/SHA256SUMS", "0".repeat(64) + "  something-else.tar.gz\n");
    refused(&Home::new(), |home| release.install(home, "sh", ""), "does not name", "nothing was installed");
    let elsewhere = format!("--from {}/nowhere", release.server.url);
    let install = |home: &Home| release.install(home, "sh", &elsewhere);
    refused(&Home::new(), install, "SHA256SUMS cannot be fetched from", "--from DIR");
    checked(
        "install.sh",
        "refused a wrong sum, half an archive, an empty one, sums without it, a page that is missing",
    );
}

#[test]
fn a_processor_without_programs_is_named() {
    let Some(release) = Release::start() else { return };
    let home = Home::new();
    let odd = home.root().join("odd");
    other_program(&odd.join("uname"), "riscv64");
    std::fs::write(odd.join("uname"), "#!/bin/sh\n[ \"$1\" = -s ] && echo Linux || echo riscv64\n")
        .expect("a file");
    let url = release.server.url.clone();
    let script = format!("curl -fsSL {url}/install.sh | sh -s -- --from {url}");
    let run = |home: &Home| home.shell(&script).env("PATH", crate::path_with(&odd)).run();
    refused(&home, run, "there are no programs for the processor riscv64", "hint: build them");
    checked("install.sh", "named a processor that there are no programs for");
}

/// Mounts this over the home, in a namespace of its own, and runs the script there; then the files that are left.
fn mounted(release: &Release, home: &Home, options: &str) -> Option<Run> {
    if !may_make(home, &["--mount"]) {
        return None;
    }
    let url = &release.server.url;
    let script = format!(
        "mount -t tmpfs -o {options} tmpfs home && curl -fsSL {url}/install.sh | sh -s -- --from {url}; code=$?; \
         find home; exit $code"
    );
    Some(home.program("unshare").args(["--mount", "sh", "-c", &script]).env("PATH", path(home)).run())
}

#[test]
fn a_full_disk_and_a_home_that_cannot_be_written_are_named() {
    let Some(release) = Release::start() else { return };
    let size = std::fs::metadata(crate::dist().join(&release.archive)).expect("the archive").len();
    // No room for the archive; room for it, but not for what is in it.
    for bytes in [size / 2, size + size / 4] {
        let Some(run) = mounted(&release, &Home::new(), &format!("size={bytes}")) else { return };
        assert!(run.code == Some(1) && run.stderr.contains("there is no room below"), "{run:?}");
        assert_eq!(run.stdout, "home\n", "nothing is left");
    }
    let Some(run) = mounted(&release, &Home::new(), "ro") else { return };
    assert!(run.code == Some(1) && run.stderr.contains("cannot be written"), "{run:?}");
    assert!(run.stderr.contains("hint: choose a folder of your own: --prefix DIR"), "{run:?}");
    assert_eq!(run.stdout, "home\n");
    let Some(run) = mounted(&release, &Home::new(), "noexec") else { return };
    assert!(run.code == Some(1) && run.stderr.contains("the programs do not run here"), "{run:?}");
    assert_eq!(run.stdout, "home\n");
    checked(
        "install.sh",
        "named a full disk (two sizes), a read-only home and one whose files may not be run",
    );
}

#[test]
fn a_folder_of_somebody_else_is_named() {
    let Some(release) = Release::start() else { return };
    let install = |home: &Home| release.install(home, "sh", "--prefix /proc/seqera");
    refused(&Home::new(), install, "/proc/seqera cannot be written", "--prefix DIR");
    let nameless = |home: &Home| home.shell("sh install.sh").without_env("HOME").run();
    let home = Home::new();
    std::fs::copy(made("install.sh").expect("made"), home.root().join("install.sh")).expect("a copy");
    refused(&home, nameless, "HOME is not set", "--prefix DIR");
    refused(&home, |home| home.shell("sh install.sh --bake").run(), "unknown option '--bake'", "--help");
    refused(
        &home,
        |home| home.shell("sh install.sh --uninstall").run(),
        "there is no",
        "installed in another way",
    );
    checked(
        "install.sh",
        "named a folder that cannot be written, a missing HOME, an unknown option, nothing to remove",
    );
}

#[test]
fn another_seqera_is_left_alone_and_named() {
    let Some(release) = Release::start() else { return };
    let home = Home::new();
    other_program(&bin(&home).join("seqera"), "seqera-ai 0.1.0");
    let install = |home: &Home| release.install(home, "sh", "");
    refused(&home, install, "is another program's; nothing was installed", "hint: keep both");
    assert_eq!(home.program(bin(&home).join("seqera")).run().ok().line(), "seqera-ai 0.1.0");

    let home = Home::new();
    let first = home.root().join("home/.seqera/bin");
    other_program(&first.join("seqera"), "seqera of its own");
    let path = std::env::join_paths([first.clone(), bin(&home), "/usr/bin".into(), "/bin".into()])
        .expect("no colons");
    let url = &release.server.url;
    let script = format!("curl -fsSL {url}/install.sh | sh -s -- --from {url}");
    let run = home.shell(&script).env("PATH", path).run().ok();
    assert!(run.stdout.contains("warning: another seqera comes first on PATH"), "{run:?}");
    assert_eq!(home.program(first.join("seqera")).run().ok().line(), "seqera of its own");
    checked(
        "install.sh",
        "left another `seqera` alone, in its own place and first on PATH, and said how to have both",
    );
}

#[test]
fn an_agent_that_may_not_end_is_left_running() {
    let Some(release) = Release::start() else { return };
    let mut home = Home::new();
    release.install(&home, "sh", "").ok();
    home.set("PATH", path(&home));
    home.set("SEQERA_CREDENTIAL_STORE", "memory");
    let sandbox = Sandbox::calm();
    let token = signs_in(&home, &sandbox, &bin(&home).join("seqera"));
    let agent = pid(&home);
    let again = release.install(&home, "sh", "").ok();
    assert!(again.stdout.contains("the running agent is still the one of before"), "{again:?}");
    assert!(again.stdout.contains("hint: seqera agent restart"), "{again:?}");
    assert_eq!((pid(&home), home.shell("seqera token").run().ok().line()), (agent, token.as_str()));
    let script = "sh home/.local/lib/seqera-agent/install.sh --uninstall";
    refused(&home, |home| home.shell(script).run(), "so nothing was removed", "--uninstall --force");
    assert!(is_alive(agent));
    home.shell(&format!("{script} --force")).run().ok();
    ends(agent);
    assert!(!bin(&home).join("seqera").exists());
    checked(
        "install.sh",
        "left an agent running whose session lives only in its memory, and removed it with `--force`",
    );
}
