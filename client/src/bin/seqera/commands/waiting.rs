//! Tells a person at a terminal what a command waits for, so that a slow provider does not look like a program
//! that hangs.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use seqera_client::proto::v1::session_status::Failure as LastFailure;
use seqera_client::{Client, Token, Want};

use crate::commands::handover::session_token;
use crate::screen::failure::Failure;
use crate::screen::terminal;
use crate::screen::time::{now, time_of_day};
use crate::settings::context::Context;

/// A renewal takes less time than this unless something is wrong; a person begins to wonder soon after. Up to
/// another second has passed before, in which an agent that has a token at hand would have answered.
const SILENCE: Duration = Duration::from_secs(1);

/// Fetches the token of a session within `limit`, which the client keeps. If it takes long, says on a terminal
/// what is waited for. A program that reads standard error gets no word of it.
pub(super) async fn awaited_token(
    context: &Context,
    client: &Client,
    want: Want,
    limit: Duration,
) -> Result<Token, Failure> {
    let token = session_token(client, want);
    if context.screen.json || !terminal::shows_questions() {
        return token.await;
    }
    let until = (now() + limit).unix_timestamp();
    let until = time_of_day(prost_types::Timestamp { seconds: until, nanos: 0 });
    tokio::select! {
        token = pin!(token) => token,
        never = explain(context, client, &until) => match never {},
    }
}

async fn explain(context: &Context, client: &Client, until: &str) -> Infallible {
    tokio::time::sleep(SILENCE).await;
    // From the agent's memory. Without it there is still the time to tell.
    let failure = client.status().await.ok().and_then(|status| status.last_failure);
    context.screen.note(&sentence(until, failure.as_ref()));
    std::future::pending().await
}

fn sentence(until: &str, failure: Option<&LastFailure>) -> String {
    let Some(failure) = failure else {
        return format!("waiting until {until} for the provider to answer with a token");
    };
    let again =
        failure.retry_at.map(|at| format!("; tried again at {}", time_of_day(at))).unwrap_or_default();
    format!("waiting until {until} for a token: {}{again}", failure.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_waited_for_is_named_with_the_last_failure_if_there_was_one() {
        let slow = sentence("12:00:30", None);
        assert_eq!(slow, "waiting until 12:00:30 for the provider to answer with a token");
        let mut failure = LastFailure { message: "Connection refused".into(), ..LastFailure::default() };
        assert_eq!(
            sentence("12:00:30", Some(&failure)),
            "waiting until 12:00:30 for a token: Connection refused"
        );
        failure.retry_at = Some(prost_types::Timestamp { seconds: 1_765_895_400, nanos: 0 });
        let said = sentence("12:00:30", Some(&failure));
        let (_, again) = said.split_once("; tried again at ").expect("the time is told");
        assert_eq!(again.len(), "14:30:00".len(), "{said}");
    }
}
