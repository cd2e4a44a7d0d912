//! The files in the configuration folder: whether they can be read, and by whom.

use std::fs;
use std::path::{Path, PathBuf};

use seqera_agent_proto::files::{self, Writer};
use seqera_agent_proto::v1::Check;
use zeroize::Zeroizing;

use super::host;
use super::report::{Report, in_time, ok, problem, warning};
use crate::sessions::shared::Shared;
use crate::storage::file::{LARGEST, PREFIX, is_bare_token};

const REPAIR: &str = "correct the file, or run 'seqera agent doctor --repair', which sets it aside; where it \
                      was not written, make room on the disk or the folder yours";

/// `configured` lists the problems of the configuration.
pub(super) async fn examine(configured: &[String], shared: &Shared, repair: bool, report: &Report) {
    for what in configured {
        report.tell(problem("configuration", what, "once it is correct, run 'seqera agent restart'")).await;
    }
    if configured.is_empty() {
        report.tell(ok("configuration", "nothing is wrong with config.json")).await;
    }
    if repair {
        set_aside(shared, report).await;
    }
    let mut broken = shared.state.problems();
    broken.extend(summary(shared).await.filter(|what| !broken.contains(what)));
    for what in &broken {
        report.tell(problem("state", what, REPAIR)).await;
    }
    if broken.is_empty() {
        report.tell(ok("state", "sessions.json, leases.jsonl and auth-state.json are intact")).await;
    }
    let (folder, run) = (shared.places.config_dir.clone(), shared.places.run_dir());
    let looked = in_time(move || look(&folder, &run)).await;
    let silent =
        || vec![problem("private files", "the configuration folder does not answer", "see 'home' above")];
    for check in looked.unwrap_or_else(silent) {
        report.tell(check).await;
    }
}

/// What is wrong with `auth-state.json`. The agent writes it at every change and never reads it for a
/// decision, so nothing else would notice.
async fn summary(shared: &Shared) -> Option<String> {
    let (path, sessions) = (shared.places.config_dir.join("auth-state.json"), shared.state.snapshot());
    in_time(move || crate::storage::summary::merge(&path, &sessions.profiles, &sessions.gone).err())
        .await
        .flatten()
}

async fn set_aside(shared: &Shared, report: &Report) {
    match shared.state.set_aside(shared.now().wall).await {
        Ok(moved) => {
            for path in moved {
                report.tell(ok("repair", format!("set aside as {}", path.display()))).await;
            }
        }
        Err(error) => {
            report.tell(problem("repair", error.to_string(), "check whether the disk is full")).await
        }
    }
}

fn is_plain(path: &Path) -> bool {
    files::read(path, LARGEST, Writer::Program).is_ok_and(|bytes| is_bare_token(&Zeroizing::new(bytes)))
}

/// Finds private files that others can read, and tokens that the older CLI left in plain text.
fn look(folder: &Path, run: &Path) -> Vec<Check> {
    let mut secrets: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    secrets.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX)));
    secrets.sort();
    let mut checks: Vec<Check> = secrets
        .iter()
        .filter(|path| is_plain(path))
        .map(|path| {
            let text = format!("{} is a token of the older CLI in plain text", path.display());
            warning("plain credentials", text, "'seqera login' offers to take it over")
        })
        .collect();
    let private = secrets
        .iter()
        .cloned()
        .chain(["sessions.json", "leases.jsonl", "agent.json"].map(|name| run.join(name)));
    let open: Vec<_> = private
        .filter_map(|path| host::exposed(&path, &path.symlink_metadata().ok()?))
        .map(|(text, remedy)| problem("private files", text, &remedy))
        .collect();
    if open.is_empty() {
        checks.push(ok("private files", "only you can read what is kept in files"));
    }
    checks.extend(open);
    checks
}
