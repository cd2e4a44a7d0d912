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
    /// The user's login name; empty: not known.
    pub user: String,
}

impl Doctor {
    /// The checks, each as soon as it is known, always in the same order. They end when nobody listens.
    pub(crate) fn examine(self, asked: DiagnoseRequest) -> impl Stream<Item = Check> + Send + use<> {
        let (checks, stream) = mpsc::channel(QUEUE);
        let report = Report::new(checks);
        tokio::spawn(async move {
            tokio::select! {
                () = self.look(asked, &report) => {}
                () = report.unheard() => {}
            }
        });
        ReceiverStream::new(stream)
    }

    async fn look(self, asked: DiagnoseRequest, report: &Report) {
        let Self { registry, providers, info, met, user } = self;
        disk::examine(&info, &user, &registry.shared, report).await;
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

#[cfg(test)]
mod tests;
