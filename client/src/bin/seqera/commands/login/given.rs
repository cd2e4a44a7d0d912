//! The access token that a person gives instead of signing in: as an argument, in a pipe, or at the terminal.

use std::io::{Read, stdin};

use seqera_client::proto::reason::Reason;
use seqera_client::proto::values::token::{self, LONGEST};

use crate::screen::failure::Failure;
use crate::screen::terminal;
use crate::screen::typing::Typing;
use crate::settings::context::{Context, interruptible, wait};

/// In UTF-16, and with what else may stand around it.
const MOST: u64 = 4 * LONGEST as u64;

/// A token, and whether the person can be asked for another one.
pub(super) struct Given {
    pub(super) token: String,
    pub(super) was_typed: bool,
}

/// The access token to sign in with, if one is given: as an argument, or to be read. `login` is what was typed.
///
/// # Errors
/// There is none where one was promised, or something else; the text itself is never repeated.
pub(super) fn token(
    context: &Context,
    login: &str,
    argument: Option<&str>,
    is_read: bool,
) -> Result<Option<Given>, Failure> {
    let given = if let Some(token) = argument {
        context.screen.warn("other users of this machine can see the token; --with-token reads it unseen");
        read(login, "--token", token.as_bytes())?
    } else if !is_read {
        return Ok(None);
    } else if terminal::readable() {
        return Ok(Some(Given { token: typed(context, login)?, was_typed: true }));
    } else {
        let mut bytes = Vec::new();
        let done = stdin().lock().take(MOST).read_to_end(&mut bytes);
        done.map_err(|error| Failure::system("cannot read the access token from standard input", &error))?;
        read(login, "standard input", &bytes)?
    };
    let token = given.ok_or_else(|| empty(login))?;
    Ok(Some(Given { token, was_typed: false }))
}

fn read(login: &str, place: &str, bytes: &[u8]) -> Result<Option<String>, Failure> {
    token::read(bytes).map_err(|odd| {
        let hint = format!("give it the token alone: run '{login} --with-token < FILE'");
        Failure::usage(format!("{place} {odd}"), Some(&hint))
    })
}

/// Asks at the terminal until there is a token.
///
/// # Errors
/// The person ended it.
pub(super) fn typed(context: &Context, login: &str) -> Result<String, Failure> {
    let failed = |error| Failure::system("cannot read from the terminal", &error);
    wait(interruptible("the login", async {
        let mut typing = Typing::start().map_err(failed)?;
        context.screen.tell("Paste the access token and press Enter; it is not shown:");
        while let Some(text) = typing.next().await {
            match token::pasted(&text) {
                Ok(Some(token)) => return Ok(token),
                Ok(None) => {}
                Err(odd) => context.screen.warn(&format!("what was pasted {odd}; paste the token again:")),
            }
        }
        Err(empty(login))
    }))
}

/// True if another token may do what this one did not.
pub(super) fn is_refused(failure: &Failure) -> bool {
    [Reason::LoginExpired, Reason::BadRequest].iter().any(|reason| failure.is(*reason))
}

fn empty(login: &str) -> Failure {
    let hint = format!("run '{login} --with-token < FILE'");
    Failure::usage("the access token is empty", Some(&hint))
}
