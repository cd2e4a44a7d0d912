//! The prompt where Co-Scientist is not installed: it knows the session and nothing else, and says so.

use std::io::{IsTerminal, stdin};
use std::process::{Command, Stdio};

use super::not_installed;
use crate::context::Context;
use crate::exec::apply;
use crate::failure::Failure;
use crate::handover::Variables;

/// What can be typed, and the command that it stands for.
const COMMANDS: [(&str, &str); 8] = [
    ("status", "who is signed in, and for which organization"),
    ("whoami", "the account and how it signed in"),
    ("info", "user, backend and Platform"),
    ("org", "the organization; also /org list, /org switch, /org clear"),
    ("workspace", "the workspace; also /workspace list, /workspace switch, /workspace clear"),
    ("profile", "the accounts; also /profile list, /profile use"),
    ("login", "sign in"),
    ("logout", "sign out"),
];

/// Reads lines until `/exit` or the end of the input. `token` is what the session's commands shall use.
///
/// # Errors
/// In a pipe, the first thing that could not be done.
pub(super) fn run(context: &Context, token: &Variables) -> Result<(), Failure> {
    let typed = stdin().is_terminal();
    if typed {
        context
            .screen
            .tell("Co-Scientist itself is not installed here: this prompt knows your session and no more.");
        context.screen.tell("Install it with 'npm install -g seqera'. /help lists what works, /exit leaves.");
    }
    let mut first_failure = None;
    while let Some(line) = line(context, typed)? {
        let done = match line.trim() {
            "" => Ok(()),
            "/exit" | "/quit" => break,
            "/help" => help(context),
            line => match line.strip_prefix('/') {
                Some(command) => session_command(context, command, token, typed),
                None => Err(not_installed()),
            },
        };
        if let Err(failure) = done {
            if typed {
                context.screen.failure(&failure);
            } else {
                first_failure = first_failure.or(Some(failure));
            }
        }
    }
    first_failure.map_or(Ok(()), Err)
}

fn line(context: &Context, typed: bool) -> Result<Option<String>, Failure> {
    if typed {
        context.screen.question("seqera> ");
    }
    let mut line = String::new();
    match stdin().read_line(&mut line) {
        Ok(0) => {
            if typed {
                context.screen.tell("");
            }
            Ok(None)
        }
        Ok(_) => Ok(Some(line)),
        Err(error) => Err(Failure::system("cannot read from standard input", &error)),
    }
}

fn help(context: &Context) -> Result<(), Failure> {
    let width = COMMANDS.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 1;
    for (name, does) in COMMANDS {
        context.screen.say(&format!("/{name:width$} {does}"))?;
    }
    context.screen.say(&format!("/{:width$} leave; so does the end of the input", "exit"))
}

/// Runs a command of ours as a program of its own: what it does to signals and to the terminal ends with it.
fn session_command(context: &Context, command: &str, token: &Variables, typed: bool) -> Result<(), Failure> {
    let mut words = command.split_whitespace();
    let name = words.next().unwrap_or_default();
    if !COMMANDS.iter().any(|(known, _)| *known == name) {
        let message = format!("there is no command '/{name}' here");
        return Err(Failure::usage(message, Some("/help lists what works")));
    }
    let program = std::env::current_exe().map_err(|error| Failure::system("cannot find myself", &error))?;
    let mut child = Command::new(program);
    child.arg(name).args(words);
    if let Some(profile) = &context.profile {
        child.args(["--profile", profile]);
    }
    if context.json_by_flag {
        child.args(["--output", "json"]);
    }
    apply(&mut child, token.clone());
    if !typed {
        // The lines behind this one are ours.
        child.stdin(Stdio::null());
    }
    let ended = child.status().map_err(|error| Failure::system("cannot run the command", &error))?;
    match ended.code() {
        Some(0) => Ok(()),
        // It has told its own failure.
        _ if typed => Ok(()),
        code => {
            let exit = code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
            Err(Failure {
                reason: "FAILED".into(),
                message: format!("'/{command}' failed"),
                hint: None,
                exit,
            })
        }
    }
}
