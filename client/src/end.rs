//! Ends an agent that does not answer. A process number alone proves nothing: the agent may be gone, and the number
//! another program's.

/// What the process is called, everywhere.
const AGENT: &str = "seqera-agent";

/// Kills the process if it is an agent. False if it is none, or cannot be killed.
#[cfg(unix)]
pub(crate) fn kill(pid: u32) -> bool {
    use rustix::process::{Pid, Signal, kill_process};
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw).filter(|_| is_agent(pid));
    process.is_some_and(|process| kill_process(process, Signal::KILL).is_ok())
}

#[cfg(not(unix))]
pub(crate) fn kill(pid: u32) -> bool {
    let mut command = std::process::Command::new(r"C:\Windows\System32\taskkill.exe");
    command.args(["/F", "/PID", &pid.to_string()]);
    is_agent(pid) && command.output().is_ok_and(|ended| ended.status.success())
}

/// Whether the process runs and is an agent. One that has ended and was not waited for is none any more.
#[cfg(target_os = "linux")]
pub(crate) fn is_agent(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let Some((start, rest)) = stat.rsplit_once(") ") else { return false };
    start.ends_with(&format!("({AGENT}")) && !rest.starts_with('Z')
}

#[cfg(all(unix, not(target_os = "linux")))]
pub(crate) fn is_agent(pid: u32) -> bool {
    let listed =
        std::process::Command::new("/bin/ps").args(["-o", "stat=,comm=", "-p", &pid.to_string()]).output();
    listed.is_ok_and(|listed| {
        let line = String::from_utf8_lossy(&listed.stdout);
        line.trim_end().ends_with(AGENT) && !line.trim_start().starts_with('Z')
    })
}

#[cfg(not(unix))]
pub(crate) fn is_agent(pid: u32) -> bool {
    let filter = format!("PID eq {pid}");
    let listed = std::process::Command::new(r"C:\Windows\System32\tasklist.exe")
        .args(["/NH", "/FI", &filter])
        .output();
    listed.is_ok_and(|listed| String::from_utf8_lossy(&listed.stdout).starts_with(AGENT))
}
