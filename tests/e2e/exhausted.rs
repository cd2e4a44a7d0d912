//! Limits that are reached: one line names the limit, and nothing else is blamed.

use std::os::unix::fs::chown;
use std::path::Path;
use std::time::Duration;

use seqera_tests::reaper::{is_alive, signal};
use seqera_tests::wait::Stopwatch;
use seqera_tests::{Home, Run, binaries, eventually, skip};

const LIMIT: Duration = Duration::from_secs(60);

/// The exit code for a command that gets no agent.
const NO_AGENT: i32 = 69;

/// One error and its hint, which is about the limit.
#[track_caller]
fn names(run: &Run, limit: &str) {
    assert_eq!(run.code, Some(NO_AGENT), "{run:?}");
    let first = run.stderr.lines().next().unwrap_or_default();
    assert!(first.starts_with("error: ") && first.contains(limit), "{limit}: {run:?}");
    assert!(run.stderr.lines().count() <= 2, "{run:?}");
    for wrong in ["defect", "panicked", "lock", "report"] {
        assert!(!run.stderr.contains(wrong), "{wrong}: {run:?}");
    }
}

#[test]
fn a_client_with_too_few_descriptors_says_so() {
    let home = Home::new();
    // With fewer, the system's loader of programs ends a program that is not static.
    for most in 4..=12 {
        for command in ["token", "status", "login --no-browser", "agent start", "agent status"] {
            let run = home.shell(&format!("ulimit -n {most}; exec seqera {command}")).run();
            names(&run, &format!("ulimit -n is {most}: "));
        }
    }
    home.seqera("agent status").run().fails_with(NO_AGENT);
}

#[test]
fn a_bridge_with_too_few_descriptors_says_so() {
    let home = Home::new();
    let bridge = binaries().client.with_file_name("seqera-mcp");
    for most in 4..=24 {
        let run = home.shell(&format!("ulimit -n {most}; exec {}", bridge.display())).run();
        names(&run, &format!("ulimit -n is {most}: "));
    }
}

#[test]
fn an_agent_with_too_few_descriptors_says_so_to_whoever_starts_it() {
    let home = Home::new();
    let agent = binaries().agent.display();
    for most in [5, 6, 8, 12, 16] {
        let run = home.shell(&format!("ulimit -n {most}; exec {agent}")).run();
        names(&run, &format!("ulimit -n is {most}: "));
    }
    // Enough for the client and its launcher.
    let run = home.shell("ulimit -n 17; exec seqera agent start").run();
    names(&run, "ulimit -n is 17: ");
}

/// Above the users of the system, and nobody's but this test's: its processes are counted.
const COUNTED: u32 = 64_917;

/// Gives everything in the home to the user whose processes are counted.
fn give(folder: &Path) {
    chown(folder, Some(COUNTED), Some(COUNTED)).expect("root may");
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        match entry.path() {
            path if path.is_dir() => give(&path),
            path => chown(path, Some(COUNTED), Some(COUNTED)).expect("root may"),
        }
    }
}

#[test]
fn a_limit_of_processes_is_named_wherever_it_is_met_and_nobody_waits() {
    if !skip::have(&["prlimit", "setpriv"], "apt-get install util-linux") {
        return;
    }
    let home = Home::new();
    let own = |program: &Path| {
        let copy = home.root().join(program.file_name().expect("a program has a name"));
        std::fs::copy(program, &copy).expect("it can be copied");
        copy
    };
    let (client, _) = (own(&binaries().client), own(&binaries().agent));
    if chown(home.root(), Some(COUNTED), None).is_err() {
        return skip("needs root, to play a user whose processes are counted");
    }
    give(home.root());
    let user = format!("--reuid={COUNTED}");
    for most in 1..=6 {
        let limit = format!("--nproc={most}:{most}");
        let run = home
            .program("setpriv")
            .args([user.as_str(), "--clear-groups", "prlimit", &limit])
            .args([client.as_os_str(), "token".as_ref()])
            .run();
        // The client, its launcher, the agent, and the threads of that.
        names(&run, &format!("ulimit -u is {most}: "));
    }
}

#[test]
fn files_that_may_not_grow_are_an_error_and_not_the_end() {
    let home = Home::new();
    let sent = home.shell("ulimit -f 0; exec seqera --version").run();
    assert_eq!(sent.code, Some(0), "{sent:?}");
    let file = home.root().join("out");
    let script = "ulimit -f 0; exec seqera token > \"$0\"";
    let env = [("SEQERA_ACCESS_TOKEN", "t")];
    let into_file = home.program("sh").args(["-c", script]).args([&file]);
    let run = env.iter().fold(into_file, |all, (name, value)| all.env(name, value)).run();
    names(&run, "ulimit -f allows 0 kB");
    let started = home.shell("ulimit -f 0; exec seqera agent start").run();
    if started.code == Some(0) {
        let shown = home.seqera("agent status").run().ok();
        assert!(shown.stderr.contains("ulimit -f allows 0 kB"), "{shown:?}");
    } else {
        names(&started, "ulimit -f allows 0 kB");
    }
}

#[test]
fn a_full_disk_is_named() {
    let home = Home::new();
    let run = home.shell("exec seqera token >/dev/full").env("SEQERA_ACCESS_TOKEN", "t").run();
    names(&run, "the disk is full");
}

#[test]
fn an_address_space_that_is_too_small_is_named() {
    let home = Home::new();
    // How much is too little depends on how the programs were built.
    for kilobytes in [25_000, 30_000, 60_000, 120_000] {
        let run = home.shell(&format!("ulimit -v {kilobytes}; exec seqera agent start")).run();
        match run.code {
            Some(0) => {
                home.seqera("agent stop").run().ok();
            }
            // Not even the client was loaded.
            _ if run.stderr.contains("shared libraries") => {}
            _ => names(&run, &format!("ulimit -v is {kilobytes}: ")),
        }
    }
}

#[test]
fn an_agent_that_does_not_answer_is_named_within_seconds_and_a_forced_restart_replaces_it() {
    let home = Home::new();
    home.seqera("agent start").run().ok();
    let pid = home.agent_pid().expect("it serves");
    signal(pid, "STOP");
    for command in ["status", "agent status", "profile list"] {
        let watch = Stopwatch::start();
        let run = home.seqera(command).run().fails_with(NO_AGENT);
        assert!(watch.elapsed() < Duration::from_secs(25), "{command} waits as long as a token does");
        assert!(run.stderr.contains(&format!("does not answer (process {pid})")), "{run:?}");
        assert!(run.stderr.contains("'seqera agent restart --force'"), "{run:?}");
    }
    let token = home.seqera("token --timeout 1s").run().fails_with(NO_AGENT);
    assert!(token.stderr.contains("'seqera agent restart --force'"), "{token:?}");
    let spared = home.seqera("agent stop").run().fails_with(NO_AGENT);
    assert!(is_alive(pid), "without a word it is left alone: {spared:?}");
    home.seqera("agent restart --force").limit(LIMIT).run().ok();
    eventually(LIMIT, "the end of the old one", || (!is_alive(pid)).then_some(()));
    assert!(home.agent_pid().is_some_and(|new| new != pid));
}
