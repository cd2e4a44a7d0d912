//! The system's journal, by its own protocol (systemd, "Native Journal Protocol"): one datagram an event, a line for
//! each field.

use std::io::{self, Write};
#[cfg(unix)]
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// The socket of the journal.
pub(super) const JOURNAL: &str = "/run/systemd/journal/socket";

/// What `journalctl -t` finds.
const IDENTIFIER: &str = "seqera-agent";

/// An open way to the journal. An event that it does not take at once is lost: the agent waits for no log.
#[cfg(unix)]
pub(super) struct Journal(UnixDatagram);

#[cfg(unix)]
impl Journal {
    /// # Errors
    /// What the system says: there is no journal here.
    pub(super) fn open(socket: &Path) -> io::Result<Self> {
        let journal = UnixDatagram::unbound()?;
        journal.connect(socket)?;
        journal.set_nonblocking(true)?;
        Ok(Self(journal))
    }

    fn send(&self, entry: &[u8]) {
        let _ = self.0.send(entry);
    }
}

/// There is no journal on this system.
#[cfg(windows)]
pub(super) struct Journal;

#[cfg(windows)]
impl Journal {
    /// # Errors
    /// Always.
    pub(super) fn open(_: &Path) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn send(&self, _: &[u8]) {}
}

/// Sends what is written at once, which is one event.
pub(super) struct Entry<'j> {
    journal: &'j Journal,
    priority: u8,
}

impl<'j> MakeWriter<'j> for Journal {
    type Writer = Entry<'j>;

    fn make_writer(&'j self) -> Self::Writer {
        Entry { journal: self, priority: priority(Level::INFO) }
    }

    fn make_writer_for(&'j self, event: &Metadata<'_>) -> Self::Writer {
        Entry { journal: self, priority: priority(*event.level()) }
    }
}

/// syslog(3)'s numbers.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

impl Write for Entry<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut entry =
            format!("PRIORITY={}\nSYSLOG_IDENTIFIER={IDENTIFIER}\nMESSAGE=", self.priority).into_bytes();
        // A line feed would end the field, and what follows it would count as another one.
        entry.extend(line.iter().filter(|byte| **byte != b'\n'));
        entry.push(b'\n');
        self.journal.send(&entry);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_datagram_and_no_field_can_be_forged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let listener = UnixDatagram::bind(&path).unwrap();
        let journal = Journal::open(&path).unwrap();
        journal.make_writer().write_all(b"serving\nPRIORITY=0\n").unwrap();
        let mut entry = [0; 256];
        let length = listener.recv(&mut entry).unwrap();
        let text = String::from_utf8_lossy(&entry[..length]).into_owned();
        assert_eq!(text, "PRIORITY=6\nSYSLOG_IDENTIFIER=seqera-agent\nMESSAGE=servingPRIORITY=0\n");
    }

    #[test]
    fn a_journal_that_reads_nothing_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let _listener = UnixDatagram::bind(&path).unwrap();
        let journal = Journal::open(&path).unwrap();
        for _ in 0..10_000 {
            journal.make_writer().write_all(&[b'x'; 4096]).unwrap();
        }
        assert!(Journal::open(&folder.path().join("none")).is_err());
    }
}
