//! How the command ends: successfully, with a failure that it prints, with arguments that it could not parse,
//! or with a panic, whose message says where it happened and where to report it.

mod guesses;

use std::panic::{Location, set_hook};
use std::process::{ExitCode, exit};

use seqera_client::proto::limits;
use seqera_client::proto::reason::Reason;
use seqera_client::proto::{BUILD, COMMIT, TARGET};

use crate::commands::toolkit_files;
use crate::screen::Screen;
use crate::screen::failure::{Failure, Hint};
use crate::screen::typing;
use crate::settings::context::Context;
use crate::settings::env::Env;
use crate::settings::{namespaces, wishes};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

/// What a library needs at once for the largest thing that it opens: a pair of sockets.
const SPARE_FILES: usize = 3;

/// Runs a command and prints its failure. One that scripts call in `loops` pays for no word about settings.
pub(crate) fn perform(
    context: &Context,
    loops: bool,
    command: impl FnOnce() -> Result<(), Failure>,
) -> ExitCode {
    report_panics_on(context.screen);
    if let Some(format) = context.env.odd_format() {
        let known = "the formats are 'console' and 'json'; it is ignored";
        context.screen.warn(&format!("SEQERA_CLI_OUTPUT_FORMAT is '{format}': {known}"));
    }
    let Err(mut failure) = command() else {
        if !loops {
            wishes::mention(context);
        }
        return ExitCode::SUCCESS;
    };
    failure.hint = worded(context, failure.hint);
    if let Some(hint) = namespaces::explain(context, &failure) {
        failure.hint = Hint::Words(hint);
    }
    context.screen.failure(&failure);
    toolkit_files::mention(context, &failure);
    ExitCode::from(failure.exit)
}

/// The agent does not know what was typed, nor by which name this program was called.
fn worded(context: &Context, hint: Hint) -> Hint {
    match hint {
        Hint::SignIn { profile, .. } => Hint::Words(format!("run '{}'", context.login_to(&profile))),
        other => other,
    }
}

/// Prints help or the version, which are not failures, or else a usage error, with a tip where it can be guessed
/// what was meant.
pub(crate) fn unparsed(mut error: clap::Error, env: &Env, called: &str) -> ExitCode {
    // `std::env::args` would panic at an argument that is not Unicode.
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let words: Vec<_> = words.collect();
    let json = words.iter().any(|word| matches!(word.as_str(), "-ojson" | "-o=json" | "--output=json"))
        || words.windows(2).any(|pair| matches!(pair[0].as_str(), "-o" | "--output") && pair[1] == "json");
    let screen = Screen::new(json || env.wants_json(), !env.no_colour());
    if guesses::is_version(&words) {
        return version(&screen, called);
    }
    let meant = guesses::meant(&error, &words, called);
    if error.use_stderr() && screen.json {
        let text = error.render().to_string();
        let message = text.trim_start_matches("error: ").lines().next().unwrap_or_default();
        let hint = format!("run '{}'", meant.unwrap_or_else(|| format!("{called} --help")));
        screen.failure(&Failure::usage(message, Some(&hint)));
    } else {
        if let Some(meant) = meant {
            guesses::add(&mut error, &meant);
        }
        // If the stream is closed, there is nowhere left to say so.
        let _ = error.print();
    }
    ExitCode::from(if error.use_stderr() { 2 } else { 0 })
}

fn version(screen: &Screen, called: &str) -> ExitCode {
    let said = match screen.json {
        true => screen.object(&serde_json::json!({"version": VERSION, "commit": COMMIT, "target": TARGET})),
        false => screen.say(&format!("{called} {BUILD}")),
    };
    ExitCode::from(said.map_or_else(|failure| failure.exit, |()| 0))
}

/// From now on, a panic in any thread ends the process with a failure that `screen` prints.
fn report_panics_on(screen: Screen) {
    set_hook(Box::new(move |panic| {
        typing::restore();
        // A library may have given up because nothing could be opened or started any more.
        let short = limits::short_of_files(SPARE_FILES).or_else(|| limits::short_of_threads(1));
        let failure = short.map_or_else(|| defect(panic.location()), Failure::exhausted);
        screen.failure(&failure);
        exit(failure.exit.into())
    }));
}

/// Leaves out the message of the panic, which can contain anything, even a token.
fn defect(place: Option<&Location<'_>>) -> Failure {
    let place = place.map(|place| format!(", at {place}")).unwrap_or_default();
    let hint = format!("report it at {REPOSITORY}/issues");
    Failure::new(Reason::Internal, format!("this is a defect of seqera {VERSION}{place}"), Some(&hint))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const CHILD: &str = "SEQERA_TEST_PANICS";
    const NAME: &str = "ending::tests::a_panic_ends_with_70_and_says_where_and_nothing_of_what_was_in_memory";

    /// The test runs itself again as the command that panics.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "distinguishes the two processes of the test")]
    fn a_panic_ends_with_70_and_says_where_and_nothing_of_what_was_in_memory() {
        if std::env::var_os(CHILD).is_some() {
            let env = Env::of_process();
            perform(&Context::new(env, "seqera", None, None), false, || panic!("a secret"));
            return;
        }
        let place = format!("this is a defect of seqera {VERSION}, at {}:", file!());
        let hint = format!("report it at {REPOSITORY}/issues");

        let printed = panicked("console");
        let lines: Vec<_> = printed.lines().collect();
        assert!(lines[0].starts_with(&format!("error: {place}")), "{printed}");
        assert_eq!(lines[1..], [format!("hint: {hint}")]);

        let printed = panicked("json");
        let error = &serde_json::from_str::<serde_json::Value>(&printed).unwrap()["error"];
        assert_eq!((error["reason"].as_str(), error["hint"].as_str()), (Some("INTERNAL"), Some(&*hint)));
        assert!(error["message"].as_str().unwrap().starts_with(&place), "{printed}");
    }

    /// What the child has printed to standard error when it exits.
    fn panicked(format: &str) -> String {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME, "--nocapture"])
            .envs([(CHILD, "1"), ("SEQERA_CLI_OUTPUT_FORMAT", format), ("RUST_BACKTRACE", "1")])
            .output()
            .unwrap();
        assert_eq!(child.status.code(), Some(70));
        let printed = String::from_utf8(child.stderr).unwrap();
        assert!(!printed.contains("a secret"), "{printed}");
        printed
    }
}
