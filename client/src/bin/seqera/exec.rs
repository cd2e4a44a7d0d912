//! `seqera exec`

use std::io::ErrorKind;
use std::process::Command;

use seqera_client::Want;

use crate::args::Exec;
use crate::context::{Context, wait};
use crate::failure::Failure;
use crate::handover::{self, Variables};
use crate::subject::Subject;
use crate::token::warn_of_failing;

pub(crate) fn run(context: &Context, args: &Exec) -> Result<(), Failure> {
    let variables = match context.subject()? {
        Subject::Token(token) => handover::of_environment(&token),
        Subject::Profile(named) => {
            let client = context.client(named)?;
            let token = wait(async { Ok(client.token(Want::default()).await?) })?;
            warn_of_failing(context, &token);
            handover::of_profile(&token)
        }
    };
    let (program, arguments) = args.command.split_first().expect("the argument parser requires one");
    let mut command = Command::new(program);
    command.args(arguments);
    apply(&mut command, variables);
    let error = become_program(command);
    Err(not_run(&program.to_string_lossy(), &error))
}

pub(crate) fn apply(command: &mut Command, variables: Variables) {
    for (name, value) in variables {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
}

/// Replaces this process: signals, terminal and exit code are the program's own. Returns on failure only.
#[cfg(unix)]
pub(crate) fn become_program(mut command: Command) -> std::io::Error {
    std::os::unix::process::CommandExt::exec(&mut command)
}

/// Windows has nothing like exec: waits, and ends as the program ends.
#[cfg(windows)]
pub(crate) fn become_program(mut command: Command) -> std::io::Error {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => error,
    }
}

/// The exit codes of `env` (POSIX): 127 where there is no such program, 126 where it cannot be run.
pub(crate) fn not_run(program: &str, error: &std::io::Error) -> Failure {
    let exit = if error.kind() == ErrorKind::NotFound { 127 } else { 126 };
    Failure { reason: "NOT_RUN".into(), message: format!("cannot run {program}: {error}"), hint: None, exit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_and_one_that_cannot_run_are_told_apart() {
        assert_eq!(not_run("x", &ErrorKind::NotFound.into()).exit, 127);
        assert_eq!(not_run("x", &ErrorKind::PermissionDenied.into()).exit, 126);
    }

    #[test]
    fn variables_are_set_and_removed() {
        let mut command = Command::new("x");
        apply(&mut command, vec![("A", Some("1".into())), ("B", None)]);
        let seen: Vec<_> = command.get_envs().collect();
        assert_eq!(seen, [("A".as_ref(), Some("1".as_ref())), ("B".as_ref(), None)]);
    }
}
