//! `seqera completions`: a few lines for a shell, which ask this command at each Tab what may come next. So
//! they are never out of date, and complete the names of profiles, organizations, workspaces and programs as well.

mod quoting;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::StyledStr;
use clap::{Arg, Args, Command};
use seqera_client::{Client, Options};

use self::quoting::{Shell, Typed, inserted};
use crate::commands::choices;
use crate::commands::listing::{Item, Kind};
use crate::commands::profile::NAMED;
use crate::screen::data;
use crate::screen::failure::Failure;
use crate::settings::context::{Context, wait};
use crate::settings::subject::Named;

/// What has names that only the agent, the Platform or the machine knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    Profiles,
    Of(Kind),
    /// On `PATH`.
    Programs,
}

/// How long a person who presses Tab may wait for names.
const PATIENCE: Duration = Duration::from_millis(700);

/// Print a script that completes commands, options and profiles in a shell
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
    let typed = Typed::read(args.shell, current);
    let (current, begun) = (typed.text.as_str(), typed.text.starts_with('-'));
    // Fish has read these already.
    let text = |word: &Cow<'_, str>| match args.shell {
        Shell::Fish => word.clone().into_owned(),
        shell => Typed::read(shell, word).text,
    };
    let before: Vec<_> = before.iter().map(text).collect();
    let names = |names| match names {
        Names::Profiles => profiles(context),
        Names::Of(kind) => of_platform(context, kind, &before),
        Names::Programs if current.contains('/') => Vec::new(),
        Names::Programs => programs(&context.env.search_path(), current),
    };
    // A name that looks like an option would be one.
    let names = |of| names(of).into_iter().filter(|name| !name.word.starts_with('-')).collect();
    let mut found = candidates(whole, &before, begun, names).unwrap_or_default();
    found.retain(|candidate| candidate.word.starts_with(current));
    found.iter().filter_map(|candidate| candidate.line(args.shell, &typed)).try_for_each(|line| data(&line))
}

/// What may come after the words `before`: an option if one is `begun`. `None` if the next word belongs to
/// the program that `exec` runs.
pub(crate) fn candidates(
    mut whole: Command,
    before: &[impl AsRef<str>],
    begun: bool,
    named: impl FnOnce(Names) -> Vec<Candidate>,
) -> Option<Vec<Candidate>> {
    whole.build();
    Some(match Place::of(&whole, before) {
        Place::Inside => return None,
        Place::Program => named(Names::Programs),
        Place::Value(arg) => match names_of(arg) {
            Some(names) => named(names),
            None => values(arg),
        },
        Place::Word(command) if begun => words_of(command, true),
        Place::Word(command) if runs_program(command) => named(Names::Programs),
        Place::Word(command) => match command.get_positionals().find_map(names_of) {
            Some(names) => named(names),
            None => words_of(command, false),
        },
    })
}

/// What the value of an argument names.
fn names_of(arg: &Arg) -> Option<Names> {
    match arg.get_id().as_str() {
        "profile" | NAMED => Some(Names::Profiles),
        "organization" | choices::ORGANIZATION => Some(Names::Of(Kind::Organization)),
        choices::WORKSPACE => Some(Names::Of(Kind::Workspace)),
        _ => None,
    }
}

fn runs_program(command: &Command) -> bool {
    command.get_positionals().any(Arg::is_trailing_var_arg_set)
}

/// The role of the word that is being typed.
enum Place<'a> {
    /// The value of an option.
    Value(&'a Arg),
    /// A subcommand, an option or an argument.
    Word(&'a Command),
    /// The program that `exec` runs.
    Program,
    /// Part of the command line of that program, or a word behind `--`.
    Inside,
}

impl<'a> Place<'a> {
    fn of(root: &'a Command, before: &[impl AsRef<str>]) -> Self {
        let mut command = root;
        let (mut value_of, mut ended) = (None, false);
        for word in before {
            let word = word.as_ref();
            if value_of.take().is_some() {
                continue;
            }
            if ended {
                return Self::Inside;
            } else if word == "--" {
                ended = true;
            } else if word.starts_with('-') {
                value_of = option(command, word).filter(|arg| arg.get_action().takes_values());
            } else if let Some(sub) = command.find_subcommand(word) {
                command = sub;
            } else if runs_program(command) {
                return Self::Inside;
            }
        }
        match value_of {
            Some(arg) => Self::Value(arg),
            None if ended && runs_program(command) => Self::Program,
            None if ended => Self::Inside,
            None => Self::Word(command),
        }
    }
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

/// The names of organisations or workspaces, as the Platform lists them for the profile in the words `before`.
fn of_platform(context: &Context, kind: Kind, before: &[impl AsRef<str>]) -> Vec<Candidate> {
    let words: Vec<_> = before.iter().map(AsRef::as_ref).collect();
    let named = |pair: &&[&str]| matches!(pair[0], "-p" | "--profile");
    let apart = words.windows(2).filter(named).map(|pair| pair[1]).next_back();
    let flag = apart.or_else(|| words.iter().find_map(|word| word.strip_prefix("--profile=")));
    let listing = Named::choose(flag, &context.env, || context.config()).and_then(|named| {
        let Named { profile, authority } = named;
        let options = context.options()?;
        let client =
            Client::new(Options { start_agent: false, deadline: PATIENCE, profile, authority, ..options });
        wait(async { Ok(kind.of_profile(&client).await?) })
    });
    let listing = listing.unwrap_or_default();
    let within_one = listing.organization.is_some();
    let offered = |item: &&Item| Candidate {
        word: if within_one { item.name.clone() } else { item.address() },
        help: item.full_name(),
    };
    listing.reachable().iter().map(offered).collect()
}

/// The programs in these folders whose names begin so.
fn programs(folders: &[PathBuf], begun: &str) -> Vec<Candidate> {
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten());
    let named = entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry)));
    let fitting = named.filter(|(name, entry)| name.starts_with(begun) && is_program(&entry.path()));
    let names: BTreeSet<_> = fitting.map(|(name, _)| name).collect();
    names.into_iter().map(|name| Candidate::new(name, None)).collect()
}

#[cfg(unix)]
fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Windows knows programs by the ends of their names.
#[cfg(not(unix))]
fn is_program(file: &Path) -> bool {
    file.extension()
        .is_some_and(|end| ["exe", "bat", "cmd", "com"].iter().any(|known| end.eq_ignore_ascii_case(known)))
}

impl Candidate {
    pub(crate) fn new(word: String, help: Option<&StyledStr>) -> Self {
        let help = help.map(ToString::to_string).unwrap_or_default();
        Self { word, help: help.lines().next().unwrap_or_default().to_owned() }
    }

    /// What the script of the shell takes; `None` if the word cannot stand where `typed` does.
    fn line(&self, shell: Shell, typed: &Typed) -> Option<String> {
        let word = inserted(shell, &self.word, typed)?;
        Some(match shell {
            _ if self.help.is_empty() => word,
            Shell::Bash => word,
            Shell::Zsh => format!("{word}:{}", self.help),
            Shell::Fish | Shell::Powershell => format!("{word}\t{}", self.help),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn programs_are_what_can_be_run_and_stand_once() {
        use std::os::unix::fs::PermissionsExt;
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folders = [one.path().to_owned(), "/nowhere".into(), other.path().to_owned()];
        for (folder, name, mode) in [
            (0, "nextflow", 0o755),
            (2, "nextflow", 0o755),
            (2, "next", 0o755),
            (0, "new", 0o644),
            (0, "tw", 0o755),
        ] {
            let file = folders[folder].join(name);
            std::fs::write(&file, "").unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        std::fs::create_dir(folders[0].join("nest")).unwrap();
        let words: Vec<_> = programs(&folders, "ne").into_iter().map(|found| found.word).collect();
        assert_eq!(words, ["next", "nextflow"]);
    }

    #[test]
    fn options_are_offered_with_their_help() {
        let device = Arg::new("device").long("device").help("Show a code\nor two");
        let candidates = words_of(&Command::new("login").arg(device), true);
        let line = |shell| candidates[0].line(shell, &Typed::read(shell, "--d")).unwrap();
        assert_eq!(line(Shell::Fish), "--device\tShow a code");
        assert_eq!(line(Shell::Bash), "--device");
    }
}
