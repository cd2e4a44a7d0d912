//! This process among others, on Linux, macOS and the BSDs.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::Mode;
use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use rustix::process::{Resource, Rlimit, setrlimit};
use seqera_agent_proto::v1::Namespaces;
use seqera_agent_proto::{limits, programs, signals};

#[cfg(target_os = "macos")]
mod launchd;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
pub(crate) use launchd::handed_over_socket;

/// Lists the open descriptors of the process that looks.
const OPEN_DESCRIPTORS: &str = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };

/// Descriptors 0 to 2 are the standard streams.
const FIRST_AFTER_STREAMS: RawFd = 3;

/// Makes this process one that could have been started by anybody: no signal is blocked or ignored, soft limits
/// are raised to the hard ones, and the working folder and the mask of new files are the agent's own. What remains
/// of whoever started it comes back, in words for the person. To be called before there is a second thread.
pub(crate) fn start_clean() -> Vec<String> {
    signals::unblock_and_restore();
    signals::survive_full_files();
    limits::raise();
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    // "/" is never unmounted under the agent.
    let _ = rustix::process::chdir("/");
    let mut remaining = limits::narrow();
    if let Ok(nice @ 1..) = rustix::process::getpriority_process(None) {
        remaining.push(format!("it runs with nice {nice}, after every program with less"));
    }
    remaining
}

/// Takes the share of the machine that any program gets, whatever the one that starts the agent was given: priority,
/// processors, and the chance to be ended when memory runs out. Not for an agent whose service manager was told
/// what share it gets.
pub(crate) fn take_usual_share() {
    // Without privileges the priority can only be lowered further.
    let _ = rustix::process::setpriority_process(None, 0);
    #[cfg(target_os = "linux")]
    linux::take_usual_share();
}

/// Starts this program anew in its process, with these variables alone: those that it began with stay in its
/// memory for its whole life. Returns only where that fails.
///
/// # Errors
/// What the system said.
pub(crate) fn start_again_with(variables: Vec<(OsString, OsString)>) -> io::Result<()> {
    let mut arguments = std::env::args_os();
    let mut program = this_program()?;
    if let Some(name) = arguments.next() {
        program.arg0(name);
    }
    Err(program.args(arguments).env_clear().envs(variables).exec())
}

/// The first line that a child writes, without its end; `None` if it closes its output before. It takes no thread:
/// there may be none to be had.
///
/// # Errors
/// `TimedOut` after the limit.
pub(crate) fn first_line(mut output: ChildStdout, limit: Duration) -> io::Result<Option<String>> {
    const LONGEST: usize = 1024;
    let until = tokio::time::Instant::now() + limit;
    let mut text = Vec::new();
    loop {
        let left = until.saturating_duration_since(tokio::time::Instant::now());
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&output, PollFlags::IN)], Some(&timeout)) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Err(rustix::io::Errno::INTR) => continue,
            ready => ready?,
        };
        let mut more = [0; 64];
        let read = output.read(&mut more)?;
        text.extend_from_slice(&more[..read]);
        if let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            return Ok(Some(String::from_utf8_lossy(&text[..end]).into_owned()));
        }
        if read == 0 || text.len() > LONGEST {
            return Ok(None);
        }
    }
}

/// No core dumps, and no debugger of the same user reads this memory.
///
/// # Errors
/// What the system said; the agent can run without.
pub(crate) fn harden() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// The program that this process runs, to be started once more.
///
/// # Errors
/// Where the system does not say which it is.
pub(crate) fn this_program() -> io::Result<Command> {
    let itself = itself()?;
    let mut command = Command::new(&itself);
    command.arg0(known_as(false).or_else(|| std::env::current_exe().ok()).unwrap_or(itself));
    Ok(command)
}

/// On Linux the very file that runs, which was checked when it was started: its path may lead elsewhere by now.
///
/// # Errors
/// Where the system does not say which it is.
pub(crate) fn itself() -> io::Result<PathBuf> {
    let file = Path::new("/proc/self/exe");
    let is_there = cfg!(target_os = "linux") && file.exists();
    if is_there { Ok(file.to_owned()) } else { std::env::current_exe() }
}

/// The path that this program was started by, as its first argument says. It is often a link into the folder of one
/// version (Homebrew, Nix, `current` in a module tree), and leads to the next one after an upgrade. It has to lead to
/// the file that runs, and nobody else may be able to change that, since what it leads to later is run as well; unless
/// it is believed, because the program before this one in the same process has found so.
pub(crate) fn known_as(is_believed: bool) -> Option<PathBuf> {
    let named = std::env::args_os().next().map(PathBuf::from).filter(|named| named.is_absolute())?;
    if is_believed {
        return Some(named);
    }
    let found = itself().and_then(|itself| itself.metadata()).ok()?;
    let number = |found: &std::fs::Metadata| (found.dev(), found.ino());
    let is_this = named.metadata().is_ok_and(|named| number(&named) == number(&found));
    (is_this && programs::is_led_by(&programs::owners(Some(found.uid())), &named)).then_some(named)
}

/// The name in the lists of processes, which is otherwise that of the file that was executed: a descriptor has none.
pub(crate) fn take_name() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_name(c"seqera-agent");
}

/// Leaves the process session of whoever started this one, so that no terminal takes it along.
///
/// # Errors
/// Where this process leads a group already.
pub(crate) fn leave_session() -> io::Result<()> {
    rustix::process::setsid()?;
    Ok(())
}

/// Tells the launcher that the agent serves, and lets go of its pipes: a reader of the launcher's output
/// must see its end although the agent lives on.
///
/// # Errors
/// What the system said.
pub(crate) fn report_ready(word: &str) -> io::Result<()> {
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    let mut out = io::stdout().lock();
    // The launcher may be gone, which is no reason to stop.
    let _ = writeln!(out, "{word}").and_then(|()| out.flush());
    rustix::stdio::dup2_stdout(&null)?;
    Ok(())
}

/// No child of this process inherits what this process inherited beside its standard streams.
///
/// # Errors
/// Where the descriptors cannot be listed.
pub(crate) fn keep_descriptors_from_children() -> io::Result<()> {
    let open = std::fs::read_dir(OPEN_DESCRIPTORS)?;
    let numbers = open.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    for number in numbers.filter(|number: &RawFd| *number >= FIRST_AFTER_STREAMS).collect::<Vec<_>>() {
        #[expect(unsafe_code, reason = "an inherited descriptor has no owner in this program")]
        // SAFETY: only its flags are changed, within this statement. The one that listed the others has
        // been closed; for it the call answers EBADF and nothing else happens.
        let inherited = unsafe { BorrowedFd::borrow_raw(number) };
        let _ = fcntl_setfd(inherited, FdFlags::CLOEXEC);
    }
    Ok(())
}

/// The listening socket that a service manager hands over: descriptor 3 where `announced`
/// (`sd_listen_fds(3)`). To be called once.
///
/// # Errors
/// `EBADF` where it was announced and is not open.
#[cfg(not(target_os = "macos"))]
pub(crate) fn handed_over_socket(announced: bool) -> io::Result<Option<OwnedFd>> {
    if !announced {
        return Ok(None);
    }
    #[expect(unsafe_code, reason = "an inherited descriptor has no owner in this program")]
    // SAFETY: borrowed for a check that fails where it is not open.
    let inherited = unsafe { BorrowedFd::borrow_raw(FIRST_AFTER_STREAMS) };
    fcntl_getfd(inherited)?;
    fcntl_setfd(inherited, FdFlags::CLOEXEC)?;
    #[expect(unsafe_code, reason = "an inherited descriptor has no owner in this program")]
    // SAFETY: it is open, and by the protocol of LISTEN_FDS it is for this process to own; nothing has
    // opened a descriptor of this number since, because it was taken from the start.
    Ok(Some(unsafe { OwnedFd::from_raw_fd(FIRST_AFTER_STREAMS) }))
}

/// True if something is open at this number, which is none of a standard stream.
pub(crate) fn is_open_beside_streams(number: RawFd) -> bool {
    if number < FIRST_AFTER_STREAMS {
        return false;
    }
    #[expect(unsafe_code, reason = "an inherited descriptor has no owner in this program")]
    // SAFETY: borrowed for a check that fails where it is not open, and not -1.
    let found = unsafe { BorrowedFd::borrow_raw(number) };
    fcntl_getfd(found).is_ok()
}

/// A descriptor that an earlier program of this process has left open.
///
/// # Errors
/// `EBADF` where it is not open, `InvalidInput` for a standard stream.
pub(crate) fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    if number < FIRST_AFTER_STREAMS {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    #[expect(unsafe_code, reason = "an inherited descriptor has no owner in this program")]
    // SAFETY: borrowed for a check that fails where it is not open.
    let inherited = unsafe { BorrowedFd::borrow_raw(number) };
    fcntl_getfd(inherited)?;
    fcntl_setfd(inherited, FdFlags::CLOEXEC)?;
    #[expect(unsafe_code, reason = "an inherited descriptor has no owner in this program")]
    // SAFETY: it is open, and whoever started this program with its number has left it for this program to own.
    // Nothing else here has this number: what this program opens itself gets one that is free.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// What this host calls itself; for people.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Where this process is, in the system's own names; empty where the system has no such thing.
pub(crate) fn namespaces() -> Namespaces {
    Namespaces { net: namespace("net"), mnt: namespace("mnt"), pid: pid_namespace(), user: namespace("user") }
}

/// The namespace in which this process' number counts; empty where the system has no such thing.
pub(crate) fn pid_namespace() -> String {
    namespace("pid")
}

fn namespace(kind: &str) -> String {
    let name = std::fs::read_link(format!("/proc/self/ns/{kind}"));
    name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Ends this process as a crash would: nothing is flushed, dropped or released.
pub(crate) fn kill_self() {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
}
