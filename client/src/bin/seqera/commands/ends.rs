//! Tells a person in time that a sign-in ends, where the provider tells when.

use std::time::{Duration, SystemTime};

use seqera_client::Token;
use seqera_client::proto::text::is_deceptive;

use crate::screen::terminal;
use crate::screen::time::{length, local, now};
use crate::settings::context::{Context, option};

/// A person at a terminal is told once in this time.
const DAY: Duration = Duration::from_secs(86_400);

/// Warns if the sign-in ends before the time that was asked for. In the last tenth of the sign-in a person at a
/// terminal is told of its end, once a day.
pub(super) fn warn(context: &Context, token: &Token, wanted: Option<Duration>) {
    let Some(end) = token.sign_in_ends_at else { return };
    let left = end.duration_since(now().into()).unwrap_or_default();
    if let Some(wanted) = wanted.filter(|wanted| left < *wanted) {
        let (left, wanted) = (length(left), length(wanted));
        let what = format!("the sign-in ends in {left}, before the {wanted} that were asked for");
        return context.screen.warn(&what);
    }
    let near = is_last_tenth(token.signed_in_at, end, left);
    if near && !context.screen.json && terminal::shows_questions() && first_today(context, token) {
        let name = &token.profile;
        let again = format!("'seqera login --force{}' begins another", option(name));
        context.screen.note(&format!("the sign-in of profile '{name}' ends {}; {again}", local(end.into())));
    }
}

fn is_last_tenth(begin: Option<SystemTime>, end: SystemTime, left: Duration) -> bool {
    let whole = begin.and_then(|begin| end.duration_since(begin).ok()).unwrap_or_default();
    left < whole / 10
}

/// Notes in an empty file that the person was told. Where that cannot be kept nobody is told, rather than each time.
fn first_today(context: &Context, token: &Token) -> bool {
    let Ok(options) = context.options() else { return false };
    if token.profile.contains(|c: char| is_deceptive(c) || matches!(c, '/' | '\\')) {
        return false;
    }
    let mark = options.places.run_dir().join(format!("end-told.{}", token.profile));
    let told = mark.symlink_metadata().and_then(|found| found.modified());
    if told.is_ok_and(|at| SystemTime::from(now()).duration_since(at).unwrap_or_default() < DAY) {
        return false;
    }
    // Anew, so that it has the time of now and follows no link.
    let _ = std::fs::remove_file(&mark);
    std::fs::OpenOptions::new().write(true).create_new(true).open(&mark).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_tenth_counts_from_the_sign_in() {
        let begin = SystemTime::UNIX_EPOCH;
        let end = begin + Duration::from_secs(1000);
        for (left, near) in [(1000, false), (101, false), (99, true), (0, true)] {
            assert_eq!(is_last_tenth(Some(begin), end, Duration::from_secs(left)), near, "{left}");
        }
        assert!(!is_last_tenth(None, end, Duration::ZERO), "nobody knows how long it was");
    }
}
