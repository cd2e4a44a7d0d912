//! The log: to a file of this user alone, rotated by size, or to standard error for the journal and for a
//! terminal. Secrets never reach it: tokens have no text form, and libraries, which log what passes
//! through them, are heard from warnings on only.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::process::config::{Log, LogTarget};
use crate::storage::folder::{self, FolderError};

/// Weeks of an agent in daily use, and small enough to send to somebody.
const LARGEST: u64 = 5 * 1024 * 1024;
/// Old logs that are kept: `.1` is the newer one.
const KEPT: u32 = 2;

/// Starts the log. A file that cannot be written is a problem for the user to see, and not a reason to
/// stop: the log then goes to standard error.
pub(crate) fn start(log: &Log) -> Option<String> {
    let (file, problem) = match &log.target.value {
        LogTarget::Stderr => (None, None),
        LogTarget::File(path) => match Rotated::open(path, LARGEST) {
            Ok(file) => (Some(file), None),
            Err(error) => (None, Some(format!("{}: no log is written: {error}", path.display()))),
        },
    };
    let filter = filter(log.level.value);
    // A subscriber that is there already (in tests) stays.
    let _ = match file {
        Some(file) => tracing_subscriber::registry().with(filter).with(layer(Mutex::new(file))).try_init(),
        None => tracing_subscriber::registry().with(filter).with(layer(io::stderr)).try_init(),
    };
    log_panics();
    problem
}

fn layer<S, W>(writer: W) -> impl tracing_subscriber::Layer<S>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    tracing_subscriber::fmt::layer().with_ansi(false).with_target(false).with_writer(writer)
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

/// A log file that makes way for a new one when it is full.
struct Rotated {
    file: File,
    path: PathBuf,
    size: u64,
    largest: u64,
}

impl Rotated {
    fn open(path: &Path, largest: u64) -> io::Result<Self> {
        if let Some(dir) = path.parent().filter(|dir| !dir.exists()) {
            folder::private(dir, true).map_err(|error| match error {
                FolderError::Failed { error, .. } => error,
                FolderError::Unsafe { .. } => io::Error::other(error.to_string()),
            })?;
        }
        if path.metadata().is_ok_and(|meta| meta.len() >= largest) {
            shift(path);
        }
        let file = append(path)?;
        Ok(Self { size: file.metadata()?.len(), file, path: path.to_owned(), largest })
    }

    /// Goes on in the full file where no new one can be made.
    fn make_room(&mut self) {
        shift(&self.path);
        if let Ok(file) = append(&self.path) {
            self.file = file;
        }
        self.size = 0;
    }
}

impl Write for Rotated {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.size >= self.largest {
            self.make_room();
        }
        let written = self.file.write(line)?;
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// `log` → `log.1` → `log.2`; the oldest is lost. Failures leave the larger file in place.
fn shift(path: &Path) {
    let old = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    for number in (1..KEPT).rev() {
        let _ = std::fs::rename(old(number), old(number + 1));
    }
    let _ = std::fs::rename(path, old(1));
}

/// Opens for this user alone, from the first byte.
fn append(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
        let file = options.mode(0o600).open(path)?;
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        Ok(file)
    }
    #[cfg(windows)]
    options.open(path)
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
        std::fs::write(&path, "full\n").unwrap();
        Rotated::open(&path, 4).unwrap();
        assert_eq!(written(&path), "");
        assert_eq!(written(&dir.path().join("agent.log.1")), "full\n");
    }

    #[cfg(unix)]
    #[test]
    fn only_its_user_can_read_the_log() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.log");
        std::fs::write(&path, "old and open to all\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        Rotated::open(&path, LARGEST).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
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
