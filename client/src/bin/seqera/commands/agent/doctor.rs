//! `seqera agent doctor`: checks, each with its remedy, shown as soon as they are known. This half examines
//! the command and its surroundings, and works even if no agent can be started; the agent examines everything
//! else.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use seqera_client::Client;
use seqera_client::proto::v1::check::Verdict;
use seqera_client::proto::v1::{Check, InfoResponse};
use tokio::time::sleep;

use crate::commands::agent::findings::Findings;
use crate::screen::failure::Failure;
use crate::settings::context::{Context, interruptible, wait};
use crate::settings::{Settings, namespaces, wishes};

/// After this long, a person wonders why nothing happens.
const PATIENCE: Duration = Duration::from_secs(1);

/// Look for what could be wrong, and say what to do about it
///
/// Looks at command and agent, folders, the store of the secrets, the clock, proxy and certificate authorities,
/// and whether each profile's provider can be reached. Changes nothing unless --repair is given. Exit code 0
/// where nothing is a problem, else 1.
#[derive(Debug, Clone, Copy, Args)]
#[command(after_help = "\
Examples:
  seqera agent doctor
  seqera agent doctor --repair
  seqera agent doctor -o json")]
pub(crate) struct Doctor {
    /// Set aside files that cannot be read: they are renamed, never removed
    #[arg(long)]
    repair: bool,
}

pub(super) fn run(context: &Context, args: Doctor) -> Result<(), Failure> {
    let mut findings = Findings::new(&context.screen);
    for check in surroundings(context) {
        findings.add(check)?;
    }
    wait(interruptible("the examination", agents_half(context, args.repair, &mut findings)))?;
    findings.end()
}

/// The checks that need no agent.
fn surroundings(context: &Context) -> Vec<Check> {
    let mut checks = vec![command(), others_on_path(context)];
    checks.extend(programs(context));
    checks.extend(configuration(context));
    checks.extend(tokens(context));
    checks.extend(nextflow(&PathBuf::from(context.env.nextflow_file())));
    checks
}

fn command() -> Check {
    let path = std::env::current_exe().map(|path| format!(", {}", path.display())).unwrap_or_default();
    check("command", Verdict::Ok, format!("seqera {}{path}", env!("CARGO_PKG_VERSION")), "")
}

/// Three programs are called `seqera` (the agent's manual, providers, "Three programs called seqera").
fn others_on_path(context: &Context) -> Check {
    const NAME: &str = "PATH";
    let own = std::env::current_exe().and_then(|path| path.canonicalize()).ok();
    let folders = context.options().ok().and_then(|options| options.search_path).unwrap_or_default();
    let name = format!("seqera{}", std::env::consts::EXE_SUFFIX);
    let programs = std::env::split_paths(&folders).map(|folder| folder.join(&name));
    let mut found: Vec<(PathBuf, bool)> = Vec::new();
    for program in programs.filter(|path| path.is_file()) {
        let leads_here =
            |real: &PathBuf| own.as_ref().is_some_and(|own| real == own || is_starter(real, own));
        let ours = program.canonicalize().is_ok_and(|real| leads_here(&real));
        found.push((program, ours));
    }
    let foreign: Vec<_> =
        found.iter().filter(|(_, ours)| !ours).map(|(path, _)| path.display().to_string()).collect();
    match found.first() {
        Some((_, true)) if foreign.is_empty() => check(NAME, Verdict::Ok, "no other seqera".into(), ""),
        Some((_, true)) => {
            let text = format!("this seqera comes first; another one is {}", foreign.join(", "));
            check(NAME, Verdict::Warning, text, "remove the one that you do not need")
        }
        Some((path, false)) => {
            let text = format!("'seqera' starts {}, which is another program", path.display());
            check(
                NAME,
                Verdict::Warning,
                text,
                "put this one's folder first in PATH, or remove the other one",
            )
        }
        None => check(
            NAME,
            Verdict::Warning,
            "no seqera in any of its folders".into(),
            "add the folder of this one to PATH",
        ),
    }
}

/// Whether a command is the script with which the package for Node starts this program (`packaging/npm`), whose own
/// package lies in that one or beside it.
fn is_starter(script: &Path, own: &Path) -> bool {
    let Some(package) = script.parent().filter(|folder| folder.ends_with("seqera-agent-cli")) else {
        return false;
    };
    package.parent().is_some_and(|packages| own.starts_with(packages))
}

/// Programs that a group may write to are started, because their owner is trusted; that is worth knowing.
fn programs(context: &Context) -> Vec<Check> {
    let folders = context.options().ok().and_then(|options| options.search_path);
    let agent = seqera_client::agent_program(folders.as_deref());
    let started = [agent, crate::commands::ai::found(context)].into_iter().flatten();
    let open =
        started.filter_map(|program| Some((seqera_client::program::open_to_a_group(&program)?, program)));
    open.map(|(open, program)| {
        let text = format!(
            "others may write to {}, by its group or its access list, so they decide what {} does",
            open.display(),
            program.display()
        );
        check("programs", Verdict::Warning, text, "chmod g-w, unless all of them may have your tokens")
    })
    .collect()
}

/// Reports mistakes in the file, and keys that nothing reads.
fn configuration(context: &Context) -> Vec<Check> {
    const NAME: &str = "config.json";
    let config = match context.config() {
        Ok(config) => config,
        Err(failure) => {
            return vec![check(
                NAME,
                Verdict::Problem,
                failure.message,
                failure.hint.text().unwrap_or_default(),
            )];
        }
    };
    let unknown = config.unknown().into_iter();
    unknown
        .map(|doubt| check(NAME, Verdict::Warning, doubt, "correct the key, or leave it to its program"))
        .collect()
}

/// A token in the environment is used as it is, whatever sessions there are.
fn tokens(context: &Context) -> Vec<Check> {
    const NAME: &str = "token variables";
    if let Err(odd) = context.env.token() {
        return vec![check(NAME, Verdict::Problem, odd.message, odd.hint.text().unwrap_or_default())];
    }
    let Some(variable) = context.env.foreign_token() else {
        return vec![check(NAME, Verdict::Ok, "none is set".into(), "")];
    };
    let text = format!("{variable} is set: its token is used, and the sessions are not");
    let remedy = format!("unset {}, unless it is what you want", context.env.token_variables().join(" "));
    vec![check(NAME, Verdict::Warning, text, &remedy)]
}

/// Nextflow's own file beats the token that `seqera exec` passes on (the agent's manual, providers, "Programs
/// that use the token").
fn nextflow(file: &Path) -> Vec<Check> {
    const NAME: &str = "plain credentials";
    let Ok(meta) = file.metadata() else { return Vec::new() };
    let shown = file.display();
    let text =
        format!("{shown} contains a token in plain text, which Nextflow prefers to the one of 'seqera exec'");
    let remedy = "'seqera login' offers to take it over; remove the file then";
    let mut checks = vec![check(NAME, Verdict::Warning, text, remedy)];
    if is_open(&meta) {
        let text = format!("{shown} can be read by others");
        checks.push(check(NAME, Verdict::Problem, text, &format!("chmod 600 {shown}")));
    }
    checks
}

#[cfg(unix)]
fn is_open(meta: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    meta.mode() & 0o077 != 0
}

/// On Windows, only the user can enter their profile folder.
#[cfg(not(unix))]
fn is_open(_: &std::fs::Metadata) -> bool {
    false
}

async fn agents_half(context: &Context, repair: bool, findings: &mut Findings<'_>) -> Result<(), Failure> {
    const NAME: &str = "agent";
    let asked = async {
        // A file that cannot be read has already been reported; the variables still count.
        let config = context.config().unwrap_or_default();
        let profile = context.profile.clone().or(context.env.profile()).unwrap_or_default();
        let settings = Settings::resolve(None, &profile, &context.env, &config).message();
        let client = Client::new(seqera_client::Options { profile, ..context.options()? });
        let info = client.info().await?;
        Ok::<_, Failure>((client.diagnose(settings, repair).await?, info))
    };
    let (mut events, info) = match asked.await {
        Ok(answer) => answer,
        Err(failure) => {
            let remedy = failure.hint.text().unwrap_or_default();
            findings.add(check(NAME, Verdict::Problem, failure.message, remedy))?;
            let text = "only an agent can check these: folders, stores, clock and providers";
            return findings.add(check("all else", Verdict::Skipped, text.into(), ""));
        }
    };
    let text = format!("seqera-agent {}, process {}", info.version, info.pid);
    findings.add(if info.version == env!("CARGO_PKG_VERSION") {
        check(NAME, Verdict::Ok, text, "")
    } else {
        check(NAME, Verdict::Warning, format!("{text}: another version"), "run 'seqera agent restart'")
    })?;
    for check in beside(context, &info) {
        findings.add(check)?;
    }
    let mut announced = false;
    loop {
        let event = tokio::select! {
            event = events.next() => event?,
            () = sleep(PATIENCE), if !announced => {
                announced = true;
                findings.wait();
                continue;
            }
        };
        match event {
            Some(event) => findings.add(event)?,
            None => return Ok(()),
        }
    }
}

/// How the agent differs from one that would be started from here.
fn beside(context: &Context, info: &InfoResponse) -> Vec<Check> {
    let host = context.options().map(|options| options.places.host_id).unwrap_or_default();
    let settings = wishes::differences(&context.env, &host, info).into_iter();
    let mut checks: Vec<_> =
        settings.map(|differs| check("settings", Verdict::Warning, differs, "")).collect();
    let elsewhere = namespaces::differences(info);
    if !elsewhere.is_empty() {
        let text = namespaces::elsewhere(info.pid, &elsewhere);
        checks.push(check("surroundings", Verdict::Warning, text, namespaces::REMEDY));
    }
    checks
}

fn check(name: &str, verdict: Verdict, text: String, remedy: &str) -> Check {
    let (name, remedy) = (name.to_owned(), remedy.to_owned());
    Check { name, verdict: verdict.into(), text, remedy, profile: String::new() }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn nextflows_file_is_a_warning_and_one_that_others_can_read_a_problem() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("seqera-auth.config");
        assert!(nextflow(&file).is_empty());
        std::fs::write(&file, "tower.accessToken = 'canary'").unwrap();
        for (mode, verdicts) in
            [(0o600, &[Verdict::Warning][..]), (0o644, &[Verdict::Warning, Verdict::Problem])]
        {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            let found = nextflow(&file);
            assert_eq!(found.iter().map(Check::verdict).collect::<Vec<_>>(), verdicts);
            assert!(found.iter().all(|check| !check.remedy.is_empty() && !check.text.contains("canary")));
        }
    }
}
