//! What people type who know other tools, and what it is called here. Only a line that could not be parsed is
//! looked up, so that no guess is ever in the way of a command.

use clap::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::commands::scitoolkit;

/// A guess and the command that was meant, on a line each; the first guess that fits counts. In a guess, `a|b` are
/// words for the same, `*` is any word and `URL` one that is an address; what is typed may go on. In a command, `*`
/// is that word and `$` the first one.
const GUESSES: &str = include_str!("../help/guesses.txt");

/// Other words for things that have commands.
const THINGS: [(&str, &[&str]); 4] = [
    ("profile", &["profiles", "account", "accounts"]),
    ("org", &["orgs", "organization", "organizations", "organisation", "organisations"]),
    ("workspace", &["workspaces", "ws"]),
    ("agent", &["daemon", "server", "service"]),
];

/// The commands of the program by its other name.
const OF_SCITOOLKIT: [&str; 4] = ["login", "logout", "whoami", "--version"];

/// The commands that are about one profile.
const OF_PROFILE: [&str; 10] =
    ["login", "logout", "status", "whoami", "token", "exec", "ai", "info", "org", "workspace"];

/// The words of a command line without its options, and the profile that it names.
struct Typed<'a> {
    words: Vec<&'a str>,
    profile: Option<&'a str>,
}

/// The command that was meant by a line that could not be parsed, such as `seqera login`; `typed` is the line
/// without the program.
pub(crate) fn meant(error: &Error, typed: &[String], called: &str) -> Option<String> {
    let odd = odd_word(error)?;
    let Typed { mut words, profile } = Typed::of(typed);
    let is_odd = |word: &&str| *word == odd;
    let first = words.first().copied();
    let guessed = if odd.starts_with('-') {
        let both: Vec<_> = first.into_iter().chain([odd]).collect();
        find(&both, |length| length > 1)
            .or_else(|| find(&[odd], |_| true).map(|tip| tip.replace('$', first.unwrap_or(""))))
    } else {
        if first == Some("help") {
            words.remove(0);
        }
        let real = words.clone();
        if let Some((thing, _)) = words.first().and_then(|word| thing(word)) {
            words[0] = thing;
        }
        find(&words, |length| real.iter().take(length).any(is_odd))
    };
    let guessed = guessed?.trim().to_owned();
    if called == scitoolkit::NAME {
        return OF_SCITOOLKIT.contains(&guessed.as_str()).then(|| format!("{called} {guessed}"));
    }
    let (command, rest) = guessed
        .split_once(' ')
        .map_or((guessed.as_str(), String::new()), |(command, rest)| (command, format!(" {rest}")));
    let of_profile = profile
        .filter(|_| OF_PROFILE.contains(&command) && !rest.contains("--profile") && !rest.contains("--all"));
    let profile = of_profile.map(|profile| format!(" --profile {profile}")).unwrap_or_default();
    Some(format!("{called} {command}{profile}{rest}").trim_end().to_owned())
}

/// True if only the version is asked for.
pub(crate) fn is_version(typed: &[String]) -> bool {
    Typed::of(typed).words == ["version"]
}

/// Makes the tip part of what is printed, in place of those by similar spelling.
pub(crate) fn add(error: &mut Error, meant: &str) {
    error.remove(ContextKind::SuggestedSubcommand);
    error.remove(ContextKind::SuggestedArg);
    let tip = format!("run '{meant}'");
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
}

/// The word that is no command, argument or option.
fn odd_word(error: &Error) -> Option<&str> {
    let kind = match error.kind() {
        ErrorKind::InvalidSubcommand => ContextKind::InvalidSubcommand,
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        _ => return None,
    };
    match error.get(kind)? {
        ContextValue::String(word) => Some(word),
        _ => None,
    }
}

impl<'a> Typed<'a> {
    fn of(typed: &'a [String]) -> Self {
        let (mut words, mut profile) = (Vec::new(), None);
        let mut typed = typed.iter().map(String::as_str);
        while let Some(word) = typed.next() {
            match word {
                "-p" | "--profile" => profile = typed.next().filter(|name| is_plain(name)),
                "-o" | "--output" => drop(typed.next()),
                word if word.starts_with('-') => {
                    profile = word.strip_prefix("--profile=").filter(|name| is_plain(name)).or(profile);
                }
                word => words.push(word),
            }
        }
        Self { words, profile }
    }
}

fn thing(word: &str) -> Option<&'static (&'static str, &'static [&'static str])> {
    THINGS.iter().find(|(_, others)| others.contains(&word))
}

/// The command of the first guess that fits, if `counts` for that number of words.
fn find(words: &[&str], counts: impl Fn(usize) -> bool) -> Option<String> {
    GUESSES.lines().find_map(|line| {
        let (guess, command) = line.split_once(" = ")?;
        let any = fits(guess, words).filter(|_| counts(guess.split(' ').count()))?;
        let first = words.first().copied().unwrap_or_default();
        let command = if first.starts_with('-') { command.to_owned() } else { command.replace('$', first) };
        Some(command.replace('*', any))
    })
}

/// The word that stands for `*`, or nothing, if the guess fits the first of these words.
fn fits<'a>(guess: &str, words: &[&'a str]) -> Option<&'a str> {
    let mut any = "";
    for (index, part) in guess.split(' ').enumerate() {
        let word = words.get(index)?;
        let is_any = match part {
            "*" => !word.starts_with('-'),
            "URL" => word.contains("://") || word.contains('.'),
            _ => false,
        };
        match part {
            _ if is_any => any = if is_plain(word) { word } else { "NAME" },
            _ if part.split('|').any(|one| one == *word) => {}
            _ => return None,
        }
    }
    Some(any)
}

/// True for a word that a shell takes as it is.
fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "-_.:/@%+,".contains(c))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    fn typed(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn tip(line: &str) -> Option<String> {
        let typed = typed(line);
        let error = Cli::try_parse_from(std::iter::once("seqera".to_owned()).chain(typed.clone())).err();
        meant(&error.unwrap_or_else(|| panic!("'{line}' is a command")), &typed, "seqera")
    }

    #[test]
    fn first_guesses_lead_to_the_command() {
        for (guess, command) in [
            ("auth login", "login"),
            ("auth status", "status"),
            ("auth token -p work", "token --profile work"),
            ("auth", "login"),
            ("login status", "status"),
            ("login https://platform.example.com/api", "login --authority https://platform.example.com/api"),
            ("login platform.example.com -p work", "login --profile work --authority platform.example.com"),
            ("login work", "login --profile work"),
            ("profile add work", "login --profile work"),
            ("profile delete work", "profile remove work"),
            ("accounts rm work", "profile remove work"),
            ("profile mv a b", "profile rename OLD NEW"),
            ("profiles", "profile list"),
            ("profile work", "profile show work"),
            ("status work", "status --profile work"),
            ("token print", "token"),
            ("logout all", "logout --all"),
            ("logout -a", "logout --all"),
            ("configure", "login"),
            ("init", "login"),
            ("config set x y", "profile show"),
            ("organizations use genomics", "org switch genomics"),
            ("ws", "workspace list"),
            ("run ls -l", "exec ls"),
            ("doctor", "agent doctor"),
            ("restart", "agent restart"),
            ("daemon kill", "agent stop"),
            ("help auth", "login"),
            ("status --json", "status -o json"),
            ("-v", "--version"),
            ("login --host https://x.test", "login --authority URL"),
            ("token $(x)", "token --profile NAME"),
        ] {
            assert_eq!(tip(guess), Some(format!("seqera {command}")), "{guess}");
        }
    }

    #[test]
    fn a_fault_in_something_else_is_no_guess() {
        for line in ["login --provider nonsense", "status --bogus", "login --bogus x", "frobnicate", "exec"] {
            assert_eq!(tip(line), None, "{line}");
        }
    }

    #[test]
    fn no_guess_is_a_command_and_every_tip_is_one() {
        let parsed = |line: &str| Cli::try_parse_from(line.split_whitespace());
        for line in GUESSES.lines() {
            let (guess, command) = line.split_once(" = ").unwrap();
            let words: Vec<_> = guess.split(' ').map(|word| word.split('|').next().unwrap()).collect();
            // By another name for the thing: `profile list` is a command, and `profiles list` is not.
            let other = THINGS.iter().find(|(name, _)| *name == words[0]).map_or(words[0], |(_, all)| all[0]);
            let typed = [&[other], &words[1..]].concat().join(" ").replace('*', "work");
            let typed = typed.replace("URL", "https://x.test");
            let shadowed = parsed(&format!("seqera {typed}")).is_ok();
            assert!(shadowed || tip(&typed).is_some(), "{line}: {typed}");
            let first = if words[0].starts_with('-') { "status" } else { words[0] };
            let meant = command.replace('$', first).replace("completions *", "completions fish");
            match parsed(&format!("seqera {}", meant.replace('*', "work"))) {
                Ok(_) => {}
                // Help and the version come as errors, too.
                Err(error) => assert!(!error.use_stderr(), "{line}: {error}"),
            }
        }
    }

    #[test]
    fn the_version_is_given_and_not_only_explained() {
        assert!(is_version(&typed("version")) && is_version(&typed("-o json version")));
        assert!(!is_version(&typed("version x")) && !is_version(&typed("")));
    }

    #[test]
    fn the_other_name_of_the_program_has_fewer_commands() {
        let tip = |line: &str| {
            let typed = typed(line);
            let words = std::iter::once(scitoolkit::NAME.to_owned()).chain(typed.clone());
            meant(&scitoolkit::Cli::try_parse_from(words).err().unwrap(), &typed, scitoolkit::NAME)
        };
        assert_eq!(tip("auth login").as_deref(), Some("scitoolkit login"));
        assert_eq!(tip("status").as_deref(), Some("scitoolkit whoami"));
        assert_eq!(tip("agent stop"), None);
    }
}
