//! The prompt for a machine without Co-Scientist. It knows the session and nothing else, and says so. Lines can be
//! edited, and those of this run come back with the arrow keys; nothing of them is written to a file.

use std::io::{IsTerminal, stdin};
use std::process::Stdio;
#[cfg(unix)]
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use seqera_client::program;
use tokio::process::Command;
use tokio::sync::oneshot;

#[cfg(unix)]
use crate::commands::ai::editor;
use crate::commands::ai::front_end::not_installed;
use crate::screen::failure::{Failure, Hint};
use crate::screen::layout::wrap;
use crate::screen::terminal;
use crate::settings::context::{Context, wait};
use crate::settings::env::{EnvToken, TOKEN_FILE};

/// The option that brings a token, in place of a variable.
pub(super) const FLAG: &str = "--token";

/// The variable in which a command gets the token of the option.
const PASSED: &str = "SEQERA_ACCESS_TOKEN";

/// The commands that can be typed, and what they are for.
const COMMANDS: [(&str, &str); 8] = [
    ("status", "who is signed in"),
    ("whoami", "the account"),
    ("info", "user, backend, Platform"),
    ("org", "also: list, switch, clear"),
    ("workspace", "also: list, switch, clear"),
    ("profile", "also: list, use, show"),
    ("login", "sign in"),
    ("logout", "sign out"),
];

/// Reads lines until `/exit` or the end of the input. The commands use `token`, if there is one.
///
/// # Errors
/// In a pipe, the first failure of a line. At a terminal or in a pipe, Ctrl-C while no command runs.
pub(super) fn run(context: &Context, token: Option<&EnvToken>) -> Result<(), Failure> {
    let typed = stdin().is_terminal();
    if typed {
        let banner = "Co-Scientist itself is not installed here: this prompt knows your session and no \
                      more. Install it with 'npm install -g seqera'. /help lists what works, /exit leaves.";
        wrap(banner, terminal::columns(), true).iter().for_each(|line| context.screen.tell(line));
        if let Some(token) = token {
            let passed = if is_given(token) { ", for commands as SEQERA_ACCESS_TOKEN," } else { "" };
            let from = token.variable;
            context.screen.note(&format!("the token in {from} is used here{passed} and no session"));
        }
    }
    wait(Prompt { context, token, typed, lines: Lines::new(context, typed) }.run())
}

struct Prompt<'a> {
    context: &'a Context,
    token: Option<&'a EnvToken>,
    /// True if a person types the lines, and so sees each failure at once.
    typed: bool,
    lines: Lines,
}

/// What is shown where a line can be typed.
const PROMPT: &str = "seqera> ";

/// Where lines come from.
#[derive(Clone)]
enum Lines {
    /// Standard input as it is: a pipe, or a terminal that edits lines by itself or not at all.
    Plain,
    #[cfg(unix)]
    Edited(Arc<Mutex<editor::Lines>>),
}

impl Lines {
    #[cfg(unix)]
    fn new(context: &Context, typed: bool) -> Self {
        let edits = typed && !context.screen.json && context.env.edits_lines();
        let editor = edits.then(|| editor::Lines::new(PROMPT)).flatten();
        editor.map_or(Self::Plain, |editor| Self::Edited(Arc::new(Mutex::new(editor))))
    }

    /// The console of Windows edits lines and keeps their history by itself.
    #[cfg(not(unix))]
    fn new(_: &Context, _: bool) -> Self {
        Self::Plain
    }

    /// Reads a line; `None` at the end of the input.
    fn read(&self) -> std::io::Result<Option<String>> {
        match self {
            Self::Plain => {
                let mut line = String::new();
                stdin().read_line(&mut line).map(|read| (read > 0).then_some(line))
            }
            #[cfg(unix)]
            Self::Edited(editor) => editor.lock().unwrap_or_else(PoisonError::into_inner).read(),
        }
    }
}

impl Prompt<'_> {
    async fn run(&self) -> Result<(), Failure> {
        let mut first_failure = None;
        while let Some(line) = self.line().await? {
            let done = match line.trim() {
                "" => Ok(()),
                "/exit" | "/quit" => break,
                "/help" => help(self.context),
                line => match line.strip_prefix('/') {
                    Some(command) => self.session_command(command).await,
                    None => Err(not_installed()),
                },
            };
            match done {
                Err(failure) if self.typed => self.context.screen.failure(&failure),
                Err(failure) => first_failure = first_failure.or(Some(failure)),
                Ok(()) => {}
            }
        }
        first_failure.map_or(Ok(()), Err)
    }

    /// Reads one line; `None` at the end of the input. A thread reads it and nothing more: what is typed
    /// while a command runs belongs to that command.
    async fn line(&self) -> Result<Option<String>, Failure> {
        // Restores the terminal however this ends.
        #[cfg(unix)]
        let _raw = match &self.lines {
            Lines::Edited(_) => Some(editor::Raw::set().map_err(|error| unread(&error))?),
            Lines::Plain => None,
        };
        if self.typed && matches!(self.lines, Lines::Plain) {
            self.context.screen.question(PROMPT);
        }
        let (sender, line) = oneshot::channel();
        let lines = self.lines.clone();
        thread::spawn(move || drop(sender.send(lines.read())));
        let read = tokio::select! {
            read = line => read.unwrap_or(Ok(None)),
            _ = tokio::signal::ctrl_c() => {
                self.context.screen.tell("");
                return Err(Failure::interrupted("the prompt was left"));
            }
        };
        let line = read.map_err(|error| unread(&error))?;
        if line.is_none() && self.typed && matches!(self.lines, Lines::Plain) {
            self.context.screen.tell("");
        }
        Ok(line)
    }

    /// Runs one of our commands as a separate process: whatever it does to the terminal ends with it, and
    /// Ctrl-C ends it alone.
    async fn session_command(&self, command: &str) -> Result<(), Failure> {
        let failed = |error| Failure::system("cannot run the command", &error);
        let mut child = Command::from(self.program(command)?).spawn().map_err(failed)?;
        let ended = loop {
            tokio::select! {
                ended = child.wait() => break ended.map_err(failed)?,
                // The terminal sends the signal to the command as well.
                _ = tokio::signal::ctrl_c() => {}
            }
        };
        // A person has already read why it failed.
        if ended.success() || self.typed {
            return Ok(());
        }
        let exit = ended.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
        Err(Failure {
            reason: "FAILED".into(),
            message: format!("'/{command}' failed"),
            hint: Hint::None,
            exit,
        })
    }

    fn program(&self, command: &str) -> Result<std::process::Command, Failure> {
        let mut words = command.split_whitespace();
        let name = words.next().unwrap_or_default();
        if !COMMANDS.iter().any(|(known, _)| *known == name) {
            let message = format!("there is no command '/{name}' here");
            return Err(Failure::usage(message, Some("/help lists what works")));
        }
        let own = program::itself();
        let mut program = own.map_err(|error| Failure::system("cannot start this program again", &error))?;
        program.arg(name).args(words);
        match (self.token, &self.context.profile) {
            (Some(token), _) if is_given(token) => {
                // A file would come before it.
                program.env(PASSED, &token.secret).env_remove("SEQERA_EXEC_TOKEN").env_remove(TOKEN_FILE);
            }
            (None, Some(profile)) => drop(program.args(["--profile", profile])),
            _ => {}
        }
        // Only the Platform knows whose token it is.
        if self.token.is_some() && name == "status" {
            program.arg("--check");
        }
        if self.context.json_by_flag {
            program.args(["--output", "json"]);
        }
        if !self.typed {
            // The lines that follow are for the prompt.
            program.stdin(Stdio::null());
        }
        Ok(program)
    }
}

fn unread(error: &std::io::Error) -> Failure {
    Failure::system("cannot read from standard input", error)
}

/// True for the token of the option: the commands do not find it in the environment by themselves.
fn is_given(token: &EnvToken) -> bool {
    token.variable == FLAG
}

fn help(context: &Context) -> Result<(), Failure> {
    if context.screen.json {
        let commands: serde_json::Map<_, _> =
            COMMANDS.iter().map(|(name, does)| ((*name).to_owned(), (*does).into())).collect();
        return context.screen.object(&serde_json::json!({"commands": commands}));
    }
    let width = COMMANDS.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 1;
    for (name, does) in COMMANDS {
        context.screen.say(&format!("/{name:width$} {does}"))?;
    }
    context.screen.say(&format!("/{:width$} leave; Ctrl-D too", "exit"))
}
