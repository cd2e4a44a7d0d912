//! Prints an access token that stays valid long enough, as `seqera token` does:
//!
//! ```sh
//! cargo run -p seqera-client --example token -- work 300
//! ```
//!
//! Both arguments are optional: the profile (without it, the agent uses the default one) and how long the
//! token must still be valid, in seconds. The token goes to standard output and everything else to standard
//! error, so that `$(…)` captures only the token. To try this without an account, build it, and run
//! `…/target/debug/examples/token` in the shell that `cargo xtask demo --shell` opens.

use std::process::ExitCode;
use std::time::Duration;

use seqera_client::proto::reason::Reason;
use seqera_client::{Client, Error, Options, Refusal, Token, Want};

/// How long to wait if the provider is not available: about as long as a person would wait at a terminal.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let profile = arguments.next().unwrap_or_default();
    let Ok(min_valid) = arguments.next().as_deref().unwrap_or("60").parse().map(Duration::from_secs) else {
        eprintln!("usage: token [PROFILE [SECONDS]]");
        return ExitCode::from(2);
    };
    match token(profile, min_valid).await {
        Ok(token) => {
            warn(&token, min_valid);
            println!("{}", token.secret());
            ExitCode::SUCCESS
        }
        Err(error) => {
            explain(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// One call is enough: the agent renews the token if it must, and is started if it is not running. If the
/// provider is not available, this asks once more, at the time when the agent expects an answer.
async fn token(profile: String, min_valid: Duration) -> Result<Token, Error> {
    let client = Client::new(Options { profile, ..Options::from_env()? });
    let want = Want { min_valid: Some(min_valid), ..Want::default() };
    match client.token(want.clone()).await {
        Err(Error::Refused(Refusal {
            reason: Reason::IssuerUnreachable,
            retry_after: Some(pause),
            message,
            ..
        })) if pause <= PATIENCE => {
            eprintln!("{message}; trying again in {} s", pause.as_secs());
            tokio::time::sleep(pause).await;
            client.token(want).await
        }
        answer => answer,
    }
}

/// A token may be valid for less time than asked for: some providers never issue a longer one.
fn warn(token: &Token, min_valid: Duration) {
    if let Some(left) = token.valid_for.filter(|left| *left < min_valid) {
        eprintln!("warning: the token of {} expires in {} s", token.profile, left.as_secs());
    }
    if token.renewal_failing {
        eprintln!("warning: the last renewal failed; this is the token from before");
    }
}

/// The type of an error says what a program can do about it; texts are for people and may change.
fn explain(error: &Error) {
    match error {
        Error::Refused(refusal) => match refusal.reason {
            Reason::SignedOut | Reason::LoginExpired | Reason::OtherHost => {
                eprintln!("somebody has to sign in: {error}");
            }
            Reason::IssuerUnreachable => eprintln!("worth another try later: {error}"),
            // A later agent may know reasons that this program does not.
            _ => eprintln!("refused ({}): {error}", refusal.name),
        },
        Error::NoAgent | Error::NoProgram | Error::NotStarted { .. } => {
            eprintln!("there is no agent to ask: {error}");
        }
        Error::Distrusted { .. } => eprintln!("nothing was sent: {error}"),
        other => eprintln!("{}: {other}", other.reason()),
    }
    if let Some(hint) = error.hint() {
        eprintln!("hint: {hint}");
    }
}
