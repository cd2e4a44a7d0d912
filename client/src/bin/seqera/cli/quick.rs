//! The arguments of `token` and `exec`, read without clap. These two are called in loops, and to build the
//! definition of the whole command line takes longer than everything else that they do. Only plain forms are
//! understood. Everything else, help and mistakes included, is left to clap, and so is an option that this
//! file does not know. A test holds the two readings against each other.

use std::ffi::OsString;
use std::time::Duration;

use clap::ValueEnum;
use seqera_client::proto::values::length;

use crate::cli::Cli;
use crate::commands::Command;
use crate::commands::{exec, token};

/// The words behind the program's own name, as clap would read them; `None` if clap has to look.
pub(crate) fn read(mut words: &[OsString]) -> Option<Cli> {
    let mut line = Line::default();
    while let Some((word, rest)) = words.split_first() {
        match (line.command, word.to_str()?) {
            ("", command @ ("token" | "exec")) => (line.command, words) = (command, rest),
            ("exec", "--") => return line.exec(rest),
            ("exec", "--long") if !line.long => (line.long, words) = (true, rest),
            ("exec", program) if !program.starts_with('-') => return line.exec(words),
            (_, option) => words = line.take(option, rest)?,
        }
    }
    line.token()
}

/// What has been read so far.
#[derive(Default)]
struct Line<'a> {
    command: &'a str,
    profile: Option<&'a str>,
    output: Option<&'a str>,
    min_valid: Option<&'a str>,
    timeout: Option<&'a str>,
    format: Option<&'a str>,
    long: bool,
    keep: Option<&'a str>,
}

impl<'a> Line<'a> {
    /// Takes an option with its value, which may be the first of the words behind it. Returns the words that
    /// are left.
    fn take(&mut self, option: &'a str, rest: &'a [OsString]) -> Option<&'a [OsString]> {
        let (name, value, rest) = match option.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, value, rest),
            Some(_) => return None,
            None => (option, rest.first()?.to_str()?, &rest[1..]),
        };
        let place = match (self.command, name) {
            (_, "--profile" | "-p") => &mut self.profile,
            (_, "--output" | "-o") => &mut self.output,
            ("token", "--min-valid") => &mut self.min_valid,
            ("token", "--timeout") => &mut self.timeout,
            ("token", "--format") => &mut self.format,
            ("exec", "--for") => &mut self.keep,
            _ => return None,
        };
        let plain = !value.is_empty() && !value.starts_with('-');
        (plain && place.replace(value).is_none()).then_some(rest)
    }

    fn token(self) -> Option<Cli> {
        if self.command != "token" {
            return None;
        }
        let args = token::Args {
            min_valid: length(self.min_valid)?,
            timeout: length(self.timeout)?.unwrap_or(token::TIMEOUT),
            format: choice(self.format)?,
            decode: false,
            force_new: false,
            write: None,
            watch: false,
        };
        self.of(Command::Token(args))
    }

    /// `command` is the program with its arguments. clap takes a `--` among them for its own.
    fn exec(self, command: &[OsString]) -> Option<Cli> {
        let keep = length(self.keep)?;
        let complete = !command.is_empty() && (self.long || keep.is_none());
        let plain = complete && command.iter().all(|word| word != "--");
        let args =
            plain.then(|| exec::Exec { long: self.long, keep, force: false, command: command.to_vec() })?;
        self.of(Command::Exec(args))
    }

    fn of(self, command: Command) -> Option<Cli> {
        Some(Cli { profile: self.profile.map(str::to_owned), output: choice(self.output)?, command })
    }
}

/// `None` if there is a text that is no length of time.
fn length(text: Option<&str>) -> Option<Option<Duration>> {
    text.map(length::read).transpose().ok()
}

/// `None` if there is a text that names no choice.
fn choice<T: ValueEnum>(text: Option<&str>) -> Option<Option<T>> {
    text.map(|text| T::from_str(text, false)).transpose().ok()
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use proptest::prelude::*;

    use super::*;

    fn quickly(words: &[&str]) -> Option<Cli> {
        read(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    /// Words that make up lines, right and wrong ones.
    const WORDS: [&str; 36] = [
        "token",
        "exec",
        "status",
        "-p",
        "--profile",
        "work",
        "--profile=work",
        "-pwork",
        "-p=work",
        "-o",
        "--output",
        "json",
        "--output=json",
        "-o=json",
        "--min-valid",
        "5m",
        "--min-valid=90s",
        "--timeout",
        "--timeout=x",
        "--format",
        "header",
        "--format=env",
        "--decode",
        "--force-new",
        "--write=f",
        "--watch",
        "--long",
        "--for",
        "--for=12h",
        "--",
        "-",
        "-x",
        "",
        "--profile=",
        "--help",
        "nextflow",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        /// Debug shows every field, and no secret is among them.
        #[test]
        fn what_is_read_quickly_is_what_clap_reads(
            command in prop::sample::select(&["token", "exec"][..]),
            before in prop::collection::vec(prop::sample::select(&WORDS[..]), 0..3),
            after in prop::collection::vec(prop::sample::select(&WORDS[..]), 0..5),
        ) {
            let words: Vec<_> = before.into_iter().chain([command]).chain(after).collect();
            if let Some(quick) = quickly(&words) {
                let whole = Cli::try_parse_from(["seqera"].iter().chain(&words));
                prop_assert_eq!(format!("{:?}", whole.ok()), format!("{:?}", Some(quick)), "{:?}", words);
            }
        }
    }

    #[test]
    fn the_forms_that_scripts_use_need_no_clap() {
        for line in [
            "token",
            "token --profile work",
            "-p work token --format header",
            "token --format=json --min-valid=5m --timeout 10s",
            "token -o json",
            "exec tw runs list -o json",
            "exec --profile=work -- tw runs list",
            "exec --long --for 12h -- sbatch job.sh",
        ] {
            let words: Vec<_> = line.split(' ').collect();
            let whole = Cli::try_parse_from(["seqera"].iter().chain(&words)).unwrap();
            assert_eq!(format!("{:?}", quickly(&words)), format!("{:?}", Some(whole)), "{line}");
        }
    }

    #[test]
    fn whatever_is_not_plain_is_left_to_clap() {
        for line in [
            "",
            "status",
            "token --help",
            "token -p work -p other",
            "token --profile -x",
            "token --timeout soon",
            "token --decode",
            "token --write f",
            "exec",
            "exec --",
            "exec --for 12h -- a",
            "exec --lang -- a",
        ] {
            let words: Vec<_> = line.split(' ').filter(|word| !word.is_empty()).collect();
            assert!(quickly(&words).is_none(), "{line}");
        }
    }
}
