//! `cargo xtask versions`: client and agent of another commit with those of now, in both directions, and the session of
//! one with the agent of the other. What one of them does not understand must be told with what to do, and no session
//! may be lost.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use seqera_tests::binaries::{cargo, workspace};
use seqera_tests::sandbox::{ADA, GRACE};
use seqera_tests::wait::Stopwatch;
use seqera_tests::{Home, Invocation, Run, Sandbox, binaries, browser, eventually};
use serde_json::Value;

use crate::report::{line, seconds, step, table};

const LIMIT: Duration = Duration::from_secs(60);

/// `seqera` and `seqera-agent`.
#[derive(Clone)]
struct Pair {
    client: PathBuf,
    agent: PathBuf,
}

/// Builds the programs of `commit`, of the last tag or else of the commit before this one, and uses them together with
/// those of now.
///
/// # Panics
/// If a session is lost, or a program fails without saying what to do.
pub(crate) fn compare(commit: Option<&str>) {
    let watch = Stopwatch::start();
    let before = commit.map_or_else(earlier, |name| git(&["rev-parse", "--short=12", name]));
    assert!(!before.is_empty(), "there is no such commit");
    line(&format!("the other commit: {}", git(&["log", "-1", "--format=%h %s", &before])));
    let old = build(&before);
    let new = Pair { client: binaries().client.clone(), agent: binaries().agent.clone() };
    let mixed = [
        ("client of before, agent of now", Pair { client: old.client.clone(), agent: new.agent.clone() }),
        ("client of now, agent of before", Pair { client: new.client.clone(), agent: old.agent.clone() }),
    ];
    let mut rows = Vec::new();
    for (number, (title, pair)) in mixed.iter().enumerate() {
        step(number + 1, 4, title);
        rows.extend(everything(title, pair));
    }
    step(3, 4, "a session of before, then of now, then of before, then of now");
    rows.push(("one session, four programs".to_owned(), handed_back_and_forth([&old, &new, &old])));
    step(4, 4, "the programs are replaced under a running agent");
    rows.push(("upgrade under an agent".to_owned(), replaced(&old, &new)));
    println!("\nall of it took {}\n", seconds(watch.elapsed()));
    table(&rows);
}

fn earlier() -> String {
    let tag = git(&["describe", "--tags", "--abbrev=0"]);
    git(&["rev-parse", "--short=12", if tag.is_empty() { "HEAD~1" } else { &tag }])
}

fn git(args: &[&str]) -> String {
    let output =
        Command::new("git").args(args).current_dir(workspace()).output().expect("git can be started");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The programs of a commit, built in a work tree of its own and kept for the next time.
fn build(commit: &str) -> Pair {
    let folder = workspace().join("target/versions");
    let (tree, kept) = (folder.join("tree"), folder.join(commit));
    let pair = Pair { client: kept.join("seqera"), agent: kept.join("seqera-agent") };
    if pair.client.is_file() && pair.agent.is_file() {
        return pair;
    }
    let path = tree.to_str().expect("the path is text");
    git(&["worktree", "remove", "--force", path]);
    git(&["worktree", "prune"]);
    git(&["worktree", "add", "--detach", path, commit]);
    let mut command = Command::new(cargo());
    command.args(["build", "--bins", "-p", "seqera-agent", "-p", "seqera-client"]).current_dir(&tree);
    // Cargo hands this to what it runs; here it would name this workspace.
    command.env_remove("CARGO_MANIFEST_DIR").env("CARGO_TARGET_DIR", folder.join("target"));
    let status = command.status().expect("cargo can be started");
    assert!(status.success(), "{commit} does not build");
    fs::create_dir_all(&kept).expect("the folder can be made");
    for program in [&pair.client, &pair.agent] {
        let built = folder.join("target/debug").join(program.file_name().expect("a program has a name"));
        fs::copy(built, program).expect("the program can be copied");
    }
    git(&["worktree", "remove", "--force", path]);
    pair
}

/// Both programs side by side, since a client starts the agent beside it.
struct Installed<'h> {
    home: &'h Home,
    bin: PathBuf,
}

impl<'h> Installed<'h> {
    fn new(home: &'h Home, pair: &Pair) -> Self {
        let bin = home.root().join("installed/bin");
        fs::create_dir_all(&bin).expect("the folder can be made");
        let installed = Self { home, bin };
        installed.replace(pair);
        installed
    }

    /// As a package does it: the new file takes the place of the old one at once.
    fn replace(&self, pair: &Pair) {
        for (program, name) in [(&pair.client, "seqera"), (&pair.agent, "seqera-agent")] {
            let new = self.bin.join(format!("{name}.new"));
            fs::copy(program, &new).expect("the program can be copied");
            fs::rename(new, self.bin.join(name)).expect("it can be put in its place");
        }
    }

    fn seqera(&self, args: &str) -> Invocation {
        self.home.program(self.bin.join("seqera")).args(args.split_whitespace())
    }

    /// Runs a command that works, or says what to do instead.
    fn run(&self, args: &str) -> (Run, String) {
        let run = self.seqera(args).run();
        let said = match run.code {
            Some(0) => "works".to_owned(),
            Some(1..=100) if run.stderr.contains("hint:") && !run.stderr.contains("panicked") => {
                run.stderr.split_whitespace().collect::<Vec<_>>().join(" ")
            }
            code => panic!("seqera {args} ended with {code:?}: {}", run.stderr),
        };
        line(&format!("$ seqera {args}: {said}"));
        (run, said)
    }

    fn login(&self, profile: &str, sandbox: &Sandbox, user: &str) {
        let args = format!("login --no-browser --profile {profile} --authority {}", sandbox.authority);
        let mut login = self.seqera(&args).start();
        let url = login.until("authorization URL", browser::authorization_url);
        browser::sign_in(&url, user);
        login.finish(LIMIT).ok();
        line(&format!("$ seqera login --profile {profile}: works"));
    }

    /// A token that the Platform takes. Without one the session would be lost.
    fn token(&self, sandbox: &Sandbox, args: &str) -> String {
        let run = self.seqera(&format!("token --profile work {args}")).run().ok();
        assert_eq!(sandbox.user_info(run.line()).status, 200, "the Platform takes the token");
        assert_eq!(sandbox.count("reuses"), 0, "no refresh token was spent twice");
        run.line().to_owned()
    }

    /// A token that is renewed now, where this command can ask for that: the first ones could not.
    fn renewed(&self, sandbox: &Sandbox) -> Option<String> {
        let can_ask = self.seqera("token --help").run().ok().stdout.contains("--force-new");
        can_ask.then(|| self.token(sandbox, "--force-new"))
    }
}

impl Drop for Installed<'_> {
    fn drop(&mut self) {
        self.seqera("agent stop --force").run();
    }
}

fn everything(title: &str, pair: &Pair) -> Vec<(String, String)> {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let installed = Installed::new(&home, pair);
    installed.login("work", &sandbox, ADA);
    let first = installed.token(&sandbox, "");
    let renewed = installed.renewed(&sandbox);
    assert_ne!(renewed.as_ref(), Some(&first), "the token is a new one");
    let how = if renewed.is_some() { "works" } else { "works; it cannot ask for a renewal" };
    let mut said = vec![("login, token, renewal", how.to_owned())];
    for args in [
        "status --profile work -o json",
        "whoami --profile work -o json",
        "whoami --profile work --check",
        "agent status",
    ] {
        said.push((args, installed.run(args).1));
    }
    said.push(("logout", installed.run("logout --profile work").1));
    installed.login("work", &sandbox, ADA);
    installed.login("private", &sandbox, GRACE);
    said.push(("logout --all", installed.run("logout --all").1));
    eventually(LIMIT, "the end of all tokens", || (sandbox.count("tokens_alive") == 0).then_some(()));
    said.into_iter().map(|(what, said)| (format!("{title}: {what}"), said)).collect()
}

/// Whoever goes back to a version that does not know the session, and forward again, has lost nothing.
fn handed_back_and_forth([first, second, third]: [&Pair; 3]) -> String {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let installed = Installed::new(&home, first);
    installed.login("work", &sandbox, ADA);
    let status = || -> Value { installed.run("status --profile work -o json").0.json() };
    let before = status();
    let mut said = "the same session each time".to_owned();
    for pair in [second, third, second] {
        installed.seqera("agent stop").run().ok();
        installed.replace(pair);
        let (run, told) = installed.run("token --profile work");
        if std::ptr::eq(pair, third) && run.code != Some(0) {
            said = format!("the one of before says, gone back to: {told}; forward again it is there");
            continue;
        }
        installed.token(&sandbox, "");
        installed.renewed(&sandbox);
        assert_eq!(status()["account"], before["account"], "it is the same account");
    }
    installed.run("logout --profile work");
    assert_eq!(sandbox.count("tokens_alive"), 0, "a sign-out ends it");
    said
}

/// An agent goes on, as the old program or as the new one, and the session with it.
fn replaced(old: &Pair, new: &Pair) -> String {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let installed = Installed::new(&home, old);
    installed.login("work", &sandbox, ADA);
    let pid = installed.seqera("agent status -o json").run().ok().json()["pid"].clone();
    let inode =
        |path: &Path| fs::metadata(path).map(|found| std::os::unix::fs::MetadataExt::ino(&found)).ok();
    installed.replace(new);
    let runs_new =
        || inode(&PathBuf::from(format!("/proc/{pid}/exe"))) == inode(&installed.bin.join("seqera-agent"));
    // One that does not know how goes on as it is.
    let follows = seqera_tests::within(LIMIT / 2, || runs_new().then_some(())).is_some();
    installed.token(&sandbox, "");
    installed.renewed(&sandbox);
    let now = installed.seqera("agent status -o json").run().ok().json()["pid"].clone();
    assert_eq!(now, pid, "it is the same process");
    if follows { "it goes on as the new program" } else { "it goes on as the old program" }.to_owned()
}
