//! Cleans up everything that lives in a sealed home.
//!
//! An agent that a client started is nobody's child, so an interrupted test or demo would leave it behind.
//! The reaper is a small process in its own process group, so that a Ctrl-C at the terminal does not reach
//! it. It reads from a pipe. When the pipe closes, for whatever reason, it kills the process ids that it was
//! given and those in the `agent.json` files in the home, and removes the home.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// `$1` is the home, `$2` the name of the agent's program, of which packages install others. A process id
/// from a file counts only if a program of that name runs under it, because the system reuses ids.
const SCRIPT: &str = r#"
while read -r pid; do pids="$pids $pid"; done
command_of() { tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null || ps -o args= -p "$1"; }
for pid in $(find "$1" -name agent.json -exec sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' {} +); do
  case "$(command_of "$pid")" in *"$2"*) pids="$pids $pid" ;; esac
done
for pid in $pids; do kill -CONT "$pid" 2>/dev/null; kill -KILL "$pid" 2>/dev/null; done
rm -rf "$1"
"#;

/// Ends everything in one home when it is dropped or when this process dies.
#[derive(Debug)]
pub(crate) struct Reaper(Child);

impl Reaper {
    /// Watches the folder `home` and the processes of `agent` that serve it.
    ///
    /// # Panics
    ///
    /// If `sh` cannot be started.
    pub(crate) fn new(home: &Path, agent: &Path) -> Self {
        let child = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "reaper"])
            .arg(home)
            .arg(agent.file_name().unwrap_or(agent.as_os_str()))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            .process_group(0)
            .spawn()
            .expect("/bin/sh can be started");
        Self(child)
    }

    /// Registers a process to kill at the end. Only for processes that live as long as the home: if an id was
    /// freed earlier, it could belong to another process by then.
    pub(crate) fn adopt(&mut self, pid: u32) {
        let pipe = self.0.stdin.as_mut().expect("the pipe stays open until the drop");
        writeln!(pipe, "{pid}").expect("the reaper reads");
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Sends a signal, such as `TERM` or `STOP`, to a process that the caller started.
///
/// # Panics
///
/// If the process does not exist.
#[track_caller]
pub fn signal(pid: u32, name: &str) {
    let status = Command::new("/bin/sh").args(["-c", &format!("kill -{name} {pid}")]).status();
    assert!(status.expect("/bin/sh can be started").success(), "no process {pid} to send SIG{name} to");
}

/// Whether a process with this id exists and is not a zombie.
pub fn is_alive(pid: u32) -> bool {
    let script = format!("kill -0 {pid} 2>/dev/null && ! grep -q '^State:.Z' /proc/{pid}/status 2>/dev/null");
    let status = Command::new("/bin/sh").args(["-c", &script]).status();
    status.expect("/bin/sh can be started").success()
}
