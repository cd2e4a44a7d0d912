//! Reports each new access token of a profile, and each sign-out:
//!
//! ```sh
//! cargo run -p seqera-client --example watch -- work
//! ```
//!
//! The profile is optional; without it, the agent uses the default one. A program that runs for days keeps a
//! working token in this way: it holds the newest one and never renews anything itself. Ctrl-C ends it. To
//! try this without an account, build it, and run `…/target/debug/examples/watch` in the shell that `cargo
//! xtask demo --shell` opens.

use std::process::ExitCode;
use std::time::Duration;

use seqera_client::proto::v1::SessionState;
use seqera_client::{Change, Client, Error, Options, Watch};

/// Seconds between attempts to reach an agent that has gone; half a minute in all, which is as long as a
/// stopping agent may take to save a running renewal.
const PAUSES: [u64; 5] = [1, 2, 4, 8, 16];

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let profile = std::env::args().nth(1).unwrap_or_default();
    let error = match Options::from_env() {
        Ok(options) => follow(&Client::new(Options { profile, ..options })).await,
        Err(error) => error,
    };
    eprintln!("{}: {error}", error.reason());
    if let Some(hint) = error.hint() {
        eprintln!("hint: {hint}");
    }
    ExitCode::from(error.exit_code())
}

/// Watches until there is no point in going on. The watch ends when the agent stops, so it is then begun
/// again. Its first message is the state at that moment, so only states that are already out of date are
/// missed.
async fn follow(client: &Client) -> Error {
    let mut failures = 0;
    loop {
        let ended = match client.watch().await {
            Ok(mut changes) => {
                failures = 0;
                report(&mut changes).await
            }
            Err(error) => error,
        };
        match PAUSES.get(failures) {
            Some(pause) if may_pass(&ended) => {
                eprintln!("{ended}; watching again in {pause} s");
                tokio::time::sleep(Duration::from_secs(*pause)).await;
            }
            _ => return ended,
        }
        failures += 1;
    }
}

/// A lost agent will soon be back, or the next call starts it. A refusal will not change.
fn may_pass(error: &Error) -> bool {
    matches!(error, Error::Lost(_) | Error::Unreachable { .. } | Error::TimedOut)
}

/// Prints every change until the watch ends, and returns the reason. The tokens themselves are not shown.
async fn report(changes: &mut Watch) -> Error {
    loop {
        match changes.next().await {
            Ok(Some(Change::Token(token))) => match token.valid_for {
                Some(left) => println!("{}: a token for the next {} s", token.profile, left.as_secs()),
                None => println!("{}: a token that does not expire", token.profile),
            },
            Ok(Some(Change::SignedOut(state))) => println!("no token: {}", why(state)),
            Ok(None) => return Error::Lost("the agent ended the watch".to_owned()),
            Err(error) => return error,
        }
    }
}

fn why(state: SessionState) -> &'static str {
    match state {
        SessionState::LoginExpired => "the session has ended, somebody has to sign in again",
        SessionState::OtherHost => "the session belongs to another host",
        // All other states, and those of a later agent.
        _ => "signed out",
    }
}
