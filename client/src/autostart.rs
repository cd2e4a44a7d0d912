//! Starts an agent if none is listening, by running `seqera-agent --launch`, which returns once the agent
//! serves. Several clients may do this at once: one launcher starts the agent, and the others find it and
//! return as well.

use std::ffi::OsStr;
#[cfg(unix)]
use std::path::Path;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use seqera_agent_proto::limits;
use seqera_agent_proto::reason::EXIT_NO_AGENT;
use tokio::io::AsyncReadExt;
use tokio::process::{ChildStderr, Command};
use tokio::time::{Instant, timeout, timeout_at};

use crate::error::Error;
use crate::program::{self, Held};

/// The launcher has exited before its output is read, so everything it printed is already in the pipe: a
/// second is plenty.
const READING: Duration = Duration::from_secs(1);

/// Enough for an error and its hint.
const PRINTED_MAX: u64 = 8 * 1024;

/// Runs the launcher and waits until it exits.
///
/// # Errors
/// [`Error::NoProgram`], [`Error::Distrusted`], [`Error::NotStarted`] with what the launcher printed, or
/// [`Error::TimedOut`].
pub(crate) async fn launch(search_path: Option<&OsStr>, deadline: Instant) -> Result<(), Error> {
    run(search_path, "--launch", deadline).await
}

/// Makes sure that there is a program to launch, and that it runs here.
///
/// # Errors
/// As for [`launch`].
pub(crate) async fn check(search_path: Option<&OsStr>, deadline: Instant) -> Result<(), Error> {
    run(search_path, "--version", deadline).await
}

async fn run(search_path: Option<&OsStr>, flag: &str, deadline: Instant) -> Result<(), Error> {
    let program = find(search_path)?;
    let not_started = |message| Error::NotStarted { message, hint: None };
    let mut command = Command::new(program.executable());
    // So that it goes by its name all the same, and knows where the next version will lie.
    #[cfg(unix)]
    command.arg0(link(search_path, program.path()).as_deref().unwrap_or(program.path()));
    // It may be a script of a package manager, whose interpreter is looked for.
    program::narrow(command.as_std_mut(), search_path);
    let mut launcher = command
        .arg(flag)
        .stdin(Stdio::null())
        // A shell that runs `$(seqera token)` waits until every process that holds the pipe has exited.
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| match limits::behind_start(&error) {
            Some(limit) => Error::Exhausted(limit),
            None => not_started(format!("{}: {error}", program.path().display())),
        })?;
    let ended = timeout_at(deadline, launcher.wait()).await.map_err(|_| Error::TimedOut)?;
    match ended {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            let printed = printed(launcher.stderr.take()).await;
            Err(out_of(status, &printed).unwrap_or_else(|| quoted(&printed, &status.to_string())))
        }
        // Where the program that started this one ignores SIGCHLD, the system keeps nobody's end.
        Err(error) if error.raw_os_error() == Some(NO_CHILD) => Ok(()),
        Err(error) => Err(not_started(error.to_string())),
    }
}

/// `ECHILD`, on every system that has it.
const NO_CHILD: i32 = 10;

/// What the launcher, or the agent, ran out of. One that was ended by a signal had no room for words about it.
fn out_of(status: ExitStatus, printed: &str) -> Option<Error> {
    let limit = match status.code() {
        None => limits::narrow().pop(),
        Some(code) if code == i32::from(EXIT_NO_AGENT) => {
            printed.lines().next().and_then(|line| line.strip_prefix("error: ")).map(str::to_owned)
        }
        Some(_) => None,
    };
    limit.map(Error::Exhausted)
}

async fn printed(pipe: Option<ChildStderr>) -> String {
    let mut text = Vec::new();
    if let Some(pipe) = pipe {
        let mut pipe = pipe.take(PRINTED_MAX);
        let _ = timeout(READING, pipe.read_to_end(&mut text)).await;
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// The launcher's `error:` and `hint:` lines, or its exit status if it printed nothing.
fn quoted(printed: &str, status: &str) -> Error {
    let (error, hint) = printed.trim().split_once("\nhint:").unwrap_or((printed.trim(), ""));
    let error = error.trim_start_matches("error:").trim();
    let hint = hint.trim();
    Error::NotStarted {
        message: if error.is_empty() { status } else { error }.to_owned(),
        hint: (!hint.is_empty()).then(|| hint.to_owned()),
    }
}

/// Finds the agent's program: next to this executable, or else on `PATH`. What lies beside us is checked as well:
/// somebody may have put it into a folder where anybody can, where we were only unpacked.
fn find(search_path: Option<&OsStr>) -> Result<Held, Error> {
    program::first_agent(candidates(search_path))?.ok_or(Error::NoProgram)
}

/// The first path in these folders that leads to this program, by the word of nobody but its owners. Installations
/// that keep versions apart (Homebrew, Nix, a module tree with `current`) have links there, and change them at an
/// upgrade.
#[cfg(unix)]
fn link(search_path: Option<&OsStr>, program: &Path) -> Option<PathBuf> {
    let is_this = |file: &PathBuf| file.canonicalize().is_ok_and(|real| real == program);
    let mut found = on(search_path).filter(|file| file.is_absolute() && is_this(file));
    found.find(|file| program::is_led_by_owners(file))
}

/// Where the agent's program is looked for, if it is there.
fn candidates(search_path: Option<&OsStr>) -> impl Iterator<Item = PathBuf> {
    let own = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join(NAME)));
    own.into_iter().chain(on(search_path)).filter(|file| file.is_file())
}

/// Where it would be in these folders.
fn on(search_path: Option<&OsStr>) -> impl Iterator<Item = PathBuf> {
    std::env::split_paths(search_path.unwrap_or_default()).map(|folder| folder.join(NAME))
}

/// The agent's program.
const NAME: &str = if cfg!(windows) { "seqera-agent.exe" } else { "seqera-agent" };

/// The agent's program, where one may be started.
pub fn agent_program(search_path: Option<&OsStr>) -> Option<PathBuf> {
    find(search_path).ok().map(|program| program.path().to_owned())
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;

    fn install(folder: &Path, script: &str, mode: u32) {
        let file = folder.join("seqera-agent");
        write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        set_permissions(&file, Permissions::from_mode(mode)).unwrap();
    }

    async fn launch_from(folder: &Path) -> Result<(), Error> {
        launch(Some(folder.as_os_str()), Instant::now() + Duration::from_secs(20)).await
    }

    #[tokio::test]
    async fn a_launcher_that_succeeds_is_enough() {
        let folder = tempfile::tempdir().unwrap();
        install(folder.path(), r#"[ "$1" = --launch ]"#, 0o755);
        assert_eq!(launch_from(folder.path()).await, Ok(()));
    }

    #[tokio::test]
    async fn whether_an_agent_could_be_started_is_found_out_without_starting_one() {
        let folder = tempfile::tempdir().unwrap();
        let check =
            |until: u64| check(Some(folder.path().as_os_str()), Instant::now() + Duration::from_secs(until));
        assert_eq!(check(20).await, Err(Error::NoProgram));
        install(folder.path(), r#"[ "$1" = --version ]"#, 0o755);
        assert_eq!(check(20).await, Ok(()));
        install(folder.path(), "exit 1", 0o755);
        assert!(matches!(check(20).await, Err(Error::NotStarted { .. })));
        install(folder.path(), "exit 0", 0o644);
        assert!(matches!(check(20).await, Err(Error::NotStarted { .. })), "not executable");
    }

    #[tokio::test]
    async fn a_launcher_that_fails_is_quoted() {
        let folder = tempfile::tempdir().unwrap();
        install(folder.path(), "echo 'error: no room'  >&2; echo 'hint: make some' >&2; exit 2", 0o755);
        let said = Error::NotStarted { message: "no room".into(), hint: Some("make some".into()) };
        assert_eq!(launch_from(folder.path()).await, Err(said));
        install(folder.path(), "exit 3", 0o755);
        let Err(Error::NotStarted { message, hint: None }) = launch_from(folder.path()).await else {
            panic!()
        };
        assert!(message.contains('3'), "{message}");
    }

    #[tokio::test]
    async fn an_agent_that_keeps_the_pipe_open_does_not_hold_the_client() {
        let folder = tempfile::tempdir().unwrap();
        let gate = folder.path().join("gate");
        assert!(std::process::Command::new("mkfifo").arg(&gate).status().unwrap().success());
        // The child keeps standard error open until the gate is opened, which is after the launch.
        install(folder.path(), &format!("/bin/cat {} >&2 & exit 0", gate.display()), 0o755);
        assert_eq!(launch_from(folder.path()).await, Ok(()));
        write(&gate, "").unwrap();
    }

    #[tokio::test]
    async fn a_program_that_others_can_change_is_not_run() {
        let folder = tempfile::tempdir().unwrap();
        install(folder.path(), "exit 0", 0o777);
        let refused = launch_from(folder.path()).await.unwrap_err();
        assert!(matches!(&refused, Error::Distrusted { why, .. } if why.contains("0777")), "{refused:?}");
    }

    #[tokio::test]
    async fn without_a_program_the_error_says_so() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(launch_from(folder.path()).await, Err(Error::NoProgram));
        let relative = launch(Some(OsStr::new(".:bin")), Instant::now()).await;
        assert_eq!(relative, Err(Error::NoProgram));
    }
}
