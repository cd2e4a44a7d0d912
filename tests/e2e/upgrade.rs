//! A program that is replaced under its agent: the agent goes on as the new one, at a quiet moment, and nobody notices.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::PathBuf;
use std::time::Duration;

use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Sandbox, binaries, eventually, skip};

use crate::installation::Installation;

/// An agent that was put off looks again after half a minute.
const LIMIT: Duration = Duration::from_secs(90);

/// A signed-in agent of an installation.
struct Upgraded<'h> {
    home: &'h Home,
    of: Installation<'h>,
    pid: u32,
}

impl<'h> Upgraded<'h> {
    fn sign_in(home: &'h Home, sandbox: &Sandbox) -> Self {
        let of = Installation::new(home, "opt");
        of.sign_in(&format!("--authority {}", sandbox.authority));
        let status = of.seqera("agent status -o json").run().ok().json();
        let pid = status["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("a number");
        Self { home, of, pid }
    }

    fn program(&self) -> PathBuf {
        self.of.prefix.join("bin/seqera-agent")
    }

    /// Puts another file in the place of the agent's program, as packages do.
    fn install(&self, content: &[u8], mode: u32) -> u64 {
        let new = self.program().with_extension("new");
        fs::write(&new, content).expect("the file can be written");
        fs::set_permissions(&new, Permissions::from_mode(mode)).expect("its mode can be set");
        let inode = new.metadata().expect("it is there").ino();
        fs::rename(&new, self.program()).expect("it can be put in its place");
        inode
    }

    fn install_new(&self) -> u64 {
        self.install(&fs::read(&binaries().agent).expect("the program can be read"), 0o755)
    }

    /// The file that the agent's process runs.
    fn runs(&self) -> Option<u64> {
        fs::metadata(format!("/proc/{}/exe", self.pid)).ok().map(|found| found.ino())
    }

    fn follows(&self, inode: u64) {
        eventually(LIMIT, "the new program", || (self.runs() == Some(inode)).then_some(()));
        eventually(LIMIT, "its service", || (self.home.log().matches("serving").count() > 1).then_some(()));
    }

    fn goes_on(&self, sandbox: &Sandbox) {
        let token = self.of.seqera("token").run().ok();
        assert_eq!(sandbox.user_info(token.line()).status, 200);
        assert_eq!(self.home.agent_pid(), Some(self.pid));
        assert_eq!(sandbox.count("reuses"), 0);
    }

    fn says(&self, what: &str) {
        eventually(LIMIT, what, || self.home.log().contains(what).then_some(()));
    }
}

#[test]
fn callers_notice_nothing_of_an_upgrade_and_the_session_goes_on_in_the_same_process() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let agent = Upgraded::sign_in(&home, &sandbox);
    let before = agent.of.seqera("status -o json").run().ok().json();
    // The pause is as long as the agent waits for, so that callers come while it hands over.
    let one = "seqera token >>tokens || touch failed";
    let calls = format!("until [ -e enough ]; do {one} & {one} & {one} & wait; sleep 2.02; done");
    let calls = home.shell(&calls).start();
    let mut watcher = agent.of.seqera("token --write kept --watch").start();
    let kept = || fs::read_to_string(home.root().join("kept")).unwrap_or_default();
    eventually(LIMIT, "a token in the file", || (!kept().is_empty()).then_some(()));
    let inode = agent.install_new();
    agent.follows(inode);
    let given = || fs::read_to_string(home.root().join("tokens")).unwrap_or_default().lines().count();
    let so_far = given();
    eventually(LIMIT, "more calls", || (given() > so_far + 5).then_some(()));
    fs::write(home.root().join("enough"), "").expect("the file can be written");
    let calls = calls.finish(LIMIT).ok();
    assert!(!home.root().join("failed").exists(), "{}", calls.stderr);
    agent.goes_on(&sandbox);
    let after = agent.of.seqera("status -o json").run().ok().json();
    assert_eq!(before["logged_in_at"], after["logged_in_at"]);
    assert!(before["logged_in_at"].is_string(), "{before}");
    // A watcher asks the new program.
    let old = kept();
    agent.of.seqera("token --force-new").run().ok();
    eventually(LIMIT, "another token in the file", || (kept() != old).then_some(()));
    assert!(watcher.is_running());
    watcher.kill();
    // And once more: what was handed on can be handed on again.
    let inode = agent.install_new();
    eventually(LIMIT, "the next program", || (agent.runs() == Some(inode)).then_some(()));
    agent.goes_on(&sandbox);
}

#[test]
fn a_program_that_should_not_be_run_is_not_and_one_that_can_is() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let agent = Upgraded::sign_in(&home, &sandbox);
    let old = agent.runs();
    let program = fs::read(&binaries().agent).expect("the program can be read");
    let half = program.get(..program.len() / 2).expect("a half");
    for (before, (content, mode, why)) in [
        (&b"half of it"[..], 0o755, "not a program"),
        (half, 0o755, "the new program is not run"),
        (&program[..], 0o777, "everybody may write to it"),
        (&program[..], 0o644, "not executable"),
    ]
    .into_iter()
    .enumerate()
    {
        agent.install(content, mode);
        let refusals = || home.log().matches("the new program is not run").count();
        eventually(LIMIT, why, || (refusals() > before).then_some(()));
        agent.says(why);
        assert_eq!(agent.runs(), old, "{why}");
    }
    let status = agent.of.seqera("agent status").run().ok();
    assert!(status.stderr.contains("does not take over: it is not executable"), "{}", status.stderr);
    assert!(agent.of.doctor().contains("does not take over"), "doctor says so, too");
    agent.goes_on(&sandbox);
    // What was wrong is put right in its place.
    fs::set_permissions(agent.program(), Permissions::from_mode(0o755)).expect("its mode can be set");
    agent.follows(agent.program().metadata().expect("it is there").ino());
    agent.goes_on(&sandbox);
    let status = agent.of.seqera("agent status").run().ok();
    assert!(!status.stderr.contains("take over"), "{}", status.stderr);
}

#[test]
fn a_program_that_the_system_does_not_start_leaves_the_old_one_to_go_on_and_is_not_tried_for_ever() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let agent = Upgraded::sign_in(&home, &sandbox);
    let old = agent.runs();
    // Whoever calls so often keeps the agent from handing over.
    let calls =
        home.shell("until [ -e enough ]; do seqera token >/dev/null || touch failed; sleep 0.2; done");
    let calls = calls.start();
    agent.install_new();
    agent.says("a new program is there");
    // A file that is open for writing is not executed: ETXTBSY.
    let open = fs::OpenOptions::new().write(true).open(agent.program()).expect("it can be opened");
    fs::write(home.root().join("enough"), "").expect("the file can be written");
    let calls = calls.finish(LIMIT).ok();
    agent.says("the old one goes on");
    eventually(LIMIT, "its service", || (home.log().matches("serving").count() > 1).then_some(()));
    assert_eq!(agent.runs(), old);
    agent.goes_on(&sandbox);
    assert!(!home.root().join("failed").exists(), "{}", calls.stderr);
    let status = agent.of.seqera("agent status").run().ok();
    assert!(
        status.stderr.contains("does not take over: it does not start: Text file busy"),
        "{}",
        status.stderr
    );
    assert_eq!(home.log().matches("the old one goes on").count(), 1);
    // The file of the program that goes on has gone from its path, which it looks at all the same.
    drop(open);
    let inode = agent.install_new();
    eventually(LIMIT, "the new program", || (agent.runs() == Some(inode)).then_some(()));
    agent.goes_on(&sandbox);
}

#[test]
fn what_takes_the_place_of_a_program_after_it_was_checked_is_not_run() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let agent = Upgraded::sign_in(&home, &sandbox);
    let (good, planted) = (home.root().join("good"), home.root().join("planted"));
    fs::copy(&binaries().agent, &good).expect("the program can be copied");
    fs::write(&planted, format!("#!/bin/sh\ntouch {}\n", home.root().join("ran").display()))
        .expect("it can be made");
    fs::set_permissions(&planted, Permissions::from_mode(0o755)).expect("its mode can be set");
    let inode = good.metadata().expect("it is there").ino();
    let new = agent.program().with_extension("new");
    let take_turns = || {
        for content in [&good, &planted].into_iter().cycle().take(400) {
            fs::hard_link(content, &new).expect("the file can have another name");
            fs::rename(&new, agent.program()).expect("it can be put in its place");
        }
        assert!(!home.root().join("ran").exists(), "{}", home.log());
        (agent.runs() == Some(inode)).then_some(())
    };
    eventually(LIMIT, "the new program", take_turns);
    agent.goes_on(&sandbox);
    assert!(!home.root().join("ran").exists());
}

#[test]
fn what_lives_in_memory_only_puts_an_upgrade_off_until_it_has_gone() {
    let (home, sandbox) = (Home::new().with("SEQERA_CREDENTIAL_STORE", "memory"), Sandbox::calm());
    let agent = Upgraded::sign_in(&home, &sandbox);
    let old = agent.runs();
    let inode = agent.install_new();
    agent.says("takes over later");
    assert_eq!(agent.runs(), old);
    let status = agent.of.seqera("agent status").run().ok();
    assert!(
        status.stderr.contains("only in memory") && status.stderr.contains("default"),
        "{}",
        status.stderr
    );
    agent.goes_on(&sandbox);
    agent.of.seqera("logout").run().ok();
    agent.follows(inode);
    assert_eq!(home.agent_pid(), Some(agent.pid));
}

#[test]
fn an_upgrade_that_removes_the_program_first_is_an_upgrade_all_the_same() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let agent = Upgraded::sign_in(&home, &sandbox);
    let old = agent.runs();
    fs::remove_file(agent.program()).expect("the program can be removed");
    agent.goes_on(&sandbox);
    assert_eq!(agent.runs(), old);
    let inode = agent.install_new();
    agent.follows(inode);
    agent.goes_on(&sandbox);
}

#[test]
fn where_versions_lie_apart_the_link_that_the_program_was_found_by_says_which_is_next() {
    if !skip::looks_into_agents() {
        return;
    }
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let [old, new] = ["cellar/1", "cellar/2"].map(|folder| Installation::new(&home, folder));
    let bin = home.root().join("bin");
    fs::create_dir(&bin).expect("the folder can be made");
    let links = ["seqera", "seqera-agent"];
    let link_to = |of: &Installation<'_>| {
        for name in links {
            symlink(of.prefix.join("bin").join(name), bin.join("new")).expect("a link can be made");
            fs::rename(bin.join("new"), bin.join(name)).expect("it can be put in its place");
        }
    };
    link_to(&old);
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let seqera = |args: &str| home.program(bin.join("seqera")).args(args.split(' ')).env("PATH", &path);
    let given = sandbox.personal_token(ADA);
    seqera(&format!("login --with-token --authority {}", sandbox.authority)).stdin(&given).run().ok();
    let pid = home.agent_pid().expect("it runs");
    let runs = |of: &Installation<'_>| {
        let inode = |path: PathBuf| fs::metadata(path).ok().map(|found| found.ino());
        inode(format!("/proc/{pid}/exe").into()) == inode(of.prefix.join("bin/seqera-agent"))
    };
    assert!(runs(&old));
    // Once with the old version left in its place, and once, later, without it.
    link_to(&new);
    eventually(LIMIT, "the new version", || runs(&new).then_some(()));
    assert_eq!(seqera("token").run().ok().line(), given);
    link_to(&old);
    fs::remove_dir_all(&new.prefix).expect("it can be removed");
    eventually(LIMIT, "the other version", || runs(&old).then_some(()));
    assert_eq!(seqera("token").run().ok().line(), given);
    assert_eq!(home.agent_pid(), Some(pid));
}

#[test]
fn where_another_user_decides_what_a_link_leads_to_the_agent_keeps_to_its_own_place() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let agent = Upgraded::sign_in(&home, &sandbox);
    let other = Installation::new(&home, "other");
    agent.of.seqera("agent stop").run().ok();
    let theirs = home.root().join("theirs");
    let lead_to = |of: &Installation<'_>| {
        let _ = fs::remove_file(&theirs);
        symlink(&of.prefix, &theirs).expect("a link can be made");
        lchown(&theirs, Some(12_345), None).is_ok()
    };
    if !lead_to(&agent.of) {
        return skip("needs the right to give files away");
    }
    let path = format!("{}:/usr/bin:/bin", theirs.join("bin").display());
    agent.of.seqera("token").env("PATH", &path).run().ok();
    let agent = Upgraded { pid: home.agent_pid().expect("it runs"), ..agent };
    lead_to(&other);
    // In its own place it is replaced as always.
    let inode = agent.install_new();
    eventually(LIMIT, "the new program", || (agent.runs() == Some(inode)).then_some(()));
    agent.goes_on(&sandbox);
}

#[test]
fn an_agent_that_is_told_to_stop_stops_although_a_new_program_is_there() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let agent = Upgraded::sign_in(&home, &sandbox);
    agent.install_new();
    agent.of.seqera("agent stop").run().ok();
    eventually(LIMIT, "the end of the agent", || (!seqera_tests::reaper::is_alive(agent.pid)).then_some(()));
    assert!(!home.socket_dir().join("agent.sock").exists());
    // The session is there for the next one, which runs the new program.
    let token = agent.of.seqera("token").run().ok();
    assert_eq!(sandbox.user_info(token.line()).status, 200);
    assert_eq!(sandbox.count("reuses"), 0);
}
