//! How an agent starts, and that there is never a second one.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use seqera_tests::reaper::is_alive;
use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Running, Sandbox, binaries, eventually, skip};

const LIMIT: Duration = Duration::from_secs(60);

/// A home with a session on disk and no running agent.
fn signed_in_without_agent() -> (Home, Sandbox) {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    let pid = home.agent_pid().expect("the login started an agent");
    home.stop_agent(pid);
    (home, sandbox)
}

#[test]
fn a_hundred_clients_at_once_start_one_agent() {
    if !skip::looks_into_agents() {
        return;
    }
    let (home, sandbox) = signed_in_without_agent();
    let callers: Vec<Running> = (0..100).map(|_| home.seqera("token --profile work").start()).collect();
    let runs = callers.into_iter().map(|caller| caller.finish(LIMIT).ok());
    let tokens: BTreeSet<String> = runs.map(|run| run.line().to_owned()).collect();
    assert_eq!(tokens.len(), 1);
    assert_eq!(sandbox.count("refresh_attempts"), 1);
    assert_eq!(agents_in(&home).len(), 1);
}

/// The agents whose environment names this home.
fn agents_in(home: &Home) -> Vec<u32> {
    let root = home.root().to_string_lossy().into_owned();
    let numbers = std::fs::read_dir("/proc").expect("procfs").flatten();
    let pids = numbers.filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok());
    let of_home = |pid: &u32| {
        let read = |name: &str| std::fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let (program, environment) = (read("cmdline"), read("environ"));
        String::from_utf8_lossy(&program).starts_with(&*binaries().agent.to_string_lossy())
            && String::from_utf8_lossy(&environment).contains(&root)
    };
    pids.filter(of_home).collect()
}

#[test]
fn a_substitution_returns_at_once_with_no_agent_running_and_extra_descriptors_open() {
    let (home, _sandbox) = signed_in_without_agent();
    // Descriptor 7 is the pipe to `cat`. An agent that kept it open would keep `cat` alive.
    let script = "{ out=$(seqera token --profile work); echo \"${#out}\"; } 7>&1 | cat";
    let run = home.shell(script).run().ok();
    assert!(run.line().parse::<usize>().is_ok_and(|length| length > 20), "{run:?}");
    let pid = home.agent_pid().expect("the agent lives on");
    home.stop_agent(pid);
    let piped = home.shell("seqera token --profile work 2>&1 9<&0 8>&1 | cat").run().ok();
    assert!(!piped.line().is_empty());
}

#[test]
fn the_agent_outlives_its_first_client_and_keeps_nothing_of_it() {
    if !skip::looks_into_agents() {
        return;
    }
    let (home, _sandbox) = signed_in_without_agent();
    home.seqera("token --profile work").env("TOWER_REFRESH_TOKEN", "foreign").run().ok();
    let pid = home.agent_pid().expect("the agent lives on");
    let fields = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let session = fields.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(3)).expect("a session id");
    let mine = std::fs::read_to_string("/proc/self/stat").expect("procfs");
    let mine = mine.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(3)).expect("a session id");
    assert_ne!(session, mine, "it has a process session of its own");
    let environment = std::fs::read(format!("/proc/{pid}/environ")).expect("readable by its owner");
    assert!(!String::from_utf8_lossy(&environment).contains("foreign"));
    let cwd = std::fs::read_link(format!("/proc/{pid}/cwd")).expect("readable by its owner");
    assert_eq!(cwd.to_string_lossy(), "/", "no folder is kept from being unmounted");
}

#[cfg(target_os = "linux")]
#[test]
fn the_agent_is_the_very_program_that_was_checked_and_goes_by_its_name() {
    if !skip::looks_into_agents() {
        return;
    }
    use std::os::fd::AsRawFd;
    use std::os::unix::process::CommandExt;
    let home = Home::new();
    let (path, planted) = (home.root().join("seqera-agent"), home.root().join("planted"));
    std::fs::copy(&binaries().agent, &path).expect("a copy can be made");
    let checked = std::fs::File::open(&path).expect("it can be read");
    // Whoever can write to the folder is quick: the path leads elsewhere before anything was run.
    std::fs::remove_file(&path).expect("it is ours");
    std::fs::write(&path, format!("#!/bin/sh\ntouch {}\n", planted.display())).expect("it can be written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
    let by_descriptor = format!("/proc/self/fd/{}", checked.as_raw_fd());
    let named = |command: &mut std::process::Command| {
        command.arg0(&path);
    };
    home.program(by_descriptor).args(["--launch"]).with(named).run().ok();
    let pid = home.agent_pid().expect("the agent serves");
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).expect("it runs");
    home.stop_agent(pid);
    assert!(!planted.exists(), "what took the place of the program was not started");
    assert_eq!(name.trim(), "seqera-agent");

    home.seqera("agent start").run().ok();
    let pid = home.agent_pid().expect("the agent serves");
    let program = std::fs::read_link(format!("/proc/{pid}/exe")).expect("readable by its owner");
    assert_eq!(Some(program), binaries().agent.canonicalize().ok());
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).expect("it runs");
    let line = String::from_utf8_lossy(&line).into_owned();
    assert!(line.starts_with(&*binaries().agent.to_string_lossy()), "{line}");
}

#[test]
fn a_second_agent_refuses_and_names_the_first_which_still_serves() {
    let home = Home::new();
    let first = home.start_agent();
    let second = home.program(&binaries().agent).run().fails_with(1);
    assert!(second.stderr.contains(&first.pid().to_string()), "{}", second.stderr);
    assert_eq!(home.agent_pid(), Some(first.pid()));
}

#[test]
fn a_socket_that_a_cleaner_removed_is_served_again() {
    if !skip::looks_into_agents() {
        return;
    }
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    let socket = home.socket_dir().join("agent.sock");
    std::fs::remove_file(&socket).expect("the agent listens there");
    eventually(LIMIT, "a new socket", || socket.exists().then_some(()));
    assert_eq!(sandbox.user_info(&home.token("work")).status, 200);
    assert_eq!(agents_in(&home).len(), 1);
}

#[test]
fn the_socket_of_a_killed_agent_is_taken_over() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    let first = home.agent_pid().expect("the login started an agent");
    seqera_tests::reaper::signal(first, "KILL");
    eventually(LIMIT, "its end", || (!is_alive(first)).then_some(()));
    assert!(home.socket_dir().join("agent.sock").exists(), "a stale socket");
    home.token("work");
    assert_ne!(home.agent_pid(), Some(first));
}

#[test]
fn a_restart_keeps_the_sessions() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    let first = home.agent_pid();
    home.seqera("agent restart").run().ok();
    let second = home.agent_pid();
    assert!(second.is_some() && second != first);
    assert_eq!(sandbox.user_info(&home.token("work")).status, 200);
}

/// In loops beside it, while an upgrade or a person restarts the agent again and again.
#[test]
fn restarts_under_load_fail_no_call() {
    const RESTARTS: u32 = 25;
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    let script = "while [ ! -e stop ]; do seqera token --profile work >/dev/null 2>>failures || echo failed >>failures; \
                  echo >>calls; done";
    let callers: Vec<Running> = (0..3).map(|_| home.shell(script).limit(LIMIT * 5).start()).collect();
    for _ in 0..RESTARTS {
        home.seqera("agent restart").run().ok();
    }
    std::fs::write(home.root().join("stop"), "").expect("the folder can be written");
    callers.into_iter().for_each(|caller| drop(caller.finish(LIMIT * 5).ok()));
    let failures = std::fs::read_to_string(home.root().join("failures")).unwrap_or_default();
    assert_eq!(failures, "");
    let calls = std::fs::read(home.root().join("calls")).expect("there were calls").len();
    assert!(calls > 3 * RESTARTS as usize / 2, "only {calls} calls");
    assert_eq!(sandbox.count("reuses"), 0);
}

#[test]
fn an_agent_that_could_not_be_started_again_is_not_stopped() {
    let home = Home::new();
    let agent = home.start_agent();
    let alone = home.root().join("alone");
    std::fs::create_dir(&alone).expect("the folder can be made");
    let (client, program) = (alone.join("seqera"), alone.join("seqera-agent"));
    std::fs::copy(&binaries().client, &client).expect("the client can be copied");
    let restart = || home.program(&client).args(["agent", "restart"]).env("PATH", "/usr/bin:/bin").run();

    let missing = restart().fails_with(69);
    assert!(
        missing.stderr.contains("no 'seqera-agent' program was found; nothing was stopped"),
        "{missing:?}"
    );
    std::fs::write(&program, "#!/bin/sh\necho 'error: broken' >&2; exit 1\n").expect("it can be written");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
    let broken = restart().fails_with(69);
    assert!(broken.stderr.contains("did not start: broken; nothing was stopped"), "{broken:?}");
    let socket = home.socket_dir().join("agent.sock");
    let chosen = home.seqera("agent restart").env("SEQERA_AGENT_SOCK", &socket).run().fails_with(69);
    assert!(chosen.stderr.contains("is not started by this command; nothing was stopped"), "{chosen:?}");
    assert_eq!(home.agent_pid(), Some(agent.pid()));
}

#[test]
fn agent_status_never_starts_one_and_a_chosen_socket_is_never_auto_started() {
    let mut home = Home::new();
    home.seqera("agent status").run().fails_with(69);
    let chosen = home.root().join("run/mine.sock");
    home.set("SEQERA_AGENT_SOCK", &chosen);
    home.seqera("token").run().fails_with(69);
    assert_eq!(agents_in(&home), Vec::<u32>::new());
}

#[test]
fn stop_ends_the_agent_and_removes_its_socket() {
    let home = Home::new();
    let agent = home.start_agent();
    home.seqera("agent stop").run().ok();
    agent.finish(Duration::from_secs(25)).ok();
    assert!(!home.socket_dir().join("agent.sock").exists());
    assert_eq!(home.seqera("agent stop").run().ok().line(), "no agent was running");
}

#[test]
fn a_socket_that_a_service_manager_hands_over_is_served() {
    if !seqera_tests::skip::have(&["systemd-socket-activate"], "apt-get install systemd") {
        return;
    }
    let home = Home::new();
    let socket = home.socket_dir().join("agent.sock").to_string_lossy().into_owned();
    let agent = binaries().agent.to_string_lossy().into_owned();
    let forward = ["HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"].map(|name| format!("-E{name}"));
    let shell = "umask 077; mkdir \"$XDG_RUNTIME_DIR/seqera\"; exec systemd-socket-activate \"$@\"";
    let manager =
        home.program("sh").args(["-c", shell, "manager"]).args(forward).args(["-l", &socket, &agent]);
    let mut manager = manager.start();
    eventually(LIMIT, "the manager's socket", || home.socket_dir().join("agent.sock").exists().then_some(()));
    let status = home.seqera("agent status -o json").run().ok().json();
    assert_eq!(status["pid"].as_u64(), Some(manager.pid().into()), "the manager became the agent");
    assert_eq!(status["socket"], socket.as_str());
    assert!(manager.is_running());
}

#[test]
fn a_home_with_a_long_path_works() {
    let home = Home::new();
    let long = home.root().join("x".repeat(100)).join("y".repeat(100));
    std::fs::create_dir_all(&long).expect("the folder can be made");
    let env = [("HOME", &long), ("XDG_STATE_HOME", &long)];
    let run = |args: &str| {
        let invocation = env.iter().fold(home.seqera(args), |all, (name, path)| all.env(name, path));
        invocation.without_env("XDG_RUNTIME_DIR").run().ok()
    };
    run("agent start");
    let socket = run("agent socket").line().to_owned();
    assert!(socket.len() < 108, "{socket}");
    run("agent stop");
}
