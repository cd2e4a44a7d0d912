//! `seqera agent doctor`, the agent's half: looks at all that sign-in and renewal stand on. Nobody is prompted,
//! no token is spent, and nothing is changed unless a repair is asked for.

mod disk;
mod files;
#[cfg(unix)]
#[path = "doctor/unix.rs"]
mod host;
#[cfg(windows)]
#[path = "doctor/windows.rs"]
mod host;
mod stores;
mod ways;

use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use seqera_agent_proto::v1::check::Verdict;
use seqera_agent_proto::v1::{Check, DiagnoseRequest, InfoResponse};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::profile::ProfileName;
use crate::providers::known::Providers;
use crate::sessions::registry::Registry;

/// A caller who reads slowly holds the checks up, and nothing else.
const QUEUE: usize = 16;

/// What is looked at.
pub(crate) struct Doctor {
    /// All profiles, with stores and state.
    pub registry: Arc<Registry>,
    /// Give the ways to the providers.
    pub providers: Arc<Providers>,
    /// What the agent says of itself.
    pub info: InfoResponse,
    /// Those of its problems that are its surroundings': log, lock, core dumps.
    pub met: Vec<String>,
}

impl Doctor {
    /// The checks, each as soon as it is known, always in the same order. They end when nobody listens.
    pub(crate) fn examine(self, asked: DiagnoseRequest) -> impl Stream<Item = Check> + Send + use<> {
        let (checks, stream) = mpsc::channel(QUEUE);
        let report = Report(checks);
        tokio::spawn(async move {
            tokio::select! {
                () = self.look(asked, &report) => {}
                () = report.0.closed() => {}
            }
        });
        ReceiverStream::new(stream)
    }

    async fn look(self, asked: DiagnoseRequest, report: &Report) {
        let Self { registry, providers, info, met } = self;
        disk::examine(&info, &registry.shared, report).await;
        let configured: Vec<_> = info.problems.into_iter().filter(|what| !met.contains(what)).collect();
        for what in met {
            report
                .tell(warning("surroundings", what, "the agent works in spite of it; mend it when you can"))
                .await;
        }
        files::examine(&configured, &registry.shared, asked.repair, report).await;
        stores::examine(&registry, asked.repair, report).await;
        ways::examine(&registry, &providers, &asked, report).await;
    }
}

/// A local disk answers in microseconds; a network file system that is gone never does.
const DISK_LIMIT: Duration = Duration::from_secs(3);

/// A look at files. `None`: it did not come back in time; its thread is given up.
async fn in_time<T: Send + 'static>(look: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::time::timeout(DISK_LIMIT, tokio::task::spawn_blocking(look)).await.ok()?.ok()
}

/// Where findings go.
struct Report(mpsc::Sender<Check>);

impl Report {
    async fn tell(&self, check: Check) {
        // Nobody listens any more: the checks are about to end.
        let _ = self.0.send(check).await;
    }
}

fn ok(name: &str, text: impl Into<String>) -> Check {
    check(name, Verdict::Ok, text.into(), "")
}

fn skipped(name: &str, text: impl Into<String>) -> Check {
    check(name, Verdict::Skipped, text.into(), "")
}

/// Works, and could work better or more safely.
fn warning(name: &str, text: impl Into<String>, remedy: &str) -> Check {
    check(name, Verdict::Warning, text.into(), remedy)
}

/// Something does not work.
fn problem(name: &str, text: impl Into<String>, remedy: &str) -> Check {
    check(name, Verdict::Problem, text.into(), remedy)
}

fn check(name: &str, verdict: Verdict, text: String, remedy: &str) -> Check {
    let (name, remedy) = (name.to_owned(), remedy.to_owned());
    Check { name, verdict: verdict.into(), text, remedy, profile: String::new() }
}

/// The same about one profile.
fn of(profile: &ProfileName, check: Check) -> Check {
    Check { profile: profile.to_string(), ..check }
}

#[cfg(test)]
mod tests;
