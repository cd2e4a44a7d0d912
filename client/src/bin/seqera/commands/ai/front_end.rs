//! Finds Co-Scientist's program: an npm package or a standalone binary, or version 1. It is called `seqera`
//! like this one, so the danger is that this program finds itself.

use std::fs;
use std::path::{Path, PathBuf};

use seqera_client::program;
use seqera_client::proto::files::{self, Writer};

use crate::screen::failure::{Failure, Hint};
use crate::settings::env::Env;

/// The variable in which a command leaves its process id when it starts a front end.
pub(super) const MARK: &str = "SEQERA_AI_STARTED_BY";

/// Builds of this program are smaller; programs that bundle a JavaScript runtime are larger.
const LARGEST_OF_OURS: u64 = 16 * 1024 * 1024;

/// How much of a script is read: its first lines show what it is.
const SCRIPT_HEAD: usize = 4096;

const NAME: &str = if cfg!(windows) { "seqera.exe" } else { "seqera" };

/// A program by its real path, what it is called, and the arguments that come before ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FrontEnd {
    pub(super) program: PathBuf,
    /// Version managers have one program under many names, which looks at the name.
    pub(super) called: PathBuf,
    pub(super) arguments: Vec<String>,
}

/// Finds the front end that is configured, or else one that is installed; `None` if there is neither.
///
/// # Errors
/// The configured program does not exist or is this program, or what was found may not be started.
pub(super) fn find(env: &Env, in_file: Option<&str>) -> Result<Option<FrontEnd>, Failure> {
    let own = std::env::current_exe().ok();
    let is_ours = |path: &Path| own.as_ref().is_some_and(|own| is_ours(path, own));
    let folders = env.search_path();
    let configured = env.ai_command();
    let (command, source) = match (&configured, in_file.filter(|command| !command.trim().is_empty())) {
        (Some(command), _) => (command.as_str(), "SEQERA_AI_COMMAND"),
        (None, Some(command)) => (command, "'aiCommand' in config.json"),
        (None, None) => {
            let candidates =
                env.front_end_folders().into_iter().chain(folders).map(|folder| folder.join(NAME));
            let found = candidates.filter(|path| is_program(path) && !is_ours(path) && speaks_ai(path));
            return Ok(first(found)?.map(|(program, called)| FrontEnd {
                program,
                called,
                arguments: Vec::new(),
            }));
        }
    };
    let front_end = of_command(command, &folders)?.ok_or_else(|| missing(command, source))?;
    if is_ours(&front_end.program) {
        return Err(own_self(&front_end.program, source));
    }
    Ok(Some(front_end))
}

/// Reads a command as a path, which may contain spaces, or else as a program with arguments.
fn of_command(command: &str, folders: &[PathBuf]) -> Result<Option<FrontEnd>, Failure> {
    if let Some((program, called)) = located(command.trim(), folders)? {
        return Ok(Some(FrontEnd { program, called, arguments: Vec::new() }));
    }
    let mut words = command.split_whitespace();
    let found = words.next().map(|name| located(name, folders)).transpose()?.flatten();
    let arguments = words.map(str::to_owned).collect();
    Ok(found.map(|(program, called)| FrontEnd { program, called, arguments }))
}

/// The program by its real path, and by the one that was found.
fn located(name: &str, folders: &[PathBuf]) -> Result<Option<(PathBuf, PathBuf)>, Failure> {
    let path = PathBuf::from(name);
    if path.components().count() > 1 {
        let absolute = std::path::absolute(&path).ok().filter(|path| is_program(path));
        return first(absolute.into_iter());
    }
    first(folders.iter().map(|folder| folder.join(&path)).filter(|path| is_program(path)))
}

/// The first program that may be started.
fn first(candidates: impl Iterator<Item = PathBuf>) -> Result<Option<(PathBuf, PathBuf)>, Failure> {
    let mut last = PathBuf::new();
    let tried = candidates.inspect(|path| last.clone_from(path));
    // As a shell that may not run what it has found (POSIX, 2.8.2).
    let found = program::first(tried).map_err(|error| Failure { exit: 126, ..error.into() })?;
    Ok(found.map(|program| (program, last)))
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

/// True if the path leads to this program, whatever its name, to a copy of it, or to another build of it,
/// which contains [`MARK`].
fn is_ours(path: &Path, own: &Path) -> bool {
    let (Ok(found), Ok(us)) = (fs::metadata(path), fs::metadata(own)) else { return false };
    let same_file = || path.canonicalize().ok().is_some_and(|real| own.canonicalize().ok() == Some(real));
    // Another user can put something else there at any moment.
    let read = |path: &Path, limit: u64| files::read(path, limit, Writer::Site);
    let copied = || found.len() == us.len() && read(path, us.len()).ok() == read(own, us.len()).ok();
    let other_build = || {
        let bytes = read(path, LARGEST_OF_OURS).unwrap_or_default();
        !bytes.starts_with(b"#!") && bytes.windows(MARK.len()).any(|window| window == MARK.as_bytes())
    };
    same_file() || copied() || other_build()
}

/// The npm package of this program starts it by a script called `seqera` too, which names the package.
const STARTER: &str = "seqera-agent-cli";

/// The Python SDK also installs a `seqera`, but without Co-Scientist. Version 1, in Python as well, has it.
fn speaks_ai(path: &Path) -> bool {
    use std::io::Read;
    let mut head = Vec::new();
    let opened = files::open(path, Writer::Site);
    let read = opened.and_then(|file| file.take(SCRIPT_HEAD as u64).read_to_end(&mut head));
    let head = String::from_utf8_lossy(&head);
    let first = head.lines().next().unwrap_or_default();
    let is_sdk = first.contains("python") && !head.contains("seqera_ai");
    read.is_ok() && !(first.starts_with("#!") && (is_sdk || head.contains(STARTER)))
}

fn missing(command: &str, source: &str) -> Failure {
    Failure {
        reason: "NOT_RUN".into(),
        message: format!("there is no program '{command}', which {source} names"),
        hint: Hint::Words(format!("correct {source}, or remove it to have an installed front end found")),
        exit: 127,
    }
}

fn own_self(program: &Path, source: &str) -> Failure {
    let message = format!("{source} names this very command: {}", program.display());
    Failure::usage(message, Some("it must name Co-Scientist's own program"))
}

/// The failure if no front end is installed.
pub(super) fn not_installed() -> Failure {
    Failure {
        reason: "NOT_INSTALLED".into(),
        message: "Co-Scientist is not installed here, so nothing can answer that".into(),
        hint: Hint::Words(
            "install it with 'npm install -g seqera', or name its program in SEQERA_AI_COMMAND".into(),
        ),
        exit: 127,
    }
}

/// Fails if a `seqera ai` started this one: what that took for the front end leads back here, and would do so
/// forever.
pub(super) fn refuse_loop(env: &Env) -> Result<(), Failure> {
    let Some(process) = env.ai_started_by() else { return Ok(()) };
    let message = format!("this 'seqera ai' was started as a front end by another one (process {process})");
    let hint = format!("name the right program in SEQERA_AI_COMMAND; in a new shell, unset {MARK}");
    Err(Failure::usage(message, Some(&hint)))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn program(folder: &Path, name: &str, content: &str) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn links_copies_and_other_builds_of_this_program_are_known() {
        let folder = tempfile::tempdir().unwrap();
        let own = program(folder.path(), "own", "binary of ours");
        std::os::unix::fs::symlink(&own, folder.path().join("link")).unwrap();
        fs::hard_link(&own, folder.path().join("hard")).unwrap();
        fs::copy(&own, folder.path().join("copy")).unwrap();
        program(folder.path(), "other", &format!("\u{7f}ELF older {MARK} build"));
        for name in ["own", "link", "hard", "copy", "other"] {
            assert!(is_ours(&folder.path().join(name), &own), "{name}");
        }
        let wrapper = program(folder.path(), "wrapper", &format!("#!/bin/sh\nunset {MARK}\n"));
        let foreign = program(folder.path(), "foreign", "binary of them");
        assert!(!is_ours(&wrapper, &own) && !is_ours(&foreign, &own));
    }

    #[test]
    fn a_command_is_a_path_with_spaces_or_a_program_with_arguments() {
        let folder = tempfile::tempdir().unwrap();
        let spaced = program(folder.path(), "co scientist", "x");
        let folders = [folder.path().to_owned()];
        let path = spaced.display().to_string();
        let of_command = |command: &str| of_command(command, &folders).unwrap();
        assert_eq!(of_command(&path).unwrap().arguments, Vec::<String>::new());
        let plain = program(folder.path(), "cosci", "x");
        let found = of_command("cosci --theme dark").unwrap();
        assert_eq!((found.program, found.arguments), (plain, vec!["--theme".to_owned(), "dark".to_owned()]));
        assert_eq!(of_command("absent --x"), None);
    }

    #[test]
    fn a_program_of_a_folder_that_everybody_can_write_to_is_not_found_by_its_name() {
        let (open, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        program(open.path(), "cosci", "x");
        fs::set_permissions(open.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let folders = [PathBuf::from("."), open.path().to_owned(), own.path().to_owned()];
        assert_eq!(of_command("cosci", &folders).unwrap_err().reason, "DISTRUSTED");
        let good = program(own.path(), "cosci", "x");
        assert_eq!(of_command("cosci", &folders).unwrap().unwrap().program, good);
    }

    #[test]
    fn the_python_sdk_is_no_front_end_and_version_1_is() {
        let folder = tempfile::tempdir().unwrap();
        let script = |name: &str, module: &str| {
            program(folder.path(), name, &format!("#!/usr/bin/python3\nfrom {module} import main\n"))
        };
        assert!(!speaks_ai(&script("sdk", "seqera.cli")));
        assert!(speaks_ai(&script("v1", "seqera_ai.main")));
        assert!(speaks_ai(&program(folder.path(), "npm", "#!/usr/bin/env node\n")));
        let starter = include_str!("../../../../../../packaging/npm/seqera.js");
        let starter = starter.replace("@node_and_python_name@", STARTER);
        assert!(!speaks_ai(&program(folder.path(), "own", &starter)));
    }

    #[test]
    fn the_mark_ends_a_loop() {
        let failure = refuse_loop(&Env::of(&[("SEQERA_AI_STARTED_BY", "17")])).unwrap_err();
        assert_eq!(failure.exit, 2);
        assert!(failure.message.contains("17"));
        assert!(refuse_loop(&Env::of(&[])).is_ok());
    }
}
