//! `leases.jsonl`, the journal of this host's leases. Each line says what a lease has become, so that a change
//! costs as much as it says, however many leases there are. The file is written anew when most of it is out of
//! date. An older version kept the leases in `sessions.json`; what it has left there counts until a line of the
//! journal says otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use seqera_agent_proto::configuration::position;
use seqera_agent_proto::files::{self, Writer};
use serde::{Deserialize, Serialize};

use crate::storage::durable;
use crate::storage::record::{LARGEST, Lease};

/// How many lines may be out of date, beside as many as there are leases.
const SLACK: usize = 128;

/// Leases by their ids.
pub(crate) type Leases = BTreeMap<String, Lease>;

/// One line: what a lease has become.
#[derive(Debug, Serialize, Deserialize)]
struct Line<L> {
    id: String,
    /// `None` once its token is gone.
    lease: Option<L>,
}

/// The path of the journal in the folder of a host.
pub(crate) fn path(run_folder: &Path) -> PathBuf {
    run_folder.join("leases.jsonl")
}

/// How a journal was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Read {
    lines: usize,
    /// Its end is missing, because a writer was interrupted. What is missing was never answered.
    is_cut: bool,
}

/// Applies the journal to `leases`. A missing file changes nothing.
///
/// # Errors
/// Why the file cannot be read or parsed; the text names the file and, for a parse error, line and column.
pub(crate) fn replay(path: &Path, leases: &mut Leases) -> Result<Read, String> {
    let journal = match files::read(path, LARGEST, Writer::Program) {
        Ok(journal) => journal,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Read::default()),
        Err(error) => return Err(files::sentence(path, &error)),
    };
    let end = journal.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let mut lines = 0;
    for line in journal[..end].split_inclusive(|byte| *byte == b'\n') {
        lines += 1;
        let Line { id, lease } = serde_json::from_slice(line).map_err(|error| {
            let place = position(&error).to_string();
            let column = place.split_once(':').map_or(&*place, |(_, rest)| rest);
            format!("{}:{lines}:{column}", path.display())
        })?;
        match lease {
            Some(lease) => drop(leases.insert(id, lease)),
            None => drop(leases.remove(&id)),
        }
    }
    Ok(Read { lines, is_cut: end < journal.len() })
}

/// The writer of the journal.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    /// Marks temporary files as this host's.
    host: String,
    /// The leases as they are on the disk.
    leases: Leases,
    /// Ids that `sessions.json` has still. The journal must not forget that they are over.
    elsewhere: BTreeSet<String>,
    /// The lines of the file.
    lines: usize,
    /// The end of the file may be damaged, or the file is missing.
    is_damaged: bool,
}

impl Journal {
    /// Continues a journal. `leases` are those on the disk, `elsewhere` the ids of those in `sessions.json`.
    pub(crate) fn new(
        path: PathBuf,
        host: String,
        leases: Leases,
        elsewhere: BTreeSet<String>,
        found: Read,
    ) -> Self {
        let is_damaged = found.is_cut || !path.exists();
        Self { path, host, leases, elsewhere, lines: found.lines, is_damaged }
    }

    /// Takes over the leases that `sessions.json` has still. Returns true if it has some.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub(crate) fn take_over(&mut self, leases: &Leases) -> io::Result<bool> {
        if self.elsewhere.is_empty() {
            return Ok(false);
        }
        self.write_whole(leases)?;
        self.leases.clone_from(leases);
        Ok(true)
    }

    /// Forgets the ids in `sessions.json`, which has none any more.
    pub(crate) fn has_all(&mut self) {
        self.elsewhere.clear();
    }

    /// Makes the leases durable. The folder must exist. Returns how many bytes that took.
    ///
    /// # Errors
    /// Any error of the file system. What was on the disk is there still, and the next write repairs the file.
    pub(crate) fn write(&mut self, leases: &Leases) -> io::Result<u64> {
        let changed = leases.iter().filter(|(id, lease)| self.leases.get(*id) != Some(lease));
        let changed: Vec<_> = changed.map(|(id, lease)| (id, Some(lease))).collect();
        let removed: Vec<_> = self.leases.iter().filter(|(id, _)| !leases.contains_key(*id)).collect();
        if changed.is_empty() && removed.is_empty() {
            return Ok(0);
        }
        // With the last lease of a profile goes what tells of its account.
        let is_last = |lease: &Lease| !leases.values().any(|left| left.profile == lease.profile);
        let is_over = removed.iter().any(|(_, lease)| is_last(lease));
        let more = changed.len() + removed.len();
        let lines = lines(changed.into_iter().chain(removed.into_iter().map(|(id, _)| (id, None))))?;
        let is_due = self.lines + more > 2 * leases.len() + SLACK;
        let wrote = if self.is_damaged || is_over || is_due {
            self.write_whole(leases)
        } else {
            self.append(&lines, more).or_else(|_| self.write_whole(leases))
        };
        self.is_damaged = wrote.is_err();
        let size = wrote?;
        self.leases.clone_from(leases);
        Ok(size)
    }

    fn append(&mut self, lines: &[u8], count: usize) -> io::Result<u64> {
        durable::append(&self.path, lines)?;
        self.lines += count;
        Ok(lines.len() as u64)
    }

    fn write_whole(&mut self, leases: &Leases) -> io::Result<u64> {
        let over = self.elsewhere.iter().filter(|id| !leases.contains_key(*id));
        let all = leases.iter().map(|(id, lease)| (id, Some(lease))).chain(over.map(|id| (id, None)));
        let all: Vec<_> = all.collect();
        let count = all.len();
        let lines = lines(all.into_iter())?;
        durable::sweep(&self.path, &self.host)?;
        if lines.is_empty() {
            durable::remove(&self.path)?;
        } else {
            durable::write(&self.path, &self.host, &lines)?;
        }
        self.lines = count;
        Ok(lines.len() as u64)
    }
}

fn lines<'a>(changes: impl Iterator<Item = (&'a String, Option<&'a Lease>)>) -> io::Result<Vec<u8>> {
    let mut lines = Vec::new();
    for (id, lease) in changes {
        serde_json::to_writer(&mut lines, &Line { id: id.clone(), lease })?;
        lines.push(b'\n');
    }
    Ok(lines)
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
