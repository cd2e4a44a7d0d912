//! The agent lives on in nobody's world but its own: what its first caller blocked, limited, set or was shut in is not
//! the agent's, and where something has to stay so, it is told.

use std::time::Duration;

use seqera_tests::namespaces::may_make;
use seqera_tests::reaper::{is_alive, signal};
use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Run, Sandbox, binaries, eventually, skip};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(30);

/// The value of a line in a file of `/proc/<pid>`.
#[track_caller]
fn of_process(pid: u32, file: &str, name: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).trim_start_matches(':').trim().to_owned()
}

/// A bit for each signal.
fn bit(signal: u32) -> u64 {
    1 << (signal - 1)
}

const SIGHUP: u32 = 1;
const SIGCHLD: u32 = 17;
const SIGXFSZ: u32 = 25;

/// Whether `env` can set masks and dispositions, which it can from coreutils 8.31 on.
fn env_has_signals(home: &Home) -> bool {
    let run = home.program("env").args(["--block-signal=TERM", "true"]).run();
    run.code == Some(0) || {
        skip("'env --block-signal' is needed (coreutils 8.31)");
        false
    }
}

const ODD: [&str; 2] = ["--block-signal=TERM,HUP,INT,USR1", "--ignore-signal=HUP,CHLD,XFSZ,QUIT"];

#[test]
fn an_agent_has_no_signal_limit_mask_or_priority_of_whoever_was_first() {
    let home = Home::new();
    if !env_has_signals(&home) {
        return;
    }
    let narrow = "umask 0; ulimit -Sf 100; ulimit -Sn 64; ulimit -St 500; exec nice -n 0 seqera agent start";
    home.program("env").args(ODD).args(["sh", "-c", narrow]).run().ok();
    let pid = home.agent_pid().expect("it serves");
    let set = |name: &str| u64::from_str_radix(&of_process(pid, "status", name), 16).expect("a bit mask");
    assert_eq!(set("SigBlk"), 0, "nothing is blocked");
    for number in [SIGHUP, SIGCHLD, SIGXFSZ, 3] {
        assert_eq!(set("SigIgn") & bit(number), 0, "signal {number} is not ignored");
    }
    assert_ne!(set("SigCgt") & bit(SIGXFSZ), 0, "a full file is an error and not the end");
    assert_eq!(of_process(pid, "status", "Umask"), "0077");
    for limit in ["Max file size", "Max open files", "Max cpu time"] {
        let values = of_process(pid, "limits", limit);
        let mut values = values.split_whitespace();
        assert_eq!(values.next(), values.next(), "{limit}: the soft limit is the hard one");
    }
    signal(pid, "TERM");
    eventually(LIMIT, "SIGTERM ends it", || (!is_alive(pid)).then_some(()));
}

#[test]
fn an_agent_in_the_foreground_hears_sigterm_whatever_its_starter_blocked() {
    let home = Home::new();
    if !env_has_signals(&home) {
        return;
    }
    let mut agent = home.program("env").args(ODD).args([&binaries().agent]).start();
    eventually(LIMIT, "it serves", || (home.agent_pid() == Some(agent.pid())).then_some(()));
    assert!(agent.is_running());
    signal(agent.pid(), "TERM");
    agent.finish(LIMIT).ok();
}

#[test]
fn a_nice_value_and_processors_of_the_first_caller_are_not_kept_or_told() {
    let home = Home::new();
    if !skip::have(&["taskset", "nice"], "apt-get install util-linux") {
        return;
    }
    let all = of_process(std::process::id(), "status", "Cpus_allowed_list");
    home.shell("exec nice -n 7 taskset -c 0 seqera agent start").run().ok();
    let pid = home.agent_pid().expect("it serves");
    assert_eq!(of_process(pid, "status", "Cpus_allowed_list"), all);
    // Without privileges a priority can only be lowered further, and whoever runs the tests may have begun with that.
    let (nice, ours) = (nice_of(pid), nice_of(std::process::id()));
    if home.program("nice").args(["-n", "-1", "true"]).run().stderr.contains("cannot set") {
        let shown = home.seqera("agent status").run().ok();
        let lowered = (ours + 7).min(19);
        assert!(shown.stderr.contains(&format!("it runs with nice {lowered},")), "{shown:?}");
    } else {
        assert_eq!(nice, 0);
    }
}

#[track_caller]
fn nice_of(pid: u32) -> i32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let field = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(16));
    field.and_then(|nice| nice.parse().ok()).expect("a nice value")
}

#[test]
fn a_hard_limit_of_file_size_is_told_and_a_log_that_reaches_it_ends_nobody() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    // In blocks of 512 or 1,024 bytes, by the shell.
    home.shell("ulimit -f 16; SEQERA_LOG_LEVEL=trace exec seqera agent start").run().ok();
    let pid = home.agent_pid().expect("it serves");
    let shown = home.seqera("agent status").run().ok();
    assert!(shown.stderr.contains("ulimit -f allows "), "{shown:?}");
    home.login("work", &sandbox, ADA);
    let is_full = || {
        home.seqera("profile list").run().ok();
        let before = home.log().len();
        home.seqera("status --profile work").run().ok();
        (before > 4096 && home.log().len() == before).then_some(())
    };
    eventually(LIMIT, "a log that grows no more", is_full);
    assert_eq!(sandbox.user_info(&home.token("work")).status, 200);
    assert_eq!(home.agent_pid(), Some(pid), "it is the same agent");
}

/// Variables of other programs, and what would change the agent itself.
const FOREIGN: [(&str, &str); 6] = [
    ("AWS_SECRET_ACCESS_KEY", "canary-a"),
    ("OPENAI_API_KEY", "canary-b"),
    ("TOWER_REFRESH_TOKEN", "canary-c"),
    ("LD_LIBRARY_PATH", "/canary-d"),
    ("MALLOC_PERTURB_", "7"),
    ("HTTPS_PROXY", "http://user:canary-e@proxy.test:1"),
];

#[track_caller]
fn has_nothing_foreign(pid: u32) {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).expect("readable by its owner");
    let environment = String::from_utf8_lossy(&environment).replace('\0', "\n");
    assert!(!environment.contains("canary"), "{environment}");
    for (name, _) in FOREIGN {
        assert!(!environment.contains(name), "{environment}");
    }
    assert!(environment.lines().any(|line| line.starts_with("HOME=")), "{environment}");
}

#[test]
fn an_agent_keeps_no_variable_but_its_own_however_it_was_started() {
    if !skip::looks_into_agents() {
        return;
    }
    let home = Home::new();
    let with_foreign =
        FOREIGN.iter().fold(home.seqera("agent start"), |all, (name, value)| all.env(name, value));
    with_foreign.run().ok();
    let pid = home.agent_pid().expect("it serves");
    has_nothing_foreign(pid);
    home.stop_agent(pid);
    // A person, or a service manager.
    let agent = home.start_agent_with(&FOREIGN);
    has_nothing_foreign(agent.pid());
}

#[test]
fn an_agent_that_was_started_in_a_sandbox_without_network_is_named_when_a_renewal_fails() {
    let sandbox = Sandbox::start(&json!({"access_lifetime": 2}));
    let home = Home::new();
    if !may_make(&home, &["--net"]) {
        return;
    }
    home.login("work", &sandbox, ADA);
    let outside = home.seqera("agent status").run().ok();
    assert!(!outside.stdout.contains("Elsewhere"), "{outside:?}");
    home.seqera("agent stop").run().ok();
    home.program("unshare").args(["--net", "seqera", "agent", "start"]).run().ok();
    let refused = home.seqera("token --profile work --timeout 3s").run().fails_with(4);
    assert!(refused.stderr.contains("has its own network"), "{refused:?}");
    assert!(refused.stderr.contains("'seqera agent restart'"), "{refused:?}");
    let shown = home.seqera("agent status").run().ok();
    assert!(shown.stdout.contains("its own network"), "{shown:?}");
    let doctor = home.seqera("agent doctor").run();
    assert!(doctor.stdout.contains("its own network"), "{doctor:?}");
    home.seqera("agent restart").run().ok();
    home.seqera("token --profile work").run().ok();
}

/// Whether a secret of the profile lies on the disk.
fn is_on_disk(home: &Home) -> bool {
    home.config_dir().join("refresh-token.work").exists()
}

fn login(home: &Home, sandbox: &Sandbox, store: &str) -> Run {
    let args = format!("login --no-browser --profile work --authority {}", sandbox.authority);
    home.seqera(&args).env("SEQERA_CREDENTIAL_STORE", store).run()
}

#[test]
fn a_store_that_the_running_agent_does_not_use_is_refused_with_the_command_that_makes_it_true() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.seqera("agent start").run().ok();
    for store in ["memory", "keychain", "file"] {
        let refused = login(&home, &sandbox, store).fails_with(2);
        let command = format!("SEQERA_CREDENTIAL_STORE={store} seqera agent restart");
        assert!(refused.stderr.replace('\n', " ").contains(&command), "{refused:?}");
    }
    for store in ["foo", "Memory store"] {
        let wrong = login(&home, &sandbox, store).fails_with(2);
        assert!(wrong.stderr.contains(&format!("SEQERA_CREDENTIAL_STORE is '{store}'")), "{wrong:?}");
        assert!(wrong.stderr.contains("auto, keychain, file or memory"), "{wrong:?}");
    }
    let given = home.seqera("login --with-token --profile work").env("SEQERA_CREDENTIAL_STORE", "memory");
    let given =
        given.env("SEQERA_AUTH_DOMAIN", &sandbox.authority).stdin(&sandbox.personal_token("ada")).run();
    assert!(given.fails_with(2).stderr.contains("agent restart"));
    assert_eq!(sandbox.count("code_exchanges"), 0, "nobody was asked to sign in");
    home.shell("SEQERA_CREDENTIAL_STORE=memory seqera agent restart").run().ok();
    let home = home.with("SEQERA_CREDENTIAL_STORE", "memory");
    home.login("work", &sandbox, ADA);
    assert!(!is_on_disk(&home));
    assert_eq!(home.status("work")["store"], "memory");
}

#[test]
fn a_store_that_was_chosen_in_the_file_after_the_start_is_not_ignored_either() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.seqera("agent start").run().ok();
    home.write_config("config.json", r#"{"credentialStore": "memory"}"#);
    let args = format!("login --no-browser --profile work --authority {}", sandbox.authority);
    let refused = home.seqera(&args).run().fails_with(2);
    assert!(refused.stderr.contains("agent restart"), "{refused:?}");
    home.seqera("agent restart").run().ok();
    home.login("work", &sandbox, ADA);
    assert!(!is_on_disk(&home));
}

#[test]
fn settings_that_only_an_agent_reads_are_compared_with_those_of_the_one_that_runs() {
    let home = Home::new();
    home.seqera("agent start").run().ok();
    let log = home.root().join("other.log").to_string_lossy().into_owned();
    for (name, value) in [
        ("SEQERA_LOG_LEVEL", "debug"),
        ("SEQERA_LOG_FILE", log.as_str()),
        ("SEQERA_AGENT_IDLE_EXIT", "7"),
        ("SEQERA_CREDENTIAL_STORE", "file"),
    ] {
        for command in ["profile list", "agent status", "agent start"] {
            let run = home.seqera(command).env(name, value).run().ok();
            let told = run.stderr.replace('\n', " ");
            assert!(told.contains(&format!("{name} is '{value}' here")), "{command}: {run:?}");
            assert!(told.contains("'seqera agent restart'"), "{command}: {run:?}");
        }
        let doctor = home.seqera("agent doctor").env(name, value).run();
        assert!(doctor.stdout.contains(&format!("{name} is")), "{doctor:?}");
        home.seqera("agent restart").env(name, value).run().ok();
        let run = home.seqera("profile list").env(name, value).run().ok();
        assert!(!run.stderr.contains(name), "the restart has made it true: {run:?}");
        home.seqera("agent restart").run().ok();
    }
    for (name, value) in [("SEQERA_LOG_LEVEL", "loud"), ("SEQERA_AGENT_IDLE_EXIT", "soon")] {
        let wrong = home.seqera("profile list").env(name, value).run().fails_with(2);
        assert!(wrong.stderr.contains(name), "{wrong:?}");
    }
}
