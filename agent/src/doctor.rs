//! The agent's half of `seqera agent doctor`: checks everything that sign-in and renewal depend on. It
//! prompts nobody, spends no token, and changes nothing unless a repair is requested.

mod disk;
mod files;
#[cfg(unix)]
#[path = "doctor/unix.rs"]
mod host;
#[cfg(windows)]
#[path = "doctor/windows.rs"]
mod host;
mod life;
mod report;
mod stores;
mod ways;

use std::sync::Arc;

use futures_util::Stream;
use seqera_agent_proto::v1::{Check, DiagnoseRequest, InfoResponse};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::doctor::report::{Report, warning};
use crate::providers::known::Providers;
use crate::sessions::registry::Registry;

/// A caller that reads slowly delays the checks and nothing else.
const QUEUE: usize = 16;

/// What the checks look at.
pub(crate) struct Doctor {
    pub registry: Arc<Registry>,
    pub providers: Arc<Providers>,
    /// What the agent reports about itself.
    pub info: InfoResponse,
    /// The problems in `info` that concern the process's surroundings: log, lock, core dumps.
    pub surroundings: Vec<String>,
    /// The user's login name, or empty if unknown.
    pub user: String,
}

impl Doctor {
    /// Runs the checks, always in the same order, and sends each result as soon as it is known. Stops when
    /// nobody listens any more.
    pub(crate) fn examine(self, asked: DiagnoseRequest) -> impl Stream<Item = Check> + Send + use<> {
        let (checks, stream) = mpsc::channel(QUEUE);
        let report = Report::new(checks);
        tokio::spawn(async move {
            tokio::select! {
                () = self.look(asked, &report) => {}
                () = report.closed() => {}
            }
        });
        ReceiverStream::new(stream)
    }

    async fn look(self, asked: DiagnoseRequest, report: &Report) {
        let Self { registry, providers, info, surroundings, user } = self;
        disk::examine(&info, &user, &registry.shared, report).await;
        if let Some(check) = life::examine().await {
            report.tell(check).await;
        }
        let configured: Vec<_> =
            info.problems.into_iter().filter(|what| !surroundings.contains(what)).collect();
        for what in surroundings {
            report
                .tell(warning("surroundings", what, "the agent works all the same; fix it when you can"))
                .await;
        }
        let rules = registry.shared.site.policy.rules();
        if !rules.is_empty() {
            report.tell(report::ok("policy", rules.join("; "))).await;
        }
        files::examine(&configured, &registry.shared, asked.repair, report).await;
        stores::examine(&registry, asked.repair, report).await;
        ways::examine(&registry, &providers, &asked, report).await;
    }
}

#[cfg(test)]
mod tests;
