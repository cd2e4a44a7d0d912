//! A panic, as the person who meets it should see it: whose fault it is and where to report it.

use std::panic::{Location, set_hook};
use std::process::exit;

use seqera_client::proto::reason::Reason;

use crate::failure::Failure;
use crate::screen::Screen;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

/// From now on a panic of any thread ends the process, as a failure that `screen` shows.
pub(crate) fn end_with_words_on(screen: Screen) {
    set_hook(Box::new(move |panic| {
        let failure = failure(panic.location());
        screen.failure(&failure);
        exit(failure.exit.into())
    }));
}

/// Without the text of the panic, which can contain anything, a token too.
fn failure(place: Option<&Location<'_>>) -> Failure {
    let place = place.map(|place| format!(", at {place}")).unwrap_or_default();
    let hint = format!("report it at {REPOSITORY}/issues");
    Failure::new(Reason::Internal, format!("this is a defect of seqera {VERSION}{place}"), Some(&hint))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use crate::context::Context;
    use crate::env::Env;

    use super::*;

    const CHILD: &str = "SEQERA_TEST_PANICS";
    const NAME: &str = "defect::tests::a_panic_ends_with_70_and_says_where_and_nothing_of_what_was_in_memory";

    /// The test runs itself again as the command that is to panic.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "tells the two processes of one test apart")]
    fn a_panic_ends_with_70_and_says_where_and_nothing_of_what_was_in_memory() {
        if std::env::var_os(CHILD).is_some() {
            let env = Env::of_process();
            let screen = Screen::new(env.wants_json(), &env);
            let context = Context { screen, env, profile: None, json_by_flag: false };
            crate::perform(&context, "seqera", || panic!("a secret"));
            return;
        }
        let place = format!("this is a defect of seqera {VERSION}, at {}:", file!());
        let hint = format!("report it at {REPOSITORY}/issues");

        let told = panicked("console");
        let lines: Vec<_> = told.lines().collect();
        assert!(lines[0].starts_with(&format!("error: {place}")), "{told}");
        assert_eq!(lines[1..], [format!("hint: {hint}")]);

        let told = panicked("json");
        let error = &serde_json::from_str::<serde_json::Value>(&told).unwrap()["error"];
        assert_eq!((error["reason"].as_str(), error["hint"].as_str()), (Some("INTERNAL"), Some(&*hint)));
        assert!(error["message"].as_str().unwrap().starts_with(&place), "{told}");
    }

    /// What stands on standard error in the end.
    fn panicked(format: &str) -> String {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME, "--nocapture"])
            .envs([(CHILD, "1"), ("SEQERA_CLI_OUTPUT_FORMAT", format), ("RUST_BACKTRACE", "1")])
            .output()
            .unwrap();
        assert_eq!(child.status.code(), Some(70));
        let told = String::from_utf8(child.stderr).unwrap();
        assert!(!told.contains("a secret"), "{told}");
        told
    }
}
