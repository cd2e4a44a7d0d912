//! The only writer of `sessions.json` and `leases.jsonl`, which the agent relies on, and of `auth-state.json`, its
//! summary.
//!
//! A change is visible in memory at once and answered when it is on the disk. Changes that come while a write
//! runs share the next write, which writes what has changed. A change whose write failed stays in memory, because
//! undoing it could undo newer changes too, and the next write includes it. So an error means "not durable", not
//! "not done".

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use seqera_agent_proto::place::Places;

use crate::lock::lock;
use crate::profile::ProfileName;
use crate::storage::journal::{self, Journal};
use crate::storage::lane::Lane;
use crate::storage::other_hosts::{self, Elsewhere};
use crate::storage::record::{Adopting, Record, Sessions, read};
use crate::storage::{durable, folder, summary};

/// Long enough for two syncs on a busy disk. A network file system that is gone takes longer than any limit.
const LIMIT: Duration = Duration::from_secs(10);

/// Why a change is not durable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StateError {
    /// `sessions.json` cannot be read, so it is not overwritten, and nothing was changed.
    #[error("{0}")]
    Corrupt(String),
    /// A file could not be written.
    #[error("{0}")]
    Failed(String),
    /// This user may not write to the folder, so a later attempt will not succeed either.
    #[error("{0}")]
    ReadOnly(String),
    /// The file system does not answer.
    #[error("the configuration folder does not answer")]
    Slow,
}

/// The state of this host's sessions. Clones share it.
#[derive(Clone)]
pub(crate) struct State {
    files: Arc<Files>,
    lane: Arc<Lane>,
}

struct Files {
    folder: PathBuf,
    run_folder: PathBuf,
    host: String,
    places: Places,
    /// Who was signed in on other hosts over the same home folder when this agent started, the latest first.
    elsewhere: Vec<Elsewhere>,
    sessions: ArcSwap<Sessions>,
    /// Number of the newest change. The lock also makes changes one at a time.
    changes: Mutex<u64>,
    /// What has been written. Locked while files are written, so only the lane's thread may lock it.
    written: Mutex<Written>,
    /// The newest change that a write has covered, and the result of that write.
    outcome: Mutex<(u64, Result<(), StateError>)>,
    /// Held by the change that writes, for all that wait for their turn.
    turn: tokio::sync::Mutex<()>,
    /// Why the last write failed, if it did.
    failure: Mutex<Option<String>>,
    /// Why `sessions.json` must not be overwritten.
    unreadable: Mutex<Option<String>>,
    /// Why `leases.jsonl` must not be. Sessions go on without it.
    unreadable_leases: Mutex<Option<String>>,
    /// What is wrong with `auth-state.json`.
    summary_problem: Mutex<Option<String>>,
}

struct Written {
    /// The newest change that the last write covered.
    change: u64,
    result: Result<(), StateError>,
    /// The content of `sessions.json`; `None` before the first write.
    sessions: Option<Arc<Sessions>>,
    journal: Journal,
    #[cfg(test)]
    count: usize,
}

impl State {
    /// Reads the files. Never fails: a file that cannot be read is left alone and listed in
    /// [`problems`](State::problems).
    pub(crate) fn open(places: &Places) -> Self {
        Self::over(places, Lane::new("state"))
    }

    /// Like [`State::open`], for tests under a paused clock.
    #[cfg(test)]
    pub(crate) fn open_inline(places: &Places) -> Self {
        Self::over(places, Lane::inline("state"))
    }

    fn over(places: &Places, lane: Lane) -> Self {
        let run_folder = places.run_dir();
        let found = Found::read(&run_folder);
        let sessions = adopted(found.sessions.clone().after_restart(), places);
        let kept_under = sessions.kept_under.clone().unwrap_or_default();
        let files = Files {
            places: places.clone(),
            folder: places.config_dir.clone(),
            run_folder,
            host: places.host_id.clone(),
            elsewhere: other_hosts::sessions(places, &kept_under),
            sessions: ArcSwap::from_pointee(sessions),
            changes: Mutex::new(0),
            written: Mutex::new(Written {
                change: 0,
                result: Ok(()),
                sessions: None,
                journal: found.journal(&places.run_dir(), &places.host_id),
                #[cfg(test)]
                count: 0,
            }),
            outcome: Mutex::new((0, Ok(()))),
            turn: tokio::sync::Mutex::default(),
            failure: Mutex::new(None),
            unreadable: Mutex::new(found.unreadable),
            unreadable_leases: Mutex::new(found.unreadable_leases),
            summary_problem: Mutex::new(None),
        };
        Self { files: Arc::new(files), lane: Arc::new(lane) }
    }

    /// All sessions as they are in memory now. Never waits.
    pub(crate) fn snapshot(&self) -> Arc<Sessions> {
        self.files.sessions.load_full()
    }

    /// The record of one profile.
    pub(crate) fn record(&self, profile: &ProfileName) -> Option<Arc<Record>> {
        self.files.sessions.load().profiles.get(profile).cloned()
    }

    /// The id of this host in the names of stored secrets and in leases: that of the folder, or an earlier one.
    pub(crate) fn host(&self) -> String {
        self.snapshot().kept_under.clone().unwrap_or_else(|| self.files.host.clone())
    }

    /// The sessions of other hosts that share the home folder, as found at the start, the latest first.
    pub(crate) fn elsewhere(&self) -> &[Elsewhere] {
        &self.files.elsewhere
    }

    /// The session of this profile on another host that shares the home folder.
    pub(crate) fn other_host(&self, profile: &ProfileName) -> Option<&Elsewhere> {
        self.files.elsewhere.iter().find(|session| session.profile == *profile)
    }

    /// The sessions of other hosts as they are now.
    ///
    /// # Errors
    /// The file system does not answer.
    pub(crate) async fn look_elsewhere(&self) -> Result<Vec<Elsewhere>, StateError> {
        let (places, host) = (self.files.places.clone(), self.host());
        let look = move || other_hosts::sessions(&places, &host);
        self.lane.run(LIMIT, look).await.map_err(|_| StateError::Slow)
    }

    /// Takes a session over from another host, whose right to be the agent the caller holds: from its records into
    /// ours. A crash in between is made good at the next start. The secret is here already, as `record` says.
    ///
    /// # Errors
    /// Why it could not be done. Unless it is only our record that could not be written, the other host has its
    /// session still.
    pub(crate) async fn adopt(
        &self,
        from: &str,
        profile: &ProfileName,
        record: Record,
        crash: fn(&'static str),
    ) -> Result<(), StateError> {
        let record = Box::new(record);
        let adopting = Adopting { from: from.to_owned(), profile: profile.clone(), record };
        let note = adopting.clone();
        self.change(|sessions| sessions.adopting = Some(note)).await?;
        crash("adoption-noted");
        let (places, host, name) = (self.files.places.clone(), from.to_owned(), profile.clone());
        let take = move || other_hosts::take(&places, &host, &name);
        let taken = self.lane.run(LIMIT, take).await.map_err(|_| StateError::Slow)?;
        if let Err(error) = taken {
            let _ = self.change(|sessions| sessions.adopting = None).await;
            return Err(StateError::Failed(format!("the records of the other host: {error}")));
        }
        crash("adoption-taken");
        self.change(|sessions| sessions.install_adopted(adopting)).await
    }

    /// Changes the record of one profile, creating it if there is none, and waits until the change is durable.
    ///
    /// # Errors
    /// [`StateError`] if the change is not durable. Only [`StateError::Corrupt`] means that nothing was changed.
    pub(crate) async fn update(
        &self,
        profile: &ProfileName,
        change: impl FnOnce(&mut Record),
    ) -> Result<(), StateError> {
        let name = profile.clone();
        self.change(|sessions| change(Arc::make_mut(sessions.profiles.entry(name).or_default()))).await
    }

    /// Sets the profile for calls that name none.
    ///
    /// # Errors
    /// The same as [`State::update`].
    pub(crate) async fn set_default(&self, profile: Option<ProfileName>) -> Result<(), StateError> {
        self.change(|sessions| sessions.default_profile = profile).await
    }

    /// Writes the changes that an earlier failure has left unwritten.
    ///
    /// # Errors
    /// [`StateError`] if they still cannot be written.
    pub(crate) async fn flush(&self) -> Result<(), StateError> {
        let files = self.files.clone();
        let write = move || {
            let mut written = lock(&files.written);
            if written.result.is_err() {
                written.change = 0;
            }
            drop(written);
            let newest = *lock(&files.changes);
            files.write(newest)
        };
        self.lane.run(LIMIT, write).await.unwrap_or(Err(StateError::Slow))
    }

    /// Renames the files that cannot be read, so that a login can go on. Returns their new paths.
    ///
    /// # Errors
    /// [`StateError::Failed`] if a file cannot be renamed, [`StateError::Slow`] if the file system does not
    /// answer.
    pub(crate) async fn set_aside(&self, now: SystemTime) -> Result<Vec<PathBuf>, StateError> {
        let files = self.files.clone();
        self.lane.run(LIMIT, move || files.set_aside(now)).await.unwrap_or(Err(StateError::Slow))
    }

    /// What is wrong with the files: one sentence for each problem, with the file, line and column if known, the
    /// reason and what to do.
    pub(crate) fn problems(&self) -> Vec<String> {
        let files = &self.files;
        let hint = "'seqera login' sets it aside";
        let unreadable = self.unreadable().into_iter().chain(lock(&files.unreadable_leases).clone());
        let unreadable = unreadable.map(|problem| format!("{problem}; {hint}"));
        let (summary, unsaved) = (lock(&files.summary_problem).clone(), lock(&files.failure).clone());
        unreadable.chain(summary).chain(unsaved).collect()
    }

    /// Why `sessions.json` cannot be read; nothing is known of the sessions then.
    pub(crate) fn unreadable(&self) -> Option<String> {
        lock(&self.files.unreadable).clone()
    }

    pub(crate) async fn change(&self, change: impl FnOnce(&mut Sessions)) -> Result<(), StateError> {
        let number = self.files.change(change)?;
        // One change at a time goes to the lane, whose queue has an end. Most of those behind it find themselves
        // written when their turn comes.
        let Ok(_turn) = tokio::time::timeout(LIMIT, self.files.turn.lock()).await else {
            return Err(StateError::Slow);
        };
        let (newest, outcome) = lock(&self.files.outcome).clone();
        if newest >= number {
            return outcome;
        }
        let files = self.files.clone();
        self.lane.run(LIMIT, move || files.write(number)).await.unwrap_or(Err(StateError::Slow))
    }
}

/// Ends an adoption that a crash has interrupted: the session is where its record is.
fn adopted(mut sessions: Sessions, places: &Places) -> Sessions {
    if let Some(adopting) =
        sessions.adopting.take().filter(|adopting| !other_hosts::still_has(places, adopting))
    {
        sessions.install_adopted(adopting);
    }
    sessions
}

impl Files {
    fn sessions_path(&self) -> PathBuf {
        self.run_folder.join("sessions.json")
    }

    fn summary_path(&self) -> PathBuf {
        self.folder.join("auth-state.json")
    }

    /// Makes the change in memory and returns its number.
    fn change(&self, change: impl FnOnce(&mut Sessions)) -> Result<u64, StateError> {
        let mut changes = lock(&self.changes);
        if let Some(problem) = &*lock(&self.unreadable) {
            return Err(StateError::Corrupt(problem.clone()));
        }
        let mut sessions = Sessions::clone(&self.sessions.load());
        change(&mut sessions);
        if let Some(problem) = &*lock(&self.unreadable_leases)
            && sessions.leases != self.sessions.load().leases
        {
            return Err(StateError::Corrupt(problem.clone()));
        }
        sessions.host_name = Some(self.places.host_name.clone()).filter(|name| !name.is_empty());
        self.sessions.store(Arc::new(sessions));
        *changes += 1;
        Ok(*changes)
    }

    /// Makes this change and all newer ones durable, unless an earlier write has done so.
    fn write(&self, change: u64) -> Result<(), StateError> {
        let mut written = lock(&self.written);
        if written.change < change {
            // The number is read before the snapshot, so the snapshot has at least the changes up to it.
            let newest = *lock(&self.changes);
            written.result = self.write_files(&self.sessions.load_full(), &mut written);
            written.change = newest;
            *lock(&self.outcome) = (newest, written.result.clone());
            *lock(&self.failure) = written.result.as_ref().err().map(ToString::to_string);
            #[cfg(test)]
            {
                written.count += 1;
            }
        }
        written.result.clone()
    }

    fn write_files(&self, sessions: &Arc<Sessions>, written: &mut Written) -> Result<(), StateError> {
        let not_written = |path: &Path, error: io::Error| {
            let what = format!("{} was not written: {error}", path.display());
            if folder::is_read_only(&error) { StateError::ReadOnly(what) } else { StateError::Failed(what) }
        };
        let (path, leases) = (self.sessions_path(), journal::path(&self.run_folder));
        self.folders().map_err(|error| not_written(&path, error))?;
        let is_readable = lock(&self.unreadable_leases).is_none();
        let moved = is_readable && {
            let (journal, all) = (&mut written.journal, &sessions.leases);
            let wrote = journal.write(all).and_then(|_| journal.take_over(all));
            wrote.map_err(|error| not_written(&leases, error))?
        };
        let is_same = |before: &Arc<Sessions>| before.is_same_without_leases(sessions);
        if written.sessions.as_ref().is_some_and(is_same) && path.exists() && !moved {
            return Ok(());
        }
        // What an older version has left there stays until the journal can take it over.
        let plain = if is_readable { sessions.without_leases() } else { Sessions::clone(sessions) };
        self.write_sessions(&path, &plain).map_err(|error| not_written(&path, error))?;
        if is_readable {
            written.journal.has_all();
        }
        written.sessions = Some(Arc::clone(sessions));
        // No decision depends on the summary, so a failure to write it is reported and stops nothing.
        let summary =
            summary::write(&self.summary_path(), &self.host, &sessions.profiles, &self.gone(sessions));
        *lock(&self.summary_problem) = summary.err();
        Ok(())
    }

    /// The names that the summary has to forget, but for those that another host may have put there.
    fn gone(&self, sessions: &Sessions) -> BTreeSet<ProfileName> {
        sessions
            .gone
            .iter()
            .filter(|name| !self.elsewhere.iter().any(|there| there.profile == **name))
            .cloned()
            .collect()
    }

    fn folders(&self) -> io::Result<()> {
        [&self.folder, &self.run_folder].into_iter().try_for_each(|folder| durable::private_folder(folder))
    }

    fn write_sessions(&self, path: &Path, sessions: &Sessions) -> io::Result<()> {
        let mut json = serde_json::to_vec_pretty(sessions)?;
        json.push(b'\n');
        durable::sweep(path, &self.host)?;
        durable::write(path, &self.host, &json)
    }

    fn set_aside(&self, now: SystemTime) -> Result<Vec<PathBuf>, StateError> {
        let aside = |path: &Path| {
            durable::set_aside(path, now)
                .map_err(|error| StateError::Failed(format!("{}: {error}", path.display())))
        };
        let mut moved = Vec::new();
        let is_unreadable = lock(&self.unreadable).is_some() || lock(&self.unreadable_leases).is_some();
        if is_unreadable {
            // They may be readable now: perhaps the file system only failed for a moment at the start.
            let found = Found::read(&self.run_folder);
            if found.unreadable.is_some() {
                moved.push(aside(&self.sessions_path())?);
            }
            if found.unreadable_leases.is_some() {
                moved.push(aside(&journal::path(&self.run_folder))?);
            }
            let found = Found::read(&self.run_folder);
            let mut written = lock(&self.written);
            (written.journal, written.sessions) = (found.journal(&self.run_folder, &self.host), None);
            (*lock(&self.unreadable), *lock(&self.unreadable_leases)) = (None, None);
            self.sessions.store(Arc::new(adopted(found.sessions, &self.places)));
        }
        let summary = self.summary_path();
        if summary::merge(&summary, &self.sessions.load().profiles, &BTreeSet::new()).is_err() {
            moved.push(aside(&summary)?);
            *lock(&self.summary_problem) = None;
        }
        Ok(moved)
    }
}

/// What is on the disk.
struct Found {
    sessions: Sessions,
    /// Why there is nothing of `sessions.json`, or of `leases.jsonl`.
    unreadable: Option<String>,
    unreadable_leases: Option<String>,
    /// The ids of the leases that an older version has left in `sessions.json`.
    older: BTreeSet<String>,
    journal: journal::Read,
}

impl Found {
    fn read(run_folder: &Path) -> Self {
        let (mut sessions, unreadable) = match read(&run_folder.join("sessions.json")) {
            Ok(sessions) => (sessions, None),
            Err(problem) => (Sessions::default(), Some(problem)),
        };
        let (older, mut leases) = (sessions.leases.keys().cloned().collect(), sessions.leases.clone());
        let (journal, unreadable_leases) = match journal::replay(&journal::path(run_folder), &mut leases) {
            Ok(found) => (found, None),
            Err(problem) => (journal::Read::default(), Some(problem)),
        };
        if unreadable_leases.is_none() {
            sessions.leases = leases;
        }
        Self { sessions, unreadable, unreadable_leases, older, journal }
    }

    fn journal(&self, run_folder: &Path, host: &str) -> Journal {
        let (path, leases) = (journal::path(run_folder), self.sessions.leases.clone());
        Journal::new(path, host.to_owned(), leases, self.older.clone(), self.journal)
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
