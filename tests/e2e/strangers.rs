//! Both sides refuse another user of the same machine. These tests act as two users, so they need root.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::installation::Installation;
use seqera_tests::browser::{authorization_url, callback_url};
use seqera_tests::sandbox::ADA;
use seqera_tests::skip::is_root;
use seqera_tests::{Home, Invocation, Running, Sandbox, binaries, eventually, http, skip};

/// `nobody`, on every Unix that has this user.
const STRANGER: u32 = 65_534;

fn open(path: &Path, mode: u32) {
    let done = std::fs::set_permissions(path, PermissionsExt::from_mode(mode));
    done.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

fn as_stranger(invocation: Invocation) -> Invocation {
    invocation.with(|command| {
        command.uid(STRANGER).gid(STRANGER);
    })
}

/// Lets the stranger into this folder, as a careless owner would.
fn open_folders(home: &Home) {
    for folder in [home.root().to_owned(), home.root().join("run"), home.socket_dir()] {
        open(&folder, 0o755);
    }
}

/// The programs may be where a stranger cannot go.
fn copy_of(program: &Path, home: &Home) -> PathBuf {
    let copy = home.root().join(program.file_name().expect("a program has a name"));
    std::fs::copy(program, &copy).expect("a copy can be made");
    open(&copy, 0o755);
    copy
}

#[test]
fn the_agent_hangs_up_on_another_user_before_a_word_is_said() {
    if !is_root() {
        return skip("needs root, to play a second user");
    }
    if !skip::have(&["curl"], "apt-get install curl") {
        return;
    }
    let home = Home::new();
    let _agent = home.start_agent();
    let socket = home.socket_dir().join("agent.sock");
    open_folders(&home);
    open(&socket, 0o777);
    let ask = || {
        let socket = socket.to_string_lossy().into_owned();
        let args = ["-sS", "--http2-prior-knowledge", "-o", "/dev/null", "-w", "%{http_code}"];
        home.program("curl").args(args).args(["--unix-socket", &socket, "http://localhost/"])
    };
    let own = ask().run();
    assert!(own.code == Some(0) && own.stdout != "000", "the owner is answered: {own:?}");
    let stranger = as_stranger(ask()).run();
    assert_eq!(stranger.stdout, "000", "{stranger:?}");
    assert_ne!(stranger.code, Some(0));
}

#[test]
fn another_user_reaches_no_sign_in_even_with_the_right_answer() {
    if !is_root() {
        return skip("needs root, to play a second user");
    }
    if !skip::have(&["curl"], "apt-get install curl") {
        return;
    }
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let args = format!("login --no-browser --profile work --authority {}", sandbox.authority);
    let mut login = home.seqera(&args).start();
    let url = login.until("authorization URL", authorization_url);
    let answer = callback_url(&url, ADA);
    let entrance = format!("http://{}/", http::split(&answer).0);
    // It is the working folder of the stranger's program.
    open(home.root(), 0o755);
    let ask = |url: &str| {
        let args = ["-sS", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", url];
        home.program("curl").args(args)
    };
    for refused in [&entrance, &answer] {
        let stranger = as_stranger(ask(refused)).run();
        assert_eq!(stranger.stdout, "000 ", "{stranger:?}");
    }
    assert_eq!(sandbox.count("code_exchanges"), 0, "the code was not used");
    assert_eq!(ask(&entrance).run().stdout, format!("302 {url}"), "the stranger has used nothing up");
    assert_eq!(http::get(&answer, &[]).status, 200);
    login.finish(Duration::from_secs(30)).ok();
    assert!(home.log().contains("another user connected to the callback"), "{}", home.log());
}

#[test]
fn a_place_that_another_user_has_taken_does_not_stop_the_agent() {
    if !is_root() {
        return skip("needs root, to play a second user");
    }
    let home = Home::new();
    let folder = home.socket_dir();
    std::fs::create_dir(&folder).expect("the folder can be made");
    chown(&folder, Some(STRANGER), Some(STRANGER)).expect("root may");
    home.seqera("agent start").run().ok();
    let socket = home.seqera("agent socket").run().ok();
    assert!(!socket.line().starts_with(&*folder.to_string_lossy()), "{socket:?}");
    let named = format!("{} belongs to uid {STRANGER}, not to you", folder.display());
    for command in ["agent status", "agent doctor"] {
        let shown = home.seqera(command).run();
        assert!(shown.stdout.contains(&named) || shown.stderr.contains(&named), "{command}: {shown:?}");
    }
    let chosen = home.program(&binaries().agent).env("SEQERA_AGENT_SOCK", folder.join("agent.sock"));
    let refused = chosen.env("SEQERA_CLI_CONFIG_DIR", home.root().join("other")).run();
    assert!(refused.code.is_some_and(|code| code != 0) && refused.stderr.contains(&named), "{refused:?}");
}

#[test]
fn the_client_refuses_a_socket_in_another_users_folder() {
    if !is_root() {
        return skip("needs root, to play a second user");
    }
    let home = Home::new();
    let _agent = home.start_agent();
    open_folders(&home);
    let client = copy_of(&binaries().client, &home);
    let socket = home.socket_dir().join("agent.sock");
    open(&socket, 0o777);
    let ask =
        home.program(client).args(["token"]).env("HOME", "/nonexistent").env("SEQERA_AGENT_SOCK", &socket);
    let refused = as_stranger(ask).run();
    assert!(refused.code.is_some_and(|code| code != 0), "{refused:?}");
    let folder = home.socket_dir().to_string_lossy().into_owned();
    assert!(refused.stderr.contains(&folder), "path and reason are named: {}", refused.stderr);
}

/// The stranger's own agent, with everything that it needs in the folder that is returned.
fn agent_of_stranger(home: &Home) -> (Running, PathBuf) {
    let agent = copy_of(&binaries().agent, home);
    let own = home.root().join("stranger");
    std::fs::create_dir(&own).expect("the folder can be made");
    open(home.root(), 0o755);
    open(&own, 0o700);
    chown(&own, Some(STRANGER), Some(STRANGER)).expect("root may");
    let socket = own.join("agent.sock");
    let start =
        home.program(agent).env("HOME", &own).env("XDG_STATE_HOME", &own).env("SEQERA_AGENT_SOCK", &socket);
    let mut running = as_stranger(start.without_env("XDG_RUNTIME_DIR")).start();
    eventually(Duration::from_secs(20), "the stranger's socket", || {
        assert!(running.is_running(), "{}", running.stderr());
        socket.exists().then_some(())
    });
    (running, own)
}

#[test]
fn the_agent_hangs_up_on_root_as_well() {
    if !is_root() {
        return skip("needs root, to play a second user");
    }
    if !skip::have(&["curl"], "apt-get install curl") {
        return;
    }
    let home = Home::new();
    let (_running, own) = agent_of_stranger(&home);
    let socket = own.join("agent.sock").to_string_lossy().into_owned();
    let ask = || {
        let args = ["-sS", "--http2-prior-knowledge", "-o", "/dev/null", "-w", "%{http_code}"];
        home.program("curl").args(args).args(["--unix-socket", &socket, "http://localhost/"])
    };
    let owner = as_stranger(ask()).run();
    assert!(owner.code == Some(0) && owner.stdout != "000", "the owner is answered: {owner:?}");
    let root = ask().run();
    assert!(root.stdout == "000" && root.code != Some(0), "{root:?}");
}

#[test]
fn the_client_refuses_an_agent_of_another_user() {
    if !is_root() {
        return skip("needs root, to play a second user");
    }
    let home = Home::new();
    let (_running, own) = agent_of_stranger(&home);
    let socket = own.join("agent.sock");
    let ask = |why: &str| {
        let refused = home.seqera("token").env("SEQERA_AGENT_SOCK", &socket).run();
        assert!(
            refused.code.is_some_and(|code| code != 0) && refused.stdout.is_empty(),
            "{why}: {refused:?}"
        );
        refused
    };
    let folder = ask("the folder is another user's");
    assert!(folder.stderr.contains(&*own.to_string_lossy()), "{}", folder.stderr);
    chown(&own, Some(0), Some(0)).expect("root may");
    open(&own, 0o755);
    ask("the folder is ours, the agent behind it is not");
}

#[test]
fn a_socket_folder_that_others_may_write_to_is_refused_by_both() {
    let home = Home::new();
    let folder = home.socket_dir();
    std::fs::create_dir(&folder).expect("the folder can be made");
    open(&folder, 0o777);
    // The agent moves to its next place, or refuses. It never binds in this folder.
    let started = home.seqera("agent start").run();
    assert!(!folder.join("agent.sock").exists(), "{started:?}");
    let chosen = folder.join("agent.sock");
    let refused = home.program(&binaries().agent).env("SEQERA_AGENT_SOCK", &chosen).run();
    assert!(refused.code.is_some_and(|code| code != 0), "{refused:?}");
    assert!(refused.stderr.contains(&*folder.to_string_lossy()), "{}", refused.stderr);
    assert!(refused.stderr.contains("777"), "the mode is named: {}", refused.stderr);
}

#[test]
fn a_symbolic_link_as_socket_folder_is_refused() {
    let home = Home::new();
    let elsewhere = home.root().join("elsewhere");
    std::fs::create_dir(&elsewhere).expect("the folder can be made");
    open(&elsewhere, 0o700);
    std::os::unix::fs::symlink(&elsewhere, home.socket_dir()).expect("a link can be made");
    home.seqera("agent start").run();
    assert!(!elsewhere.join("agent.sock").exists());
}

/// Where the site wants every user's log, in a folder of all.
fn log_of_site(home: &Home) -> PathBuf {
    let logs = home.root().join("logs");
    std::fs::create_dir(&logs).expect("the folder can be made");
    open(&logs, 0o1777);
    let uid = std::fs::metadata("/proc/self").expect("procfs").uid();
    logs.join(format!("{uid}.log"))
}

#[test]
fn a_log_whose_place_another_user_has_taken_goes_to_the_ordinary_one_and_they_read_none_of_it() {
    if !is_root() {
        return skip("needs root, to play a second user");
    }
    for is_pipe in [false, true] {
        let home = Home::new();
        let log = log_of_site(&home);
        match is_pipe {
            true => assert_eq!(home.program("mkfifo").args([&log]).run().code, Some(0)),
            false => std::fs::write(&log, "").expect("a free name"),
        }
        open(&log, 0o666);
        chown(&log, Some(STRANGER), Some(STRANGER)).expect("root may");
        let mut theirs = without_waiting(&log);
        let site = Installation::new(&home, "opt");
        site.write(&serde_json::json!({"policy": {"log": log.parent()}}).to_string());
        let status = site.seqera("agent start -o json").run().ok().json();
        let ordinary = home.root().join("state/seqera/agent.log");
        assert_eq!(status["log"], serde_json::json!(ordinary), "{status}");
        let said = format!("{} belongs to uid {STRANGER}", log.display());
        for command in ["agent status", "agent doctor"] {
            let shown = site.seqera(command).run();
            assert!(format!("{}{}", shown.stdout, shown.stderr).contains(&said), "{command}: {shown:?}");
        }
        assert!(site.seqera("agent logs").run().ok().stdout.contains("serving"));
        let read = std::io::Read::read(&mut theirs, &mut [0; 64]);
        let is_nothing = read.as_ref().is_ok_and(|bytes| *bytes == 0)
            || read.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
        assert!(is_nothing, "they were told something: {read:?}");
    }
}

/// Opened as by the one who reads a pipe, which then takes what is written to it.
fn without_waiting(path: &Path) -> std::fs::File {
    const O_NONBLOCK: i32 = 0o4000;
    let mut options = std::fs::File::options();
    std::os::unix::fs::OpenOptionsExt::custom_flags(options.read(true).write(true), O_NONBLOCK);
    options.open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Listens at an abstract name, as a bus does, and prints how much each caller has said.
const BUS: &str = "\
import socket, sys
bus = socket.socket(socket.AF_UNIX)
bus.bind('\\0' + sys.argv[1])
bus.listen()
print('listening', flush=True)
while True:
    caller, _ = bus.accept()
    print('heard', len(caller.recv(64)), flush=True)
";

/// An agent outlives many a desktop, and any user can take the name of a bus that has ended.
#[test]
fn a_session_bus_of_another_user_is_told_nothing_and_gets_no_secret() {
    if !is_root() {
        return skip("needs root, to play a second user");
    }
    if !skip::have(&["python3"], "apt-get install python3") {
        return;
    }
    let (mut home, sandbox) = (Home::new(), Sandbox::calm());
    // It is the working folder of the stranger's program.
    open(home.root(), 0o755);
    let name = format!("seqera-bus-{}", home.root().file_name().expect("a name").to_string_lossy());
    let mut bus = as_stranger(home.program("python3").args(["-c", BUS, &name])).start();
    eventually(Duration::from_secs(30), "a bus", || bus.stdout().contains("listening").then_some(()));
    home.set("DBUS_SESSION_BUS_ADDRESS", format!("unix:abstract={name}"));
    home.login("work", &sandbox, ADA);
    assert_eq!(home.status("work")["store"], "file");
    let doctor = home.seqera("agent doctor").run();
    let said = format!("the session bus at unix:abstract={name} belongs to uid {STRANGER}");
    assert!(doctor.stdout.contains(&said), "{doctor:?}");
    home.seqera("logout --all").run().ok();
    let heard = bus.stdout();
    assert!(heard.lines().skip(1).all(|line| line == "heard 0"), "{heard}");
    bus.kill();
}

#[test]
fn a_token_that_another_user_has_left_in_a_folder_of_all_is_handed_to_no_program() {
    if !is_root() {
        return skip("needs root, to play a second user");
    }
    let home = Home::new();
    let shared = home.root().join("shared");
    std::fs::create_dir(&shared).expect("the folder can be made");
    open(&shared, 0o1777);
    let file = shared.join("token");
    let text = "planted\n# seqera token file\nauthority=https://other.test/api\napi=https://other.test/api\n";
    std::fs::write(&file, text).expect("a free name");
    open(&file, 0o644);
    chown(&file, Some(STRANGER), Some(STRANGER)).expect("root may");
    for command in ["exec -- env", "token", "status --check"] {
        let refused = home.seqera(command).env("SEQERA_ACCESS_TOKEN_FILE", &file).run().fails_with(2);
        let said = format!("{} may have been put there by uid {STRANGER}", file.display());
        assert!(refused.stderr.contains(&said), "{command}: {refused:?}");
        assert!(!format!("{refused:?}").contains("planted"), "{command}: {refused:?}");
    }
}
