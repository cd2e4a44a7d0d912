//! `seqera completions`: a few lines for a shell, which ask this command at each Tab what may come next. So
//! they are never out of date, and complete the names of profiles as well.

use std::ffi::OsString;
use std::time::Duration;

use clap::builder::StyledStr;
use clap::{Arg, Args, Command, ValueEnum};
use seqera_client::{Client, Options};

use crate::commands::profile::NAMED;
use crate::screen::data;
use crate::screen::failure::Failure;
use crate::settings::context::{Context, wait};

/// How long a person who presses Tab may wait for the names of profiles.
const PATIENCE: Duration = Duration::from_millis(700);

/// Print what makes a shell complete commands, options and profiles
///
/// Load it where your shell starts. The commands stand at the top of what is printed.
#[derive(Debug, Clone, Copy, Args)]
#[command(after_help = "\
Examples:
  echo 'source <(seqera completions bash)' >> ~/.bashrc
  seqera completions zsh > ~/.zfunc/_seqera
  seqera completions fish > ~/.config/fish/completions/seqera.fish")]
pub(crate) struct Completions {
    /// The shell that shall complete
    shell: Shell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
    Powershell,
}

/// What the shells call: the words after `seqera`, the last one being typed.
#[derive(Debug, Clone, Args)]
pub(crate) struct Complete {
    shell: Shell,
    #[arg(last = true)]
    words: Vec<OsString>,
}

/// A word that may come next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) word: String,
    help: String,
}

pub(super) fn run(args: Completions) -> Result<(), Failure> {
    data(
        match args.shell {
            Shell::Bash => include_str!("completions/seqera.bash"),
            Shell::Zsh => include_str!("completions/seqera.zsh"),
            Shell::Fish => include_str!("completions/seqera.fish"),
            Shell::Powershell => include_str!("completions/seqera.ps1"),
        }
        .trim_end(),
    )
}

/// Completes nothing if something goes wrong, since a shell has no place for an error here. `whole` is the
/// definition of the whole command line.
pub(super) fn complete(context: &Context, args: &Complete, whole: Command) -> Result<(), Failure> {
    let words: Vec<_> = args.words.iter().map(|word| word.to_string_lossy()).collect();
    let (current, before) = words.split_last().map_or(("", &[][..]), |(last, rest)| (last.as_ref(), rest));
    let current = if current == "\"\"" { "" } else { current };
    let begun = current.starts_with('-');
    let mut found = candidates(whole, before, begun, || profiles(context)).unwrap_or_default();
    found.retain(|candidate| candidate.word.starts_with(current));
    found.iter().try_for_each(|candidate| data(&candidate.line(args.shell)))
}

/// What may come after the words `before`: an option if one is `begun`. `None` if the next word belongs to
/// the program that `exec` runs.
pub(crate) fn candidates(
    mut whole: Command,
    before: &[impl AsRef<str>],
    begun: bool,
    profiles: impl FnOnce() -> Vec<Candidate>,
) -> Option<Vec<Candidate>> {
    whole.build();
    Some(match Place::of(&whole, before) {
        Place::Program => return None,
        Place::Value(arg) if arg.get_id() == "profile" => profiles(),
        Place::Value(arg) => values(arg),
        Place::Word(command) if !begun && names_profile(command) => profiles(),
        Place::Word(command) => words_of(command, begun),
    })
}

/// The role of the word that is being typed.
enum Place<'a> {
    /// The value of an option.
    Value(&'a Arg),
    /// A subcommand, an option or an argument.
    Word(&'a Command),
    /// Part of the command line of the program that `exec` runs.
    Program,
}

impl<'a> Place<'a> {
    fn of(root: &'a Command, before: &[impl AsRef<str>]) -> Self {
        let mut command = root;
        let mut value_of = None;
        for word in before {
            let word = word.as_ref();
            if value_of.take().is_some() {
                continue;
            }
            if word == "--" {
                return Self::Program;
            } else if word.starts_with('-') {
                value_of = option(command, word).filter(|arg| arg.get_action().takes_values());
            } else if let Some(sub) = command.find_subcommand(word) {
                command = sub;
            } else if command.get_positionals().any(Arg::is_trailing_var_arg_set) {
                return Self::Program;
            }
        }
        value_of.map_or(Self::Word(command), Self::Value)
    }
}

/// The argument of `profile use` and `profile show`.
fn names_profile(command: &Command) -> bool {
    command.get_positionals().any(|arg| arg.get_id() == NAMED)
}

/// The option that `--name` or `-n` means; `None` if the word already contains its value.
fn option<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let name = word.trim_start_matches('-');
    let is = |arg: &&Arg| match word.starts_with("--") {
        true => arg.get_long() == Some(name),
        false => arg.get_short().is_some_and(|short| name.chars().eq([short])),
    };
    command.get_arguments().find(is)
}

/// Subcommands and the values of arguments, or options if one is begun.
fn words_of(command: &Command, options: bool) -> Vec<Candidate> {
    if options {
        let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
        let named = shown.filter_map(|arg| Some((format!("--{}", arg.get_long()?), arg.get_help())));
        return named.map(|(word, help)| Candidate::new(word, help)).collect();
    }
    let subcommands = command.get_subcommands().filter(|sub| !sub.is_hide_set());
    let subcommands = subcommands.map(|sub| Candidate::new(sub.get_name().to_owned(), sub.get_about()));
    subcommands.chain(command.get_positionals().flat_map(values)).collect()
}

fn values(arg: &Arg) -> Vec<Candidate> {
    let values = arg.get_possible_values().into_iter().filter(|value| !value.is_hide_set());
    values.map(|value| Candidate::new(value.get_name().to_owned(), value.get_help())).collect()
}

/// The names that a running agent knows. No agent is started for this; without one, the names in the file.
fn profiles(context: &Context) -> Vec<Candidate> {
    let listed = context.options().and_then(|options| {
        let client = Client::new(Options { start_agent: false, deadline: PATIENCE, ..options });
        wait(async { Ok(client.list().await?) })
    });
    let names: Vec<String> = match listed {
        Ok(listed) => listed.sessions.into_iter().map(|status| status.profile).collect(),
        Err(_) => context.config().iter().flat_map(|config| config.profiles().map(str::to_owned)).collect(),
    };
    names.into_iter().map(|name| Candidate::new(name, None)).collect()
}

impl Candidate {
    fn new(word: String, help: Option<&StyledStr>) -> Self {
        let help = help.map(ToString::to_string).unwrap_or_default();
        Self { word, help: help.lines().next().unwrap_or_default().to_owned() }
    }

    fn line(&self, shell: Shell) -> String {
        match shell {
            _ if self.help.is_empty() => self.word.clone(),
            Shell::Bash => self.word.clone(),
            Shell::Zsh => format!("{}:{}", self.word.replace(':', "\\:"), self.help),
            Shell::Fish | Shell::Powershell => format!("{}\t{}", self.word, self.help),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_offered_with_their_help() {
        let device = Arg::new("device").long("device").help("Show a code\nor two");
        let candidates = words_of(&Command::new("login").arg(device), true);
        assert_eq!(candidates[0].line(Shell::Fish), "--device\tShow a code");
        assert_eq!(candidates[0].line(Shell::Bash), "--device");
    }
}
