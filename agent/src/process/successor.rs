//! The program that follows this one. An upgrade puts another file at the path of an agent that runs; at the next quiet
//! moment the agent becomes that program, in its own process, so that a service manager, a batch job and its control
//! group see no end and no beginning. The listening socket and the lock are handed on: callers wait a moment in the
//! socket's queue, and nobody else can become the owner of the sessions meanwhile.
//!
//! What is looked at and when to hand over is decided here; `house` looks, and `run` hands over.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::process::handed::Handed;
use crate::process::instance::{FILE_LIMIT, bounded};

#[cfg(unix)]
#[path = "successor/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "successor/windows.rs"]
mod system;

pub(super) use system::Program;
#[cfg(unix)]
pub(super) use system::start;

/// No call for so long is a quiet moment. Callers in a loop come more often, and find that the next one has to read
/// the keychain first.
const QUIET: Duration = Duration::from_secs(2);
/// After so long any moment without a call will do.
const PATIENCE: Duration = Duration::from_secs(300);
/// Between two looks while something else than a call is in the way, or a program has been removed and no other one has
/// come yet.
const AGAIN: Duration = Duration::from_secs(30);
/// Between two looks while calls follow each other, or something that ends by itself is in the way.
const SOON: Duration = Duration::from_millis(500);
/// An upgrade that removes the old program first has the new one there by then.
const LOOKS_FOR_MISSING: u32 = 20;
/// To look at a program, and to run it until it says its version.
const EXAMINING: Duration = Duration::from_secs(10);

/// What the agent is in the middle of, and what would go with its memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Unfinished {
    /// Profiles whose session, or pending revocation, is in memory only.
    pub in_memory: Vec<String>,
    /// Profiles whose token is good and could not be had again now: the last renewal failed.
    pub failing: Vec<String>,
    /// Somebody is signing in.
    pub signing_in: bool,
    /// A renewal, a sign-out or another change of a session is under way.
    pub at_work: bool,
}

/// When to hand over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum When {
    Now,
    /// Not before this time, for a reason that the user should know, if there is one.
    Later(Duration, Option<String>),
}

/// `quiet_for`: since the last call ended, watchers aside; zero while one runs. `waiting`: since the program was seen.
pub(super) fn when(unfinished: &Unfinished, quiet_for: Duration, waiting: Duration) -> When {
    let Unfinished { in_memory, failing, signing_in, at_work } = unfinished;
    if !in_memory.is_empty() {
        let why = format!("what is only in memory would be lost (profile {})", in_memory.join(", "));
        return When::Later(AGAIN, Some(why));
    }
    if !failing.is_empty() {
        let why = format!("the token could not be had again now (profile {})", failing.join(", "));
        return When::Later(AGAIN, Some(why));
    }
    if *signing_in || *at_work || quiet_for.is_zero() {
        return When::Later(SOON, None);
    }
    match QUIET.checked_sub(quiet_for) {
        Some(left) if !left.is_zero() && waiting < PATIENCE => When::Later(left, None),
        _ => When::Now,
    }
}

/// What is known of the file at the program's path.
#[derive(Debug)]
enum Seen {
    /// The one that was there when this program began.
    Own,
    /// None, so often in a row.
    Gone(u32),
    /// Another one, which cannot be looked at yet: somebody writes it.
    Unclear,
    /// Another one, as it was when it was refused.
    Refused(system::Stamp),
    /// Another one, as it was when it was found good, and when that was.
    Good(Arc<Program>, system::Stamp, Instant),
}

/// Watches the file at the path of this program.
#[derive(Debug)]
pub(super) struct Successors {
    /// The path, the owner, and the file there at the start; `None` if nobody can say.
    own: Option<(PathBuf, u32, system::Stamp)>,
    seen: Seen,
    /// For people: what is in the way of a new program.
    told: watch::Sender<Option<String>>,
}

impl Successors {
    /// Of the program that runs, which may follow another one in this process. Where the one at its path was to take
    /// over and the system did not start it, that is not tried again: it would go on for ever. Blocks on the file
    /// system.
    pub(super) fn of_this_program(handed: Option<&Handed>) -> Self {
        let own = system::this_program(handed.is_some());
        let mut new = Self { own, seen: Seen::Own, told: watch::Sender::default() };
        let refused = handed.and_then(|handed| handed.refused);
        if let (Some(code), Some((path, ..))) = (refused, new.own.clone())
            && let Ok(stamp) = system::stamp(&path)
        {
            new.refuse(&path, stamp, &format!("it does not start: {}", io::Error::from_raw_os_error(code)));
        }
        new
    }

    /// What is in the way of a new program, for people.
    pub(super) fn told(&self) -> watch::Receiver<Option<String>> {
        self.told.subscribe()
    }

    /// The file whose change is worth a look, if it is there.
    pub(super) fn watched(&self) -> Option<&Path> {
        let (path, ..) = self.own.as_ref()?;
        (!matches!(self.seen, Seen::Gone(_))).then_some(path)
    }

    /// The time until the next look that nothing else asks for.
    pub(super) fn next_look(&self) -> Option<Duration> {
        match self.seen {
            Seen::Gone(times) if times < LOOKS_FOR_MISSING => Some(AGAIN),
            Seen::Unclear => Some(AGAIN),
            _ => None,
        }
    }

    /// True if another file lies there than at the last look.
    pub(super) async fn has_changed(&self) -> bool {
        let Some((path, _, own)) = self.own.clone() else { return false };
        match (bounded(FILE_LIMIT, move || system::stamp(&path)).await, &self.seen) {
            (Ok(now), Seen::Own) => !now.is_same_file(&own),
            (Ok(now), Seen::Refused(stamp) | Seen::Good(_, stamp, _)) => now != *stamp,
            (Ok(_), Seen::Gone(_)) => true,
            (Ok(_), Seen::Unclear) => false,
            (Err(error), seen) => error.kind() == io::ErrorKind::NotFound && !matches!(seen, Seen::Gone(_)),
        }
    }

    /// Looks at the file. Returns a program that can follow this one, and since when it has been known.
    pub(super) async fn look(&mut self) -> Option<(Arc<Program>, Instant)> {
        let (path, owner, own) = self.own.clone()?;
        let looked = path.clone();
        let now = match bounded(FILE_LIMIT, move || system::stamp(&looked)).await {
            Ok(now) => now,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let times = if let Seen::Gone(times) = self.seen { times.saturating_add(1) } else { 0 };
                self.note(Seen::Gone(times), None);
                return None;
            }
            Err(_) => return None,
        };
        match &self.seen {
            _ if now.is_same_file(&own) => {
                self.note(Seen::Own, None);
                None
            }
            Seen::Refused(stamp) if *stamp == now => None,
            Seen::Good(program, stamp, since) if *stamp == now => Some((Arc::clone(program), *since)),
            _ => self.examine(path, owner, now).await,
        }
    }

    async fn examine(
        &mut self,
        path: PathBuf,
        owner: u32,
        now: system::Stamp,
    ) -> Option<(Arc<Program>, Instant)> {
        let looked = path.clone();
        match bounded(EXAMINING, move || system::examine(&looked, owner)).await {
            Ok(Ok(program)) => {
                tracing::info!(program = %path.display(), "a new program is there, and takes over at a quiet moment");
                let (program, since) = (Arc::new(program), Instant::now());
                self.note(Seen::Good(Arc::clone(&program), now, since), None);
                Some((program, since))
            }
            Ok(Err(why)) => {
                self.refuse(&path, now, &why);
                None
            }
            Err(error) => {
                tracing::debug!(program = %path.display(), %error, "the new program cannot be looked at yet");
                self.note(Seen::Unclear, None);
                None
            }
        }
    }

    fn refuse(&mut self, path: &Path, now: system::Stamp, why: &str) {
        let program = path.display();
        tracing::warn!(%program, why, "the new program is not run; this one goes on");
        let told = format!("the new {program} does not take over: {why}");
        self.note(Seen::Refused(now), Some(told));
    }

    /// Why the new program has to wait, in words for people; `None` if it need not.
    pub(super) fn put_off(&self, why: Option<&str>) {
        let told = why.map(|why| format!("a new version of seqera-agent takes over later: {why}"));
        let is_new = told.is_some() && *self.told.borrow() != told;
        if let Some(why) = why.filter(|_| is_new) {
            tracing::warn!(why, "the new program takes over later");
        }
        self.told.send_if_modified(|before| std::mem::replace(before, told.clone()) != told);
    }

    fn note(&mut self, seen: Seen, told: Option<String>) {
        self.seen = seen;
        self.told.send_replace(told);
    }
}

#[cfg(test)]
mod tests;
