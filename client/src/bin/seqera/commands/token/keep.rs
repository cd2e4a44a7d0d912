//! `seqera token --write FILE`: the one place where a short-lived token is written down, for programs in a sandbox
//! that cannot reach the agent. The file is private, on each change a new one takes its place, and with `--watch` it
//! goes with the session and with this command.

mod file;
mod signals;

use std::time::Duration;

use seqera_client::proto::reason::Reason;
use seqera_client::{Change, Client, Error, Token, Want};
use serde_json::json;
use tokio::time::sleep;

pub(super) use self::file::Kept;
use self::file::Trouble;
use self::signals::Signals;
use crate::screen::failure::Failure;
use crate::screen::time::{rfc3339_of, time_of_day};
use crate::settings::context::{Context, wait};
use crate::settings::provider::Provider;
use crate::settings::setting::same_authority;

/// How often to look whether the token has expired, and to try again what has failed.
const LOOK: Duration = Duration::from_secs(2);

/// Lets a token be written, unless the site's policy allows no secret in a file.
pub(super) async fn permit(client: &Client) -> Result<(), Error> {
    let by = client.info().await?.no_files;
    if by.is_empty() {
        return Ok(());
    }
    Err(Error::Setting {
        what: format!("a token in a file is not allowed here, says {by}"),
        hint: "ask the administrator of this machine: the file is the site's; a program that can reach the agent \
               needs no file"
            .to_owned(),
        reason: Reason::Misconfigured,
    })
}

/// Writes `token`, and with a client goes on until the session or this command ends.
pub(super) fn run(
    context: &Context,
    mut file: Kept,
    token: Token,
    client: Option<Client>,
) -> Result<(), Failure> {
    if !Provider::named(&token.provider).has_token_file() {
        let what =
            format!("a token of {} is not written to a file", Provider::named(&token.provider).label());
        return Err(Failure::usage(what, Some("SEQERA_ACCESS_TOKEN_FILE is for tokens of a Platform")));
    }
    let Some(client) = client else {
        begin(context, &mut file, &token, false)?;
        file.leave();
        return Ok(());
    };
    wait(async {
        let mut signals = Signals::catch()?;
        begin(context, &mut file, &token, true)?;
        drop(token);
        tokio::select! {
            failure = follow(context, &client, &mut file) => Err(failure),
            ended = signals.came() => ended,
        }
    })
}

/// `goes`: the file goes with this command.
fn begin(context: &Context, file: &mut Kept, token: &Token, goes: bool) -> Result<(), Failure> {
    file.put(token).map_err(|trouble| file.failure(&trouble))?;
    told(context, file, token, goes)
}

/// Says once what it means that the token is in a file.
fn told(context: &Context, file: &Kept, token: &Token, goes: bool) -> Result<(), Failure> {
    let shown = file.path().display();
    if let Some(danger) = without_end(token, goes) {
        context.screen.warn(danger);
    }
    if context.screen.json {
        return context.screen.object(&json!({
            "file": file.path().to_string_lossy(),
            "expires_at": rfc3339_of(token.expires_at),
            "profile": token.profile,
            "authority": token.authority,
        }));
    }
    let until = token.expires_at.map(|end| format!(" until {}", time_of_day(end.into()))).unwrap_or_default();
    context.screen.tell(&format!("{shown} holds the token of profile '{}'{until}.", token.profile));
    context.screen.note("whoever can read this file can use the account as long as its token is valid");
    if file.is_on_disk() {
        let note = "it is on a disk, where the token may outlive it; a folder in memory is better, such as one \
            below $XDG_RUNTIME_DIR or /dev/shm";
        context.screen.note(note);
    }
    Ok(())
}

/// What to say of a token that does not expire, such as a personal access token. `goes`: the file does not stay.
fn without_end(token: &Token, goes: bool) -> Option<&'static str> {
    if token.expires_at.is_some() {
        return None;
    }
    Some(match goes {
        true => {
            "this token does not expire: whoever reads the file, or a copy of it, can use the account until the \
             token is deleted at the Platform"
        }
        false => {
            "this token does not expire and the file stays: whoever reads it can use the account until the token \
             is deleted at the Platform; --watch removes the file when the command ends"
        }
    })
}

/// Keeps the file as the session is, across restarts of the agent. Returns what cannot be waited for.
async fn follow(context: &Context, client: &Client, file: &mut Kept) -> Failure {
    let mut warned = false;
    loop {
        match changes(context, client, file).await {
            Ok(()) => {}
            Err(
                error @ (Error::Refused(_)
                | Error::Distrusted { .. }
                | Error::Misunderstood(_)
                | Error::Setting { .. }),
            ) => return error.into(),
            Err(error) if !warned => {
                warned = true;
                context.screen.warn(&format!("{error}; it is tried again"));
            }
            Err(_) => {}
        }
        look(context, file);
        sleep(LOOK).await;
    }
}

/// One connection's worth of changes. A new agent has no token at hand before somebody asks for one.
async fn changes(context: &Context, client: &Client, file: &mut Kept) -> Result<(), Error> {
    // Another agent may have read another policy.
    permit(client).await?;
    match client.token(Want::default()).await {
        Ok(token) => store(context, file, &token)?,
        Err(error @ Error::Refused(_)) if is_ended(&error) => sign_out(context, file),
        Err(error @ Error::Refused(_)) if is_passing(&error) => {}
        Err(error) => return Err(error),
    }
    let mut watch = client.watch().await?;
    loop {
        tokio::select! {
            change = watch.next() => match change? {
                Some(Change::Token(token)) => store(context, file, &token)?,
                Some(Change::SignedOut(_)) => sign_out(context, file),
                None => return Ok(()),
            },
            () = sleep(LOOK) => look(context, file),
        }
    }
}

/// The next sign-in brings the file back.
fn is_ended(error: &Error) -> bool {
    matches!(error.exit_code(), 3)
}

fn is_passing(error: &Error) -> bool {
    matches!(error.exit_code(), 4 | 5)
}

fn store(context: &Context, file: &mut Kept, token: &Token) -> Result<(), Error> {
    is_of(file.authority(), token)?;
    if file.holds(token) {
        return Ok(());
    }
    match file.put(token) {
        Ok(()) if context.screen.json => {
            let written = json!({"event": "written", "expires_at": rfc3339_of(token.expires_at)});
            context.screen.event(&written);
        }
        Ok(()) => {}
        Err(trouble) => warn(context, file, &trouble),
    }
    Ok(())
}

/// Whoever reads the first line alone sends it where the first token went. So the name of a profile is not enough: it
/// can have another account by now.
fn is_of(authority: &str, token: &Token) -> Result<(), Error> {
    if authority.is_empty() || same_authority(authority, &token.authority) {
        return Ok(());
    }
    let (profile, other) = (&token.profile, &token.authority);
    Err(Error::Setting {
        what: format!(
            "profile '{profile}' belongs to {other} by now, and the file is for {authority}: it was removed"
        ),
        hint: "run the command again, if whatever reads the file goes there now".to_owned(),
        reason: Reason::AuthorityMismatch,
    })
}

fn look(context: &Context, file: &mut Kept) {
    if let Err(trouble) = file.look() {
        warn(context, file, &trouble);
    }
}

fn warn(context: &Context, file: &Kept, trouble: &Trouble) {
    context.screen.warn(&format!("{}; it is tried again", file.failure(trouble).message));
}

fn sign_out(context: &Context, file: &mut Kept) {
    if file.empty() {
        context
            .screen
            .note("there is no session any more: the file was removed, and comes back with the next sign-in");
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use seqera_client::proto::v1::AccessToken;

    use super::*;

    #[test]
    fn a_file_is_for_one_authority_whatever_account_the_profile_has() {
        let at = |authority: &str| {
            Token::from(AccessToken { authority: authority.into(), ..AccessToken::default() })
        };
        for (first, now) in [
            ("", "https://b.test/api"),
            ("https://a.test/api", "https://A.test/api/"),
            ("https://cloud.seqera.io/api", "https://api.cloud.seqera.io"),
        ] {
            assert!(is_of(first, &at(now)).is_ok(), "{first} {now}");
        }
        let error = is_of("https://a.test/api", &at("https://b.test/api")).unwrap_err();
        assert_eq!(error.reason(), "AUTHORITY_MISMATCH");
        assert!(error.to_string().contains("https://a.test/api"), "{error}");
    }

    #[test]
    fn a_token_without_an_end_is_called_that_and_what_removes_the_file() {
        let mut ends = Token::from(AccessToken::default());
        ends.expires_at = Some(SystemTime::UNIX_EPOCH);
        assert_eq!((without_end(&ends, true), without_end(&ends, false)), (None, None));
        let endless = Token::from(AccessToken::default());
        for goes in [true, false] {
            let said = without_end(&endless, goes).unwrap();
            assert!(said.starts_with("this token does not expire"), "{said}");
            assert_eq!(said.contains("--watch"), !goes, "{said}");
        }
    }
}
