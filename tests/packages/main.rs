//! What users get, as they get it: every package that `cargo xtask dist` has made is installed into an empty place,
//! used against the sandbox, and removed. A test says what it has done ([`checked`]); `dist` makes the list of it.
//!
//! A test skips where its package has not been made. `cargo xtask test` makes and tries archive, deb, npm,
//! wheel and `install.sh` for this processor; the others (64-bit Arm, rpm, conda, recipes) `cargo xtask dist` tries.

mod archive;
mod conda;
mod deb;
mod install_sh;
mod node;
mod recipes;
mod rpm;
mod server;
mod wheel;

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use seqera_tests::binaries::workspace;
use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Sandbox, environment, skip};
use serde_json::Value;

/// Longer than any installation takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// The folder with everything that is published.
fn dist() -> PathBuf {
    workspace().join("target/dist")
}

/// The facts from which the packages were made.
fn facts() -> Value {
    let text = std::fs::read_to_string(workspace().join("packaging/facts.json")).expect("the facts");
    serde_json::from_str(&text).expect("JSON")
}

fn version() -> String {
    facts()["version"].as_str().expect("a version").to_owned()
}

/// A file that is published. Skips the running test where it has not been made.
#[track_caller]
fn made(name: &str) -> Option<PathBuf> {
    let name = name.replace("VERSION", &version());
    let file = dist().join(&name);
    if !file.is_file() {
        skip(&format!("{name} has not been made (cargo xtask dist)"));
        return None;
    }
    Some(file)
}

/// Notes for the list what was done with a package.
fn checked(what: &str, how: &str) {
    let Some(file) = environment::variable(environment::CHECKED) else { return };
    let opened = std::fs::OpenOptions::new().create(true).append(true).open(file);
    let mut file = opened.expect("the record can be written");
    writeln!(file, "{what}\t{how}").expect("the record can be written");
}

/// This process's own search path, with `first` before it: npm and Python may be anywhere.
fn path_with(first: &Path) -> OsString {
    let own = environment::variable("PATH").unwrap_or_default();
    let folders = std::iter::once(first.to_owned()).chain(std::env::split_paths(&own));
    std::env::join_paths(folders).expect("no colons")
}

/// Signs in with a token by this command, gets the token from the agent that it starts, and ends the agent.
#[track_caller]
fn works(home: &Home, command: &Path) {
    let sandbox = Sandbox::calm();
    let token = signs_in(home, &sandbox, command);
    let run = |args: &str| {
        let invocation = home.program(command).args(args.split_whitespace());
        invocation.env("SEQERA_AUTH_DOMAIN", &sandbox.authority).run()
    };
    let script = "[ \"$SEQERA_ACCESS_TOKEN\" = \"$(seqera token)\" ] && exit 7";
    let exec = home.program(command).args(["exec", "--", "sh", "-c", script]).run();
    assert_eq!(exec.code, Some(7), "the exit code of the program is passed on: {exec:?}");
    assert_eq!(run("token").ok().line(), token);
    run("logout --all").ok();
    run("agent stop").ok();
}

/// Signs in with a token, which the agent then hands out; returns the token.
#[track_caller]
fn signs_in(home: &Home, sandbox: &Sandbox, command: &Path) -> String {
    let token = sandbox.personal_token(ADA);
    let authority = &sandbox.authority;
    let login = home.program(command).args(["login", "--with-token"]).stdin(&token);
    login.env("SEQERA_AUTH_DOMAIN", authority).run().ok();
    assert_eq!(home.program(command).args(["token"]).run().ok().line(), token);
    token
}

/// Whether both programs name the version, the commit and the target.
#[track_caller]
fn names_its_build(home: &Home, folder: &Path, target: &str) {
    for program in ["seqera", "seqera-agent"] {
        let said = home.program(folder.join(program)).args(["--version"]).run().ok().stdout;
        let build = said.trim_end().strip_prefix(&format!("{program} {} (", version()));
        let build = build.and_then(|rest| rest.strip_suffix(')')).unwrap_or_else(|| panic!("{said}"));
        let (commit, built_for) = build.split_once(", ").expect("commit and target");
        assert!(commit != "development" && built_for == target, "{said}");
    }
}

/// Writes a program, as another package would have it.
fn other_program(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, format!("#!/bin/sh\necho {text}\n")).expect("a file");
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("one's own file");
}

/// Waits for the end of a process that is nobody's child here; one that its parent has not looked after is over too.
#[track_caller]
fn ends(pid: u32) {
    seqera_tests::eventually(Duration::from_secs(30), "the agent ends", || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat.rsplit(')').next().unwrap_or_default().trim_start();
        (state.is_empty() || state.starts_with('Z')).then_some(())
    });
}
