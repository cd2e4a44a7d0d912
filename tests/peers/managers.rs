//! Service managers: the units in a real user manager of systemd, what they keep the agent from, and the file for
//! launchd.

use std::path::{Path, PathBuf};
use std::time::Duration;

use seqera_tests::binaries::workspace;
use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Invocation, Run, Sandbox, binaries, eventually, skip};

const LIMIT: Duration = Duration::from_secs(120);
/// That of the system, because a service finds no other.
const PYTHON: &str = "/usr/bin/python3";
const REMEDY: &str = "apt-get install systemd util-linux python3";

fn packaging() -> PathBuf {
    workspace().join("packaging")
}

fn manager_sh() -> PathBuf {
    workspace().join("tests/peers/managers/manager.sh")
}

/// The folder of the user's own units.
pub(crate) fn units(home: &Home) -> PathBuf {
    home.root().join("home/.config/systemd/user")
}

/// A home with our units, in which the service starts `program`. `None` after a skip.
pub(crate) fn with_units(program: &str) -> Option<Home> {
    if !skip::have(&["systemctl", "unshare", PYTHON], REMEDY) {
        return None;
    }
    let home = Home::new();
    if home.program("unshare").args(["-m", "mount", "-t", "tmpfs", "none", "/run"]).run().code != Some(0) {
        skip("needs the right to mount in a namespace of its own");
        return None;
    }
    let overrides = units(&home).join("seqera-agent.service.d");
    std::fs::create_dir_all(&overrides).expect("the home can be written");
    for unit in ["seqera-agent.service", "seqera-agent.socket"] {
        let copied = std::fs::copy(packaging().join("systemd").join(unit), units(&home).join(unit));
        copied.unwrap_or_else(|error| panic!("{unit}: {error}"));
    }
    let text = format!("[Service]\nExecStart=\nExecStart={program}\n");
    std::fs::write(overrides.join("program.conf"), text).expect("the home can be written");
    Some(home)
}

/// A shell script beside a user manager, to be run by [`run`].
pub(crate) fn managed(home: &Home, script: &str) -> Invocation {
    let args = ["-m", "/bin/sh"].map(std::ffi::OsString::from).into_iter();
    let user = home.root().join("home").into_os_string();
    home.program("unshare").args(args.chain([manager_sh().into(), user, script.into()])).limit(LIMIT)
}

/// `None` after a skip, where no user manager can be started.
pub(crate) fn run(managed: Invocation) -> Option<Run> {
    let run = managed.run();
    if run.stderr.contains("no user manager") {
        skip("systemd's user manager does not start here");
        return None;
    }
    Some(run.ok())
}

pub(crate) fn said(run: &Run, what: &str) {
    assert!(run.stdout.contains(what), "no {what:?} in\n{}{}", run.stdout, run.stderr);
}

#[test]
fn the_socket_starts_the_service_at_the_first_call_and_it_says_that_it_is_ready() {
    let Some(home) = with_units(&binaries().agent.display().to_string()) else { return };
    let script = "systemd-analyze --user verify seqera-agent.service seqera-agent.socket
        systemctl --user start seqera-agent.socket
        systemctl --user is-active seqera-agent.service || true
        stat -c '%a %n' \"$XDG_RUNTIME_DIR/seqera\" \"$XDG_RUNTIME_DIR/seqera/agent.sock\"
        seqera status || true
        systemctl --user show -p Type,ActiveState,SubState,NotifyAccess,Result seqera-agent.service
        seqera agent status
        systemctl --user reload seqera-agent.service && echo reloaded
        seqera agent stop && systemctl --user is-active seqera-agent.socket
        seqera status || true
        systemctl --user stop seqera-agent.socket seqera-agent.service
        systemctl --user show -p Result seqera-agent.service";
    let Some(run) = run(managed(&home, script)) else { return };
    assert!(!run.stderr.contains("seqera-agent.service:"), "words of the check:\n{}", run.stderr);
    for what in ["inactive\n", "700 ", "600 ", "ActiveState=active\nSubState=running", "Type=notify"] {
        said(&run, what);
    }
    said(&run, "/seqera/agent.sock");
    said(&run, "reloaded\n");
    assert!(run.stdout.trim_end().ends_with("Result=success"), "{}", run.stdout);
    assert_eq!(run.stderr.matches("is not signed in").count(), 2, "{}", run.stderr);
}

#[test]
fn a_session_is_signed_in_renewed_and_restarted_within_the_units_restrictions() {
    let Some(home) = with_units(&binaries().agent.display().to_string()) else { return };
    let sandbox = Sandbox::calm();
    let given = sandbox.personal_token(ADA);
    let script = format!(
        "systemctl --user start seqera-agent.socket
         printf %s \"$GIVEN\" | seqera login --with-token --profile given --authority {0} >/dev/null
         test \"$(seqera token --profile given)\" = \"$GIVEN\" && echo handed out
         systemctl --user restart seqera-agent.service
         test \"$(seqera token --profile given)\" = \"$GIVEN\" && echo handed out again
         kill -SEGV \"$(systemctl --user show -P MainPID seqera-agent.service)\"
         test \"$(seqera token --profile given)\" = \"$GIVEN\" && echo after a crash
         SEQERA_AUTH_DOMAIN={0} seqera agent doctor || true
         systemctl --user stop seqera-agent.socket seqera-agent.service",
        sandbox.authority
    );
    let Some(run) = run(managed(&home, &script).env("GIVEN", &given)) else { return };
    for what in ["handed out\n", "handed out again\n", "after a crash\n"] {
        said(&run, what);
    }
    // Neither locked memory nor its key's own kind is beyond the restrictions.
    said(&run, "secrets are sealed, with a key");
    let linger = run.stdout.lines().find(|line| line.contains("linger")).unwrap_or_default();
    assert!(linger.contains("off: at your last logout systemd may end the agent"), "{}", run.stdout);
    said(&run, "run 'loginctl enable-linger'");
}

#[test]
fn a_new_version_takes_over_within_the_units_restrictions_and_the_manager_sees_one_process() {
    let folder = std::env::temp_dir().join(format!("seqera-upgraded-{}", std::process::id()));
    let program = folder.join("seqera-agent");
    let Some(home) = with_units(&program.display().to_string()) else { return };
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    std::fs::copy(&binaries().agent, &program).expect("the program can be copied");
    let sandbox = Sandbox::calm();
    let script = format!(
        "systemctl --user start seqera-agent.socket
         printf %s \"$GIVEN\" | seqera login --with-token --profile given --authority {0} >/dev/null
         pid=$(systemctl --user show -P MainPID seqera-agent.service)
         for time in first second; do
           cp {1} {1}.new && mv {1}.new {1}
           tries=0
           until [ /proc/$pid/exe -ef {1} ]; do
             tries=$((tries + 1)); [ $tries -lt 600 ] || exit 9; sleep 0.1
           done
           test \"$(seqera token --profile given)\" = \"$GIVEN\" && echo \"$time upgrade\"
         done
         test \"$(systemctl --user show -P MainPID seqera-agent.service)\" = $pid && echo one process
         systemctl --user show -p ActiveState,SubState,NRestarts seqera-agent.service
         seqera agent stop
         test -S \"$XDG_RUNTIME_DIR/seqera/agent.sock\" && echo the socket stays
         test \"$(seqera token --profile given)\" = \"$GIVEN\" && echo started again
         systemctl --user stop seqera-agent.socket seqera-agent.service
         systemctl --user show -p Result seqera-agent.service",
        sandbox.authority,
        program.display()
    );
    let given = sandbox.personal_token(ADA);
    let run = run(managed(&home, &script).env("GIVEN", &given));
    std::fs::remove_dir_all(&folder).expect("the folder can be removed");
    let Some(run) = run else { return };
    for what in [
        "first upgrade\n",
        "second upgrade\n",
        "one process\n",
        "NRestarts=0\nActiveState=active\nSubState=running\n",
    ] {
        said(&run, what);
    }
    for what in ["the socket stays\n", "started again\n", "Result=success"] {
        said(&run, what);
    }
}

#[test]
fn what_an_agent_never_needs_is_denied_to_it() {
    let probe = workspace().join("tests/peers/managers/denied.py");
    let report = std::env::temp_dir().join(format!("seqera-denied-{}", std::process::id()));
    let program = format!("{PYTHON} {} {}", probe.display(), report.display());
    let Some(home) = with_units(&program) else { return };
    // Ready when it has ended.
    let overrides = units(&home).join("seqera-agent.service.d/program.conf");
    let text = std::fs::read_to_string(&overrides)
        .expect("it was written")
        .replace("[Service]", "[Service]\nType=oneshot");
    std::fs::write(&overrides, text).expect("the home can be written");
    let script =
        "systemctl --user set-environment LD_PRELOAD=/nowhere.so HTTPS_PROXY=http://p SEQERA_ACCESS_TOKEN=t
        systemctl --user start seqera-agent.service";
    if run(managed(&home, script)).is_none() {
        return;
    }
    let whole = || std::fs::read_to_string(&report).ok().filter(|text| text.ends_with("end\n"));
    let text = eventually(LIMIT, "the whole report", whole);
    let _ = std::fs::remove_file(&report);
    assert!(!text.contains("WRONG"), "{text}");
}

#[test]
fn what_is_left_open_has_its_reason_in_the_table() {
    let Some(home) = with_units("/bin/true") else { return };
    let script = "systemd-analyze --version
                  systemd-analyze --user security --offline=true --no-pager --threshold=65 \
                  \"$HOME/.config/systemd/user/seqera-agent.service\"";
    let Some(run) = run(managed(&home, script)) else { return };
    // Other versions ask for other settings.
    if !run.stdout.contains("systemd 252 ") {
        return;
    }
    let reasons = std::fs::read_to_string(packaging().join("README.md")).expect("it is there");
    let open: Vec<&str> = run.stdout.lines().filter_map(|line| line.strip_prefix("✗ ")).collect();
    assert!(open.len() > 20, "{}", run.stdout);
    for line in open {
        let settings = line.split_whitespace().next().unwrap_or_default();
        let (first, rest) = settings.split_once('=').unwrap_or((settings, ""));
        let listed = match first {
            "RestrictAddressFamilies" => rest.contains("AF_") && reasons.contains("`AF_UNIX`"),
            name => reasons.contains(&format!("`{name}`")),
        };
        assert!(listed, "packaging/README.md gives no reason for {settings}");
    }
}

#[test]
fn the_file_for_launchd_is_whole_and_says_what_the_unit_says() {
    if !skip::have(&[PYTHON], REMEDY) {
        return;
    }
    let file = packaging().join("launchd/io.seqera.agent.plist");
    let script = "import plistlib, sys, json; json.dump(plistlib.load(open(sys.argv[1], 'rb')), sys.stdout)";
    let home = Home::new();
    let plist = home.program(PYTHON).args([Path::new("-c"), script.as_ref(), &file]).run().ok().json();
    assert_eq!(plist["Label"], file.file_stem().expect("it has a name").to_string_lossy().as_ref());
    assert_eq!(plist["ProgramArguments"], serde_json::json!(["/usr/local/bin/seqera-agent"]));
    let unit =
        std::fs::read_to_string(packaging().join("systemd/seqera-agent.service")).expect("it is there");
    assert!(unit.contains(&format!("TimeoutStopSec={}\n", plist["ExitTimeOut"])));
    assert_eq!(
        (&plist["Umask"], plist["HardResourceLimits"]["Core"].as_u64()),
        (&serde_json::json!(0o077), Some(0))
    );
    let known =
        ["ExitTimeOut", "HardResourceLimits", "KeepAlive", "Label", "ProgramArguments", "RunAtLoad", "Umask"];
    let keys: Vec<&String> = plist.as_object().expect("a dictionary").keys().collect();
    assert_eq!(keys, known);
}
