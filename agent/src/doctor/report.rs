//! The results of the checks, and the channel that they are sent through.

use std::time::Duration;

use seqera_agent_proto::v1::Check;
use seqera_agent_proto::v1::check::Verdict;
use tokio::sync::mpsc;

use crate::foreign::line;
use crate::profile::ProfileName;

/// A local disk answers in microseconds; a network file system whose server is gone never does.
pub(super) const DISK_LIMIT: Duration = Duration::from_secs(3);

/// The longest finding, in characters. It repeats what systems and providers say.
const LONGEST: usize = 1_000;

/// Runs `look` on a blocking thread. `None` means that it did not return in time, and its thread is
/// abandoned.
pub(super) async fn in_time<T: Send + 'static>(look: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::time::timeout(DISK_LIMIT, tokio::task::spawn_blocking(look)).await.ok()?.ok()
}

/// Sends results to the caller.
pub(super) struct Report(mpsc::Sender<Check>);

impl Report {
    pub(super) fn new(checks: mpsc::Sender<Check>) -> Self {
        Self(checks)
    }

    /// Returns when nobody listens any more.
    pub(super) async fn closed(&self) {
        self.0.closed().await;
    }

    pub(super) async fn tell(&self, check: Check) {
        // An error means that nobody listens any more; then the checks are about to end.
        let _ = self.0.send(check).await;
    }
}

pub(super) fn ok(name: &str, text: impl Into<String>) -> Check {
    check(name, Verdict::Ok, text.into(), "")
}

pub(super) fn skipped(name: &str, text: impl Into<String>) -> Check {
    check(name, Verdict::Skipped, text.into(), "")
}

/// Something works, but could work better or more safely.
pub(super) fn warning(name: &str, text: impl Into<String>, remedy: &str) -> Check {
    check(name, Verdict::Warning, text.into(), remedy)
}

/// Something does not work.
pub(super) fn problem(name: &str, text: impl Into<String>, remedy: &str) -> Check {
    check(name, Verdict::Problem, text.into(), remedy)
}

fn check(name: &str, verdict: Verdict, text: String, remedy: &str) -> Check {
    let (name, text, remedy) = (name.to_owned(), line(&text, LONGEST), line(remedy, LONGEST));
    Check { name, verdict: verdict.into(), text, remedy, profile: String::new() }
}

/// Assigns a check to one profile.
pub(super) fn of(profile: &ProfileName, check: Check) -> Check {
    Check { profile: profile.to_string(), ..check }
}
