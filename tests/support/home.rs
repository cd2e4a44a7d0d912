//! A sealed home: its own folders, an environment with nothing else in it, and programs that run in it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::process::{Invocation, Run, Running};
use crate::reaper::Reaper;
use crate::sandbox::Sandbox;
use crate::wait::within;
use crate::{binaries, browser, eventually};

/// How long an agent may take to start or stop on a busy machine.
const AGENT_LIMIT: Duration = Duration::from_secs(30);

/// A user's home. Everything that was started in it ends with it.
#[derive(Debug)]
pub struct Home {
    root: PathBuf,
    env: BTreeMap<OsString, OsString>,
    // Last, so that the folder is removed after everything else is gone.
    reaper: Reaper,
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}

impl Home {
    /// A new, empty home.
    ///
    /// # Panics
    ///
    /// If its folders cannot be made, or the programs do not build.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // First, so that a failed build leaves no folder behind.
        let programs = binaries();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        // A short name, because a socket path has at most 108 bytes.
        let root = std::env::temp_dir().join(format!("seqera-{}-{number}", std::process::id()));
        let mut folder = DirBuilder::new();
        folder.mode(0o700);
        for path in [root.clone(), root.join("home"), root.join("run"), root.join("state")] {
            folder.create(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        let reaper = Reaper::new(&root, &programs.agent);
        let mut home = Self { root, env: BTreeMap::new(), reaper };
        for (name, folder) in [("HOME", "home"), ("XDG_RUNTIME_DIR", "run"), ("XDG_STATE_HOME", "state")] {
            home.set(name, home.root.join(folder));
        }
        // The client finds its agent in its own folder, which is also on PATH for the programs that it runs.
        let own = programs.client.parent().expect("a program lies in a folder");
        home.set(
            "PATH",
            std::env::join_paths([own, "/usr/bin".as_ref(), "/bin".as_ref()]).expect("no colons"),
        );
        home.set("TZ", "UTC");
        home
    }

    /// Sets a variable for everything that is started here from now on.
    pub fn set(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.env.insert(name.into(), value.into());
    }

    /// The same, for method chains.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.set(name, value.as_ref());
        self
    }

    /// Registers a process that lives as long as this home.
    pub(crate) fn adopt(&mut self, pid: u32) {
        self.reaper.adopt(pid);
    }

    /// The folder that contains the home, the runtime folder and the state.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The environment of everything that is started here.
    pub fn environment(&self) -> &BTreeMap<OsString, OsString> {
        &self.env
    }

    /// The configuration folder.
    pub fn config_dir(&self) -> PathBuf {
        let chosen = self.env.get(OsStr::new("SEQERA_CLI_CONFIG_DIR")).map(PathBuf::from);
        chosen.unwrap_or_else(|| self.root.join("home/.config/seqera-ai"))
    }

    /// The folder of the default socket.
    pub fn socket_dir(&self) -> PathBuf {
        self.root.join("run/seqera")
    }

    /// The agent's log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.root.join("state/seqera/agent.log")).unwrap_or_default()
    }

    /// Writes a file in the configuration folder, as a person would.
    pub fn write_config(&self, name: &str, text: &str) -> PathBuf {
        let path = self.config_dir().join(name);
        let folder = path.parent().expect("a file lies in a folder");
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.and_then(|()| std::fs::write(&path, text)).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        path
    }

    /// Any program in this home.
    pub fn program(&self, program: impl AsRef<OsStr>) -> Invocation {
        let mut command = Command::new(program);
        command.env_clear().envs(&self.env).current_dir(&self.root);
        Invocation::new(command)
    }

    /// A shell script in this home, with `seqera` on its path.
    pub fn shell(&self, script: &str) -> Invocation {
        self.program("/bin/sh").args(["-c", script])
    }

    /// `seqera` with these arguments, separated by spaces.
    pub fn seqera(&self, args: &str) -> Invocation {
        self.program(&binaries().client).args(args.split_whitespace())
    }

    /// Starts the agent as a child of this process and waits until it serves.
    #[track_caller]
    pub fn start_agent(&self) -> Running {
        self.start_agent_with(&[])
    }

    /// The same, with more variables, which only the agent sees.
    #[track_caller]
    pub fn start_agent_with(&self, env: &[(&str, &str)]) -> Running {
        let invocation = self.program(&binaries().agent);
        self.serving(env.iter().fold(invocation, |all, (name, value)| all.env(name, value)))
    }

    /// The same, with memory that the process which started it may read.
    #[track_caller]
    pub fn start_dumpable_agent(&self) -> Running {
        self.serving(self.program(&binaries().agent).args(["--dumpable"]))
    }

    #[track_caller]
    fn serving(&self, agent: Invocation) -> Running {
        let mut agent = agent.start();
        let serves = within(AGENT_LIMIT, || {
            let serves = self.agent_pid() == Some(agent.pid());
            (serves || !agent.is_running()).then_some(serves)
        });
        assert_eq!(serves, Some(true), "the agent does not serve:\n{}{}", agent.stderr(), self.log());
        agent
    }

    /// The process id of the agent that serves this home. Does not start one.
    pub fn agent_pid(&self) -> Option<u32> {
        let run = self.seqera("agent status -o json").run();
        let status: Value = serde_json::from_str(&run.stdout).ok()?;
        status["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok())
    }

    /// Stops the agent as a person would, and waits until it is gone.
    #[track_caller]
    pub fn stop_agent(&self, pid: u32) {
        self.seqera("agent stop --force").run().ok();
        eventually(AGENT_LIMIT, "the end of the agent", || (!crate::reaper::is_alive(pid)).then_some(()));
    }

    /// Signs `user` in at the sandbox: the client prints the URL, and the test acts as the browser.
    #[track_caller]
    pub fn login(&self, profile: &str, sandbox: &Sandbox, user: &str) -> Run {
        self.login_at(profile, &sandbox.authority, user)
    }

    /// The same at any provider that lets its test users in.
    #[track_caller]
    pub fn login_at(&self, profile: &str, authority: &str, user: &str) -> Run {
        self.login_by(profile, authority, |url| drop(browser::sign_in(url, user))).ok()
    }

    /// A login for which `person` acts as the browser. `person` gets the authorization URL.
    #[track_caller]
    pub fn login_by(&self, profile: &str, authority: &str, person: impl FnOnce(&str)) -> Run {
        let args = format!("login --no-browser --profile {profile} --authority {authority}");
        let mut login = self.seqera(&args).start();
        let url = login.until("authorization URL", browser::authorization_url);
        person(&url);
        login.finish(AGENT_LIMIT)
    }

    /// A login on another device, where `person` acts. `person` gets the URL that contains the code.
    #[track_caller]
    pub fn login_on_another_device(&self, profile: &str, authority: &str, person: impl FnOnce(&str)) -> Run {
        let args = format!("login --device -o json --profile {profile} --authority {authority}");
        let mut login = self.seqera(&args).start();
        let code: Value = login.until("device code", |output| {
            let lines = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.into_iter().find(|line| line["event"] == "device_code")
        });
        person(code["verification_uri_complete"].as_str().expect("an address with the code"));
        login.finish(AGENT_LIMIT)
    }

    /// The access token of a profile, from the agent.
    #[track_caller]
    pub fn token(&self, profile: &str) -> String {
        self.seqera(&format!("token --profile {profile}")).run().ok().line().to_owned()
    }

    /// `seqera status -o json` of a profile.
    #[track_caller]
    pub fn status(&self, profile: &str) -> Value {
        self.seqera(&format!("status --profile {profile} -o json")).run().json()
    }
}
