//! The file at the program's path, and the start of the successor in this process, on Linux, macOS and the BSDs.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::io::{FdFlags, fcntl_setfd};
use seqera_agent_proto::programs;
pub(in crate::process) use seqera_agent_proto::programs::Held as Program;

use crate::process::config::Flags;
use crate::process::handed::{Handed, SUCCEEDS};
use crate::process::system;

/// A program prints its version in milliseconds.
const ANSWER: Duration = Duration::from_secs(5);

/// What its version begins with.
const NAME: &str = "seqera-agent ";

/// A file as it was at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(found: &Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    /// True for the same file, whatever has become of it.
    pub(super) fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// What lies at a path now. Blocks on the file system.
///
/// # Errors
/// What the file system says, `NotFound` included.
pub(super) fn stamp(path: &Path) -> io::Result<Stamp> {
    path.metadata().map(|found| Stamp::of(&found))
}

/// The path by which the program that runs was started, its owner, and the file itself, which may lie there no more.
/// `is_successor`: the program before this one has given that path.
pub(super) fn this_program(is_successor: bool) -> Option<(PathBuf, u32, Stamp)> {
    let found = system::itself().and_then(|itself| itself.metadata()).ok()?;
    let known = system::known_as(is_successor);
    let path = known.or_else(|| std::env::current_exe().ok().map(where_it_was))?;
    Some((path, found.uid(), Stamp::of(&found)))
}

/// Without the word that Linux adds to the path of a file that has gone.
fn where_it_was(path: PathBuf) -> PathBuf {
    let bytes = path.as_os_str().as_bytes();
    match bytes.strip_suffix(b" (deleted)") {
        Some(before) if cfg!(target_os = "linux") => OsStr::from_bytes(before).into(),
        _ => path,
    }
}

/// The program at this path, checked and kept as it was, or what keeps it from being started. Blocks, for seconds at
/// most.
///
/// # Errors
/// It could not be seen for now.
pub(super) fn examine(path: &Path, owner: u32) -> io::Result<Result<Program, String>> {
    let program = match Program::of(path, path.canonicalize()?, &programs::owners(Some(owner))) {
        Ok(program) => program,
        Err((path, why)) => return Ok(Err(format!("{}: {why}", path.display()))),
    };
    if program.path().metadata()?.permissions().mode() & 0o111 == 0 {
        return Ok(Err("it is not executable".to_owned()));
    }
    // A script would be started with what is read now, and not with what is read then.
    if program.is_no_binary() {
        return Ok(Err("it is not a program, or not a whole one".to_owned()));
    }
    Ok(answers(&program)?.map(|()| program))
}

/// Runs the program so far that it says what it is: a file that is only partly written, of another machine, or of a
/// version that cannot take over does not get that far.
fn answers(program: &Program) -> io::Result<Result<(), String>> {
    let handed = Handed { socket: Some(0), lock: Some(0), is_managed: false, refused: None };
    let mut command = Command::new(program.executable());
    command.args([SUCCEEDS, &handed.to_string(), "--version"]).env_clear();
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = match command.spawn() {
        Ok(child) => child,
        // Somebody is writing it, or there is no room for a process.
        Err(error) if is_for_now(&error) => return Err(error),
        Err(error) => return Ok(Err(format!("it does not start: {error}"))),
    };
    let line = child.stdout.take().map(|output| system::first_line(output, ANSWER));
    let _ = child.kill();
    let _ = child.wait();
    Ok(match line {
        Some(Ok(Some(line))) if line.starts_with(NAME) => Ok(()),
        Some(Ok(_)) => Err("it cannot take over, or is not whole".to_owned()),
        Some(Err(error)) => Err(format!("it does not say which version it is: {error}")),
        None => Err("it says nothing".to_owned()),
    })
}

fn is_for_now(error: &io::Error) -> bool {
    use io::ErrorKind::{ExecutableFileBusy, OutOfMemory, ResourceBusy, WouldBlock};
    matches!(error.kind(), ExecutableFileBusy | OutOfMemory | ResourceBusy | WouldBlock)
}

/// Makes this process one of that program, or, where that fails, of its own program once more. What is handed on stays
/// open. Returns only where both fail.
pub(in crate::process) fn start(
    program: &Program,
    flags: Flags,
    socket: Option<(OwnedFd, bool)>,
    lock: Option<OwnedFd>,
) -> io::Error {
    let open = |descriptor: &OwnedFd| {
        fcntl_setfd(descriptor, FdFlags::empty()).ok().map(|()| descriptor.as_raw_fd())
    };
    let handed = Handed {
        socket: socket.as_ref().and_then(|(socket, _)| open(socket)),
        lock: lock.as_ref().and_then(open),
        is_managed: socket.as_ref().is_some_and(|(_, is_managed)| *is_managed),
        refused: None,
    };
    let exec = |mut command: Command, handed: Handed| {
        command.args(flags.detached.then_some("--detached"));
        command.args(flags.dumpable.then_some("--dumpable"));
        command.args([SUCCEEDS, &handed.to_string()]).exec()
    };
    let mut new = Command::new(program.executable());
    new.arg0(program.given());
    let error = exec(new, handed);
    tracing::error!(%error, program = %program.path().display(), "the new program does not start; the old one goes on");
    match system::this_program() {
        Ok(mut itself) => {
            itself.arg0(program.given());
            exec(itself, Handed { refused: error.raw_os_error().or(Some(0)), ..handed })
        }
        Err(error) => error,
    }
}
