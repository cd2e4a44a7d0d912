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
/// stop: the log then goes to standard error.
pub(crate) fn start(log: &Log) -> Option<String> {
    let filter = filter(log.level.value);
    if log.target.value == LogTarget::Journal {
        let problem = to_journal(filter);
        log_panics();
        return problem;
    }
    let (file, problem) = match &log.target.value {
        LogTarget::Stderr | LogTarget::Journal => (None, None),
        LogTarget::File(path) => match Rotated::open(path, LARGEST) {
            Ok(file) => (Some(file), None),
            Err(error) => (None, Some(format!("{}; no log is written", files::sentence(path, &error)))),
        },
    };
    // A subscriber that is there already (in tests) stays.
    let _ = match file {
        Some(file) => {
            let file = Lines(Mutex::new(file));
            tracing_subscriber::registry().with(filter).with(layer(file)).try_init()
        }
        None => tracing_subscriber::registry().with(filter).with(layer(Lines(io::stderr))).try_init(),
    };
    log_panics();
    problem
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
        let mut file = append(path)?;
        let mut meta = file.metadata()?;
        if LogKind::of(&meta) == LogKind::Own && meta.len() >= largest && shift(path) {
            file = append(path)?;
            meta = file.metadata()?;
        }
        Ok(Self { size: meta.len(), file, path: path.to_owned(), largest, kind: LogKind::of(&meta) })
    }

    /// Goes on in the full file if no new one can be made.
    fn make_room(&mut self) {
        if shift(&self.path)
            && let Ok(file) = append(&self.path)
        {
            self.file = file;
        }
        self.size = 0;
    }
}

impl Write for Rotated {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.kind == LogKind::Own && self.size >= self.largest {
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

/// `log` → `log.1` → `log.2`; the oldest is lost. False if the log stays where it is: renaming failed, or would
/// have moved or replaced a file that is not the agent's.
fn shift(path: &Path) -> bool {
    let old = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    let is_own = |path: &Path| path.symlink_metadata().is_ok_and(|meta| LogKind::of(&meta) == LogKind::Own);
    let may_go = |path: &Path| is_own(path) || path.symlink_metadata().is_err();
    if !is_own(path) || !(1..=KEPT).all(|number| may_go(&old(number))) {
        return false;
    }
    for number in (1..KEPT).rev() {
        let _ = std::fs::rename(old(number), old(number + 1));
    }
    std::fs::rename(path, old(1)).is_ok()
}

/// Opens the log, or creates it for this user alone. Only names in `/dev`, such as `/dev/stderr`, may be links to
/// a file: elsewhere a link would lead the agent into a file that was not named.
fn append(path: &Path) -> io::Result<File> {
    let file = match path.symlink_metadata() {
        Ok(found) if found.is_symlink() => {
            let leads_to_file = path.metadata().is_ok_and(|found| found.is_file());
            if leads_to_file && !path.starts_with("/dev") {
                return Err(Refused::Link.into());
            }
            existing(true).open(path)?
        }
        Ok(_) => existing(false).open(path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            folder::may_create(path)?;
            return create(path);
        }
        Err(error) => return Err(error),
    };
    let found = file.metadata()?;
    if found.is_file() {
        files::check(&found, Writer::Program)?;
    }
    Ok(file)
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
mod tests {
    use super::*;

    fn written(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_full_log_makes_way_and_two_old_ones_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/agent.log");
        let mut log = Rotated::open(&path, 4).unwrap();
        for line in ["one\n", "two\n", "three\n", "four\n"] {
            log.write_all(line.as_bytes()).unwrap();
        }
        assert_eq!(written(&path), "four\n");
        assert_eq!(written(&dir.path().join("state/agent.log.1")), "three\n");
        assert_eq!(written(&dir.path().join("state/agent.log.2")), "two\n");
        assert!(!dir.path().join("state/agent.log.3").exists());
    }

    #[test]
    fn a_log_that_was_left_full_makes_way_at_the_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.log");
        create(&path).unwrap().write_all(b"full\n").unwrap();
        Rotated::open(&path, 4).unwrap();
        assert_eq!(written(&path), "");
        assert_eq!(written(&dir.path().join("agent.log.1")), "full\n");
    }

    #[test]
    fn an_event_is_one_line_whatever_others_said() {
        for (event, line) in [
            ("INFO call method=\"x\"\n", "INFO call method=\"x\"\n"),
            ("INFO said=a\n2026 ERROR forged\n", "INFO said=a\\u{a}2026 ERROR forged\n"),
            ("a\r\u{1b}[2J\u{85}\u{2028}\u{202e}b", "a\\u{d}\\u{1b}[2J\\u{85}\\u{2028}\\u{202e}b\n"),
            ("", "\n"),
        ] {
            assert_eq!(one_line(event), line, "{event:?}");
        }
        let long = one_line(&"é".repeat(900_000));
        assert!(
            long.len() < LONGEST_LINE + 50 && long.ends_with("… (1791808 bytes left out)\n"),
            "{}",
            long.len()
        );
        assert!(one_line(&"\n".repeat(1 << 20)).len() <= 50);
    }

    #[test]
    fn what_is_logged_through_the_library_arrives_as_one_line() {
        let log = std::sync::Arc::new(Mutex::new(Vec::new()));
        let writer = Lines(Shared(log.clone()));
        let subscriber = tracing_subscriber::registry().with(layer(writer));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(said = %"a\n2026-01-01 ERROR forged", debug = ?"b\u{202e}", "mess\nage");
            tracing::warn!("{}", "x".repeat(900_000));
        });
        let text = String::from_utf8(log.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.len() < 2 * LONGEST_LINE && !text.contains('\u{202e}'));
    }

    /// Keeps what is written.
    struct Shared(std::sync::Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Shared {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            Self(self.0.clone())
        }
    }

    #[cfg(unix)]
    fn mode(path: &Path) -> u32 {
        use std::os::unix::fs::PermissionsExt;
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[cfg(unix)]
    fn set_mode(path: &Path, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn only_its_user_can_read_a_log_that_the_agent_created() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.log");
        Rotated::open(&path, LARGEST).unwrap();
        assert_eq!(mode(&path), 0o600);
    }

    #[cfg(unix)]
    #[test]
    fn a_log_of_the_person_keeps_its_mode_and_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.log");
        std::fs::write(&path, "open to the group\n").unwrap();
        set_mode(&path, 0o664);
        let mut log = Rotated::open(&path, 4).unwrap();
        for line in ["one\n", "two\n"] {
            log.write_all(line.as_bytes()).unwrap();
        }
        assert_eq!((mode(&path), written(&path).as_str()), (0o664, "open to the group\none\ntwo\n"));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn an_old_log_that_is_not_the_agents_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("agent.log"), dir.path().join("agent.log.2"));
        std::fs::write(&other, "theirs").unwrap();
        set_mode(&other, 0o644);
        let mut log = Rotated::open(&path, 4).unwrap();
        for line in ["one\n", "two\n", "three\n"] {
            log.write_all(line.as_bytes()).unwrap();
        }
        assert_eq!((written(&path).as_str(), written(&other).as_str()), ("one\ntwo\nthree\n", "theirs"));
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_and_a_device_are_written_to_as_they_are() {
        use std::io::Read;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        crate::testing::odd::named_pipe(&path);
        set_mode(&path, 0o644);
        Rotated::open(&path, 4).err().expect("nobody reads the pipe, and nobody waits for that");
        let mut reader = files_for_reading(&path);
        let mut log = Rotated::open(&path, 4).unwrap();
        for line in ["one\n", "two\n"] {
            log.write_all(line.as_bytes()).unwrap();
        }
        // Far more than a pipe holds.
        for _ in 0..100 {
            log.write_all(&[b'x'; 8192]).unwrap();
        }
        let mut begin = [0; 8];
        reader.read_exact(&mut begin).unwrap();
        assert_eq!((&begin, mode(&path)), (b"one\ntwo\n", 0o644));
        let device = Path::new("/dev/null");
        let before = mode(device);
        let mut log = Rotated::open(device, 4).unwrap();
        log.write_all(b"one\ntwo\n").unwrap();
        log.write_all(b"three\n").unwrap();
        assert_eq!((log.kind, mode(device)), (LogKind::NoFile, before));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    fn files_for_reading(pipe: &Path) -> File {
        use std::os::unix::fs::OpenOptionsExt;
        File::options().read(true).custom_flags(files::WITHOUT_WAITING).open(pipe).unwrap()
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_file_is_not_followed_and_nothing_is_made_behind_a_dangling_one() {
        let dir = tempfile::tempdir().unwrap();
        let (link, target) = (dir.path().join("agent.log"), dir.path().join("target"));
        std::os::unix::fs::symlink(&target, &link).unwrap();
        Rotated::open(&link, LARGEST).err().expect("nothing is there");
        assert!(!target.exists());
        std::fs::write(&target, "theirs").unwrap();
        let error = Rotated::open(&link, LARGEST).err().expect("a link");
        assert!(error.to_string().contains("is a symbolic link"), "{error}");
        assert_eq!(written(&target), "theirs");
    }

    #[cfg(unix)]
    #[test]
    fn root_leaves_the_files_and_folders_of_others_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.log");
        std::fs::write(&path, "theirs").unwrap();
        for theirs in [path.as_path(), dir.path()] {
            if std::os::unix::fs::chown(theirs, Some(1001), None).is_err() {
                return;
            }
        }
        let said = |path: &Path| Rotated::open(path, LARGEST).err().expect("it is theirs").to_string();
        assert!(said(&path).starts_with("belongs to uid 1001"), "{}", said(&path));
        for new in ["new.log", "state/agent.log"] {
            assert!(said(&dir.path().join(new)).contains("run without sudo"));
        }
        assert_eq!(written(&path), "theirs");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn libraries_are_heard_from_warnings_on_only() {
        let all = filter(Some(Level::TRACE));
        assert!(all.would_enable("seqera_agent::worker", &Level::TRACE));
        for library in ["hyper::proto", "h2::codec", "reqwest::connect", "rustls::client"] {
            assert!(all.would_enable(library, &Level::WARN));
            assert!(!all.would_enable(library, &Level::INFO));
        }
        assert!(!filter(None).would_enable("h2::codec", &Level::ERROR));
    }
}
