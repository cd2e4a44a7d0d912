//! The log: to a file of this user alone, rotated by size, or to standard error for the journal and for a
//! terminal. Secrets never reach it: tokens have no text form, and libraries, which log what passes
//! through them, are heard from warnings on only.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use seqera_agent_proto::files::{self, Refused, Writer};
use seqera_agent_proto::text::is_deceptive;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::process::config::{Log, LogTarget};
use crate::process::journal::{JOURNAL, Journal};
use crate::storage::folder;

/// Weeks of an agent in daily use, and small enough to send to somebody.
const LARGEST: u64 = 5 * 1024 * 1024;
/// Longer than any event of ours, in bytes. What others say in it has limits of its own.
const LONGEST_LINE: usize = 8 * 1024;
/// Old logs that are kept: `.1` is the newer one.
const KEPT: u32 = 2;

/// Starts the log. A file that cannot be written is a problem for the user to see, and not a reason to
/// stop: the log then goes to its ordinary place, or to standard error.
pub(crate) fn start(log: &mut Log) -> Option<String> {
    let filter = filter(log.level.value);
    let problem = match &log.target.value {
        LogTarget::Journal => to_journal(filter),
        LogTarget::Stderr => to_stderr(filter),
        LogTarget::File(path) => match opened(path, log.ordinary.as_deref()) {
            Ok((file, problem)) => {
                log.is_elsewhere = problem.is_some();
                to_file(filter, file);
                problem
            }
            Err(problem) => {
                to_stderr(filter);
                Some(problem)
            }
        },
    };
    log_panics();
    problem
}

/// The log, and what is wrong if it is not at its path: in a folder of all, others can take the name.
fn opened(path: &Path, ordinary: Option<&Path>) -> Result<(Rotated, Option<String>), String> {
    let error = match Rotated::open(path, LARGEST) {
        Ok(file) => return Ok((file, None)),
        Err(error) => error,
    };
    let what = files::sentence(path, &error);
    match ordinary.and_then(|other| Some((Rotated::open(other, LARGEST).ok()?, other))) {
        Some((file, other)) => {
            let problem = format!("{what}; the log goes to {} instead", other.display());
            Ok((file, Some(problem)))
        }
        None => Err(format!("{what}; no log is written")),
    }
}

fn to_stderr(filter: Targets) -> Option<String> {
    // A subscriber that is there already (in tests) stays.
    let _ = tracing_subscriber::registry().with(filter).with(layer(Lines(io::stderr))).try_init();
    None
}

fn to_file(filter: Targets, file: Rotated) {
    let layer = layer(Lines(Mutex::new(file)));
    let _ = tracing_subscriber::registry().with(filter).with(layer).try_init();
}

/// The journal is a place as good as a file, and as little as that a reason to stop.
fn to_journal(filter: Targets) -> Option<String> {
    match Journal::open(Path::new(JOURNAL)) {
        Ok(journal) => {
            let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_target(false).without_time();
            let layer = layer.with_level(false).with_writer(Lines(journal));
            let _ = tracing_subscriber::registry().with(filter).with(layer).try_init();
            None
        }
        Err(error) => Some(format!("{}; no log is written", files::sentence(Path::new(JOURNAL), &error))),
    }
}

fn layer<S, W>(writer: W) -> impl tracing_subscriber::Layer<S>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    tracing_subscriber::fmt::layer().with_ansi(false).with_target(false).with_writer(writer)
}

/// A log in which every event is one line, of a length that somebody can read.
struct Lines<M>(M);

impl<'w, M: MakeWriter<'w>> MakeWriter<'w> for Lines<M> {
    type Writer = OneLine<M::Writer>;

    fn make_writer(&'w self) -> Self::Writer {
        OneLine(self.0.make_writer())
    }

    fn make_writer_for(&'w self, event: &tracing::Metadata<'_>) -> Self::Writer {
        OneLine(self.0.make_writer_for(event))
    }
}

/// Takes a whole event at each write, as `tracing_subscriber` gives it.
struct OneLine<W>(W);

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.0.write_all(one_line(&String::from_utf8_lossy(event)).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The event with everything escaped that could start a further line, or show another one than there is.
fn one_line(event: &str) -> String {
    let event = event.trim_end_matches('\n');
    let mut line = String::with_capacity(event.len().min(LONGEST_LINE) + 1);
    for (at, c) in event.char_indices() {
        match is_deceptive(c) {
            true => line.extend(c.escape_unicode()),
            false => line.push(c),
        }
        if line.len() >= LONGEST_LINE {
            line.push_str(&format!("… ({} bytes left out)", event.len() - at - c.len_utf8()));
            break;
        }
    }
    line.push('\n');
    line
}

/// Libraries below the agent print requests, headers and bodies at their lower levels.
fn filter(level: Option<Level>) -> Targets {
    let ours = level.map_or(LevelFilter::OFF, LevelFilter::from_level);
    Targets::new().with_default(ours.min(LevelFilter::WARN)).with_target("seqera_agent", ours)
}

/// A panic is logged with its place. Its text only where it was written as it is in the program: a
/// formatted one can contain anything.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let text = panic.payload().downcast_ref::<&str>().copied().unwrap_or("(formatted text left out)");
        tracing::error!(place, text, "panic");
    }));
}

/// A log file that makes way for a new one when it is full. What the agent did not create is written to as it is:
/// a device, a pipe, or a file that the person keeps for it.
struct Rotated {
    file: File,
    path: PathBuf,
    size: u64,
    largest: u64,
    kind: LogKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LogKind {
    /// The agent created it, and may rename it.
    Own,
    /// The person's file.
    Theirs,
    /// A device or a pipe.
    NoFile,
}

impl LogKind {
    fn of(meta: &Metadata) -> Self {
        match meta.is_file() {
            true if is_as_created(meta) => Self::Own,
            true => Self::Theirs,
            false => Self::NoFile,
        }
    }
}

impl Rotated {
    fn open(path: &Path, largest: u64) -> io::Result<Self> {
        if let Some(dir) = path.parent().filter(|dir| !dir.exists()) {
            folder::private(dir, true)?;
        }
        let file = append(path)?;
        let meta = file.metadata()?;
        let mut log =
            Self { size: meta.len(), file, path: path.to_owned(), largest, kind: LogKind::of(&meta) };
        if log.is_full() {
            log.make_room();
        }
        Ok(log)
    }

    fn is_full(&self) -> bool {
        self.kind == LogKind::Own && self.size >= self.largest
    }

    /// Goes on in the full file if no new one can be made.
    fn make_room(&mut self) {
        if let Some(file) = shift(&self.path) {
            self.file = file;
        }
        self.size = 0;
    }
}

impl Write for Rotated {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.is_full() {
            self.make_room();
        }
        let written = match self.file.write(line) {
            // Whoever reads the pipe is slow. The agent does not wait for them.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(line.len()),
            written => written?,
        };
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// `log` → `log.1` → `log.2`; the oldest is lost. Returns the new log. `None` if the log stays where it is: renaming
/// failed, or would have moved or replaced a file that the person keeps there. What other users have put there, in a
/// folder of all, keeps no log from being put away: their names are passed over.
fn shift(path: &Path) -> Option<File> {
    let old: Vec<PathBuf> = (1..=KEPT).map(|number| beside(path, &number.to_string())).collect();
    let found = |path: &Path| path.symlink_metadata().ok();
    let is_others = |path: &Path| found(path).is_some_and(|found| files::check_owner(&found).is_err());
    let is_own = |path: &Path| found(path).is_some_and(|found| LogKind::of(&found) == LogKind::Own);
    let free: Vec<&PathBuf> = old.iter().filter(|old| !is_others(old)).collect();
    if !is_own(path) || !free.iter().all(|old| is_own(old) || found(old).is_none()) {
        return None;
    }
    for pair in free.windows(2).rev() {
        let _ = std::fs::rename(pair[0], pair[1]);
    }
    replaced(path, free.first().copied())
}

/// A new log in the place of one that is kept as `old`. There is no moment without a file, where that can be had: in a
/// folder of all, somebody waits for it.
#[cfg(any(target_os = "linux", target_os = "macos"))]
fn replaced(path: &Path, old: Option<&PathBuf>) -> Option<File> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    let other = beside(path, &format!("{:016x}", getrandom::u64().ok()?));
    let file = create(&other).ok()?;
    if renameat_with(CWD, &other, CWD, path, RenameFlags::EXCHANGE).is_err() {
        let _ = std::fs::remove_file(&other);
        return renamed(path, old);
    }
    let kept = old.is_some_and(|old| std::fs::rename(&other, old).is_ok());
    if !kept {
        let _ = std::fs::remove_file(&other);
    }
    Some(file)
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn replaced(path: &Path, old: Option<&PathBuf>) -> Option<File> {
    renamed(path, old)
}

fn renamed(path: &Path, old: Option<&PathBuf>) -> Option<File> {
    match old {
        Some(old) => std::fs::rename(path, old),
        None => std::fs::remove_file(path),
    }
    .ok()?;
    create(path).ok()
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(end);
    PathBuf::from(name)
}

/// Opens the log, or creates it for this user alone. Only names in `/dev`, such as `/dev/stderr`, may be links to
/// a file: elsewhere a link would lead the agent into a file that was not named. Nobody else's link or pipe is used:
/// whoever reads it would read the log.
fn append(path: &Path) -> io::Result<File> {
    let found = match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            folder::may_create(path)?;
            return create(path);
        }
        found => found?,
    };
    let is_link = found.is_symlink();
    let is_of_system = is_link
        && path.parent().is_some_and(|folder| OF_SYSTEM.contains(&folder.to_str().unwrap_or_default()));
    if is_link && !is_of_system {
        files::check_owner(&found)?;
        if path.metadata().is_ok_and(|found| found.is_file()) {
            return Err(Refused::Link.into());
        }
    }
    let file = existing(is_link).open(path)?;
    let opened = file.metadata()?;
    if opened.is_file() {
        files::check(&opened, Writer::Program)?;
    } else if !is_of_system && is_pipe(&opened) {
        files::check_owner(&opened)?;
    }
    Ok(file)
}

/// Folders in which the system alone makes links, to what a process has open.
const OF_SYSTEM: [&str; 2] = ["/dev", "/dev/fd"];

/// A device is the system's, whoever it seems to belong to in a container.
#[cfg(unix)]
fn is_pipe(meta: &Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&meta.file_type())
}

#[cfg(windows)]
fn is_pipe(_: &Metadata) -> bool {
    false
}

/// Never creates: what is behind a dangling link is not the agent's to make.
#[cfg(unix)]
fn existing(follow: bool) -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let no_link = if follow { 0 } else { rustix::fs::OFlags::NOFOLLOW.bits() as i32 };
    let mut options = File::options();
    options.append(true).custom_flags(files::WITHOUT_WAITING | no_link);
    options
}

#[cfg(windows)]
fn existing(_: bool) -> OpenOptions {
    let mut options = File::options();
    options.append(true);
    options
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.create_new(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, CREATED_MODE);
    options.open(path)
}

/// The mode of a log that the agent creates. A log with another mode was created by somebody else.
#[cfg(unix)]
const CREATED_MODE: u32 = 0o600;

#[cfg(unix)]
fn is_as_created(meta: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    let us = rustix::process::getuid().as_raw();
    meta.is_file() && meta.uid() == us && meta.mode() & 0o7777 == CREATED_MODE && meta.nlink() == 1
}

/// The access list of the folder says nothing about who created the file.
#[cfg(windows)]
fn is_as_created(meta: &Metadata) -> bool {
    meta.is_file()
}

#[cfg(test)]
mod tests;
