//! This process among others, on Linux, macOS and the BSDs.

use std::io::{self, Write};
use std::os::fd::{BorrowedFd, RawFd};
#[cfg(not(target_os = "macos"))]
use std::os::fd::{FromRawFd, OwnedFd};

#[cfg(not(target_os = "macos"))]
use rustix::io::fcntl_getfd;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[cfg(target_os = "macos")]
mod launchd;
#[cfg(target_os = "macos")]
pub(crate) use launchd::handed_over_socket;

/// Lists the open descriptors of the process that looks.
const OPEN_DESCRIPTORS: &str = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };

/// Descriptors 0 to 2 are the standard streams.
const FIRST_AFTER_STREAMS: RawFd = 3;

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

/// Raises the soft limit of open descriptors to the hard one; what then is in force.
pub(crate) fn raise_descriptor_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // macOS refuses "unlimited"; the soft limit then stays.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
    let current = getrlimit(Resource::Nofile).current;
    current.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// What this host calls itself; for people.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The namespace in which this process' number counts; empty where the system has no such thing.
pub(crate) fn pid_namespace() -> String {
    let name = std::fs::read_link("/proc/self/ns/pid");
    name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Ends this process as a crash would: nothing is flushed, dropped or released.
pub(crate) fn kill_self() {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
}
