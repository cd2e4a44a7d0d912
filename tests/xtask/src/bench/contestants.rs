//! What is measured side by side: this project, the floor, and agents that other programs have.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use seqera_tests::binaries::workspace;
use seqera_tests::sandbox::ADA;
use seqera_tests::skip::on_path;
use seqera_tests::{Home, Sandbox};
use serde_json::json;

use super::counting::output;
use super::issuer;

/// One program that asks its agent once and ends.
pub(super) struct Contestant {
    pub(super) name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    /// The process that answers, for its memory; `None` if nobody knows it.
    pub(super) agent: Option<u32>,
}

impl Contestant {
    /// A process of it, ready to be started. What it prints goes nowhere.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_clear().envs(self.environment.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// The same command under another program, such as a counter of instructions.
    pub(super) fn under(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).arg(&self.program).args(&self.arguments);
        command.env_clear().envs(self.environment.iter().cloned()).env("PATH", "/usr/bin:/bin");
        command
    }
}

/// Everything that runs during a measurement. Ends what it started when it is dropped.
pub(super) struct Field {
    pub(super) contestants: Vec<Contestant>,
    pub(super) home: Home,
    /// The provider, which has to be there for as long as the session.
    _sandbox: Sandbox,
    children: Vec<Child>,
    /// Agents that put themselves into the background, with the command that ends each.
    endings: Vec<Command>,
}

/// The name under which this project runs.
pub(super) const OWN: &str = "seqera token";
/// The names of the peers that goals are about.
pub(super) const SSH: &str = "ssh-add -l";
pub(super) const OIDC: &str = "oidc-token";
/// The name of the floor.
pub(super) const FLOOR: &str = "floor (C, static)";

impl Field {
    /// Starts all agents. Prints which are missing.
    pub(super) fn build() -> Self {
        let sandbox = Sandbox::start(&json!({ "access_lifetime": 86_400 }));
        let home = Home::new();
        home.login("default", &sandbox, ADA);
        let mut field = Self {
            contestants: Vec::new(),
            home,
            _sandbox: sandbox,
            children: Vec::new(),
            endings: Vec::new(),
        };
        field.own();
        field.floor();
        field.ssh();
        field.gpg();
        field.git();
        field.oidc();
        field
    }

    /// Where this project's agent listens.
    pub(super) fn socket(&self) -> String {
        self.home.socket_dir().join("agent.sock").display().to_string()
    }

    /// The agent of this project, which a measurement may have started anew.
    pub(super) fn own_agent(&self) -> u32 {
        self.home.agent_pid().expect("the agent runs")
    }

    pub(super) fn find(&self, name: &str) -> Option<&Contestant> {
        self.contestants.iter().find(|contestant| contestant.name == name)
    }

    /// Many exchanges with the floor over one connection, on the first processor.
    pub(super) fn ping(&self, count: &str) -> Command {
        let mut command = Command::new("taskset");
        command.args(["-c", "0"]).arg(self.path("floor")).args(["ping", &self.text("floor.sock"), count]);
        command
    }

    fn own(&mut self) {
        let agent = self.home.agent_pid();
        let client = seqera_tests::binaries().client.clone();
        self.add(OWN, &client, &["token", "--profile", "default"], &[], agent);
    }

    fn floor(&mut self) {
        let program = self.path("floor");
        let source = workspace().join("tests/bench/floor.c");
        let built = Command::new("cc").args(["-O2", "-static", "-o"]).arg(&program).arg(source).status();
        assert!(
            built.is_ok_and(|status| status.success()),
            "the floor does not compile: is a C compiler here?"
        );
        let (pid, socket) = self.serve_floor(&program);
        self.add(FLOOR, &program, &["ask", &socket], &[], Some(pid));
    }

    /// Starts the floor's server anew: what the last herd has left in its queue would count for the next.
    pub(super) fn restart_floor(&mut self) {
        let Some(index) = self.contestants.iter().position(|one| one.name == FLOOR) else { return };
        let old = self.contestants[index].agent;
        if let Some(at) = self.children.iter().position(|child| Some(child.id()) == old) {
            let mut child = self.children.remove(at);
            let _ = child.kill();
            let _ = child.wait();
        }
        let program = self.path("floor");
        self.contestants[index].agent = Some(self.serve_floor(&program).0);
    }

    fn serve_floor(&mut self, program: &Path) -> (u32, String) {
        let socket = self.text("floor.sock");
        let _ = std::fs::remove_file(&socket);
        let mut server = Command::new(program);
        let mut server =
            server.args(["serve", &socket]).stdout(Stdio::piped()).spawn().expect("the floor runs");
        let mut line = String::new();
        let output = server.stdout.take().expect("its output is a pipe");
        BufReader::new(output).read_line(&mut line).expect("it says that it is ready");
        let pid = server.id();
        self.children.push(server);
        (pid, socket)
    }

    fn ssh(&mut self) {
        if !present(&["ssh-agent", "ssh-add", "ssh-keygen"], "openssh-client") {
            return;
        }
        let (socket, key) = (self.text("ssh.sock"), self.text("key"));
        let agent = Command::new("ssh-agent").args(["-D", "-a", &socket]).stdout(Stdio::null()).spawn();
        let agent = agent.expect("ssh-agent runs");
        let pid = agent.id();
        self.children.push(agent);
        wait_for(&socket);
        done(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &key]));
        done(Command::new("ssh-add").args(["-q", &key]).env("SSH_AUTH_SOCK", &socket));
        self.add(SSH, Path::new("ssh-add"), &["-l"], &[("SSH_AUTH_SOCK", &socket)], Some(pid));
    }

    fn gpg(&mut self) {
        if !present(&["gpg-agent", "gpg-connect-agent", "gpgconf"], "gnupg") {
            return;
        }
        let folder = self.private("gnupg");
        let environment = [("GNUPGHOME", folder.as_str())];
        let ask = ["--no-autostart", "NOP", "/bye"];
        done(Command::new("gpg-agent").args(["--quiet", "--daemon"]).env("GNUPGHOME", &folder));
        let mut pid = Command::new("gpg-connect-agent");
        pid.args(["--no-autostart", "getinfo pid", "/bye"]).env("GNUPGHOME", &folder);
        let pid = output(&mut pid)
            .and_then(|text| text.lines().find_map(|line| line.strip_prefix("D ")?.parse().ok()));
        self.add("gpg-connect-agent NOP", Path::new("gpg-connect-agent"), &ask, &environment, pid);
        let mut end = Command::new("gpgconf");
        end.args(["--kill", "gpg-agent"]).env("GNUPGHOME", &folder);
        self.endings.push(end);
    }

    /// oidc-agent does nearly what this project does: it keeps a refresh token and hands out access tokens.
    fn oidc(&mut self) {
        if !present(&["oidc-agent", "oidc-gen", "oidc-token"], "oidc-agent-cli") {
            return;
        }
        let (folder, socket, issuer) = (self.private("oidc"), self.text("oidc.sock"), issuer::serve());
        let environment = [("HOME", folder.as_str()), ("OIDC_CONFIG_DIR", &folder), ("OIDC_SOCK", &socket)];
        let mut agent = Command::new("oidc-agent");
        agent.args(["--console", "--quiet", "-a", &socket]).stdout(Stdio::null()).stderr(Stdio::null());
        let agent = agent.env_clear().envs(environment).spawn().expect("oidc-agent runs");
        let parent = agent.id();
        self.children.push(agent);
        wait_for(&socket);
        let mut account = Command::new("oidc-gen");
        account.args(["bench", "--manual", "--iss", &issuer, "--client-id", "c", "--client-secret", "s"]);
        account.args(["--scope", "openid offline_access", "--redirect-uri", "http://localhost:4242"]);
        account.args(["--rt-env", "--pw-env", "--no-save", "--confirm-default", "--prompt", "none"]);
        account.args(["--no-scheme", "--no-url-call"]).stdin(Stdio::null());
        let secrets = [("OIDC_REFRESH_TOKEN", "r"), ("OIDC_ENCRYPTION_PW", "p"), ("PATH", "/usr/bin:/bin")];
        done(account.env_clear().envs(environment).envs(secrets));
        // The process that was started passes on what its child answers; that one has the token.
        let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
        let pid = children.ok().and_then(|text| text.split_whitespace().next()?.parse().ok());
        self.add(OIDC, Path::new("oidc-token"), &["bench"], &environment, pid.or(Some(parent)));
    }

    fn git(&mut self) {
        if !present(&["git"], "git") {
            return;
        }
        let folder = self.private("git");
        let socket = format!("--socket={folder}/cache.sock");
        let script = format!(
            "printf 'protocol=https\\nhost=h.test\\nusername=u\\npassword=p\\n\\n' | \
                              git credential-cache {socket} --timeout 86400 store"
        );
        done(Command::new("/bin/sh").args(["-c", &script]).env("HOME", &folder));
        let ask = format!("printf 'protocol=https\\nhost=h.test\\n\\n' | git credential-cache {socket} get");
        self.add("git credential-cache get", Path::new("/bin/sh"), &["-c", &ask], &[("HOME", &folder)], None);
        let mut end = Command::new("git");
        end.args(["credential-cache", &socket, "exit"]).env("HOME", &folder);
        self.endings.push(end);
    }

    fn add(
        &mut self,
        name: &'static str,
        program: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
        agent: Option<u32>,
    ) {
        let own = self.home.environment().iter();
        let text = |word: &std::ffi::OsString| word.to_string_lossy().into_owned();
        let mut all: Vec<_> = own.map(|(name, value)| (text(name), text(value))).collect();
        all.extend(environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let arguments = arguments.iter().map(|word| (*word).to_owned()).collect();
        let program = program.to_owned();
        self.contestants.push(Contestant { name, program, arguments, environment: all, agent });
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.root().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// A new folder for nobody else.
    fn private(&self, name: &str) -> String {
        use std::os::unix::fs::DirBuilderExt;
        let path = self.path(name);
        std::fs::DirBuilder::new().mode(0o700).create(&path).expect("a new folder");
        path.display().to_string()
    }
}

impl Drop for Field {
    fn drop(&mut self) {
        for mut ending in self.endings.drain(..) {
            let _ = ending.stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
        for mut child in self.children.drain(..) {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = self.home.seqera("agent stop --force").run();
    }
}

fn present(programs: &[&str], package: &str) -> bool {
    let missing = programs.iter().find(|program| !on_path(program));
    if let Some(program) = missing {
        println!("      not measured: {program} is missing; on Debian: apt-get install {package}");
    }
    missing.is_none()
}

fn done(command: &mut Command) {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(status.is_ok_and(|status| status.success()), "{command:?} fails");
}

fn wait_for(socket: &str) {
    let there = || Path::new(socket).exists().then_some(());
    seqera_tests::eventually(std::time::Duration::from_secs(10), socket, there);
}
