//! GNOME Keyring as a peer: a headless message bus and keyring daemon for one home.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::home::Home;
use crate::{eventually, reaper, skip};

/// The packages to install.
pub const REMEDY: &str = "apt-get install gnome-keyring libsecret-tools dbus-daemon";
/// The programs that have to be installed.
const PROGRAMS: [&str; 3] = ["dbus-daemon", "gnome-keyring-daemon", "secret-tool"];

const PASSWORD: &str = "the password of the test's own keyring";
const LIMIT: Duration = Duration::from_secs(20);

/// A running keyring, unlocked, with an empty default collection.
#[derive(Debug)]
pub struct Keyring {
    bus: Child,
    daemon: Child,
}

impl Keyring {
    /// Starts the bus and the keyring in `home`, whose programs find them from now on. Skips the running test
    /// if a program is missing.
    #[track_caller]
    pub fn start(home: &mut Home) -> Option<Self> {
        if !skip::have(&PROGRAMS, REMEDY) {
            return None;
        }
        let (bus, address) = start_bus(home);
        home.set("DBUS_SESSION_BUS_ADDRESS", address);
        let daemon = start_daemon(home);
        home.adopt(bus.id());
        home.adopt(daemon.id());
        let keyring = Self { bus, daemon };
        eventually(LIMIT, "a keyring that stores", || keyring.stores(home).then_some(()));
        Some(keyring)
    }

    /// Whether the keyring stores something and finds it again.
    fn stores(&self, home: &Home) -> bool {
        let ping = ["secret-tool store --label=ping seqera-test ping", "secret-tool lookup seqera-test ping"];
        let ping = format!("echo pong | {} && {} && secret-tool clear seqera-test ping", ping[0], ping[1]);
        home.shell(&ping).run().stdout.contains("pong")
    }

    /// All of the agent's secrets in the keyring, as `secret-tool` shows them.
    pub fn agent_secrets(&self, home: &Home) -> String {
        let found = home.shell("secret-tool search --all --unlock service seqera-agent 2>&1").run();
        found.stdout
    }

    /// Stops the daemon with a signal, so that calls to it hang.
    pub fn freeze(&self) {
        reaper::signal(self.daemon.id(), "STOP");
    }

    /// Lets the daemon continue.
    pub fn thaw(&self) {
        reaper::signal(self.daemon.id(), "CONT");
    }

    /// Ends the daemon without a warning. [`Keyring::unlock`] starts it again.
    pub fn kill(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }

    /// Locks the default collection, as it is after a long absence.
    #[track_caller]
    pub fn lock(&self, home: &Home) {
        let call = "dbus-send --session --print-reply --dest=org.freedesktop.secrets \
                    /org/freedesktop/secrets org.freedesktop.Secret.Service.Lock \
                    array:objpath:/org/freedesktop/secrets/aliases/default";
        home.shell(call).run().ok();
    }

    /// Makes the collection `session` the default one, which the daemon forgets when it ends.
    #[track_caller]
    pub fn forgets(&self, home: &Home) {
        let call = "dbus-send --session --print-reply --dest=org.freedesktop.secrets \
                    /org/freedesktop/secrets org.freedesktop.Secret.Service.SetAlias \
                    string:default objpath:/org/freedesktop/secrets/collection/session";
        home.shell(call).run().ok();
    }

    /// Unlocks it again, like the next login to a desktop: a new daemon replaces the locked or killed one.
    #[track_caller]
    pub fn unlock(&mut self, home: &mut Home) {
        let mut locked = std::mem::replace(&mut self.daemon, start_daemon(home));
        home.adopt(self.daemon.id());
        let _ = locked.kill();
        let _ = locked.wait();
        eventually(LIMIT, "an unlocked keyring", || self.stores(home).then_some(()));
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        for child in [&mut self.daemon, &mut self.bus] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A program with only the home's environment.
fn command(home: &Home, program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(home.environment()).current_dir(home.root());
    command
}

/// Starts a keyring daemon that unlocks the default collection with the password and replaces a running
/// daemon.
fn start_daemon(home: &Home) -> Child {
    let mut daemon = command(home, "gnome-keyring-daemon")
        .args(["--foreground", "--replace", "--unlock", "--components=secrets"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("gnome-keyring-daemon can be started");
    let mut password = daemon.stdin.take().expect("standard input is a pipe");
    password.write_all(PASSWORD.as_bytes()).expect("the daemon reads its password");
    daemon
}

/// A bus that starts no services by itself. Otherwise a second, locked keyring daemon would start between two
/// of ours.
const BUS: &str = r#"<busconfig>
  <type>session</type>
  <listen>unix:path=SOCKET</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;

fn start_bus(home: &Home) -> (Child, String) {
    let configuration = home.root().join("bus.conf");
    let socket = home.root().join("run/bus");
    std::fs::write(&configuration, BUS.replace("SOCKET", &socket.to_string_lossy()))
        .expect("a writable home");
    let mut bus = command(home, "dbus-daemon")
        .args(["--nofork", "--nopidfile", "--print-address=1", "--config-file"])
        .arg(&configuration)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("dbus-daemon can be started");
    let mut address = String::new();
    let stdout = bus.stdout.take().expect("standard output is a pipe");
    BufReader::new(stdout).read_line(&mut address).expect("the bus prints its address");
    assert!(address.starts_with("unix:"), "the bus did not start: {address:?}");
    (bus, address.trim().to_owned())
}
