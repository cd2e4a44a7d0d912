//! `seqera login`: the agent owns the login, this shows it and opens the browser.

use std::io::{BufRead, IsTerminal, stdin};

use seqera_client::proto::v1::login_event::{AuthorizationUrl, Event, SignedIn};
use seqera_client::proto::v1::{LoginRequest, SessionStatus};
use seqera_client::{Client, Options};

use crate::args::Login;
use crate::browser;
use crate::context::{Context, interruptible, wait};
use crate::failure::Failure;
use crate::settings::Settings;
use crate::status::{account_name, object};
use crate::time::local;

/// More than any access token; the agent's messages end at 64 KiB.
const TOKEN_MAX: u64 = 48 * 1024;

/// Failures that a look at the settings may explain.
const OF_SETTINGS: [&str; 4] =
    ["MISCONFIGURED", "ISSUER_UNREACHABLE", "LOGIN_TIMED_OUT", "AUTHORITY_MISMATCH"];

pub(crate) fn run(context: &Context, args: Login) -> Result<(), Failure> {
    let options = context.options()?;
    let profile = context.profile.clone().or(context.env.profile()).unwrap_or_default();
    let settings = Settings::resolve(args.authority.as_deref(), &profile, &context.env, &context.config()?);
    let request = LoginRequest {
        profile: profile.clone(),
        settings: Some(settings.message()),
        redirect_port: context.env.redirect_port()?.unwrap_or_default().into(),
        timeout_ms: context.env.callback_timeout_ms()?.unwrap_or_default(),
        force: args.force,
        ..LoginRequest::default()
    };
    let token = given_token(context, &args)?;
    let client = Client::new(Options { profile, ..options });
    context.screen.say("[Login] Starting Seqera CLI authentication...")?;
    let opens = !args.no_browser && context.env.browser_auto_open() && context.env.has_display();
    let signed_in = wait(interruptible("the login", async {
        match token {
            Some(token) => import(&client, &settings, &token).await,
            None => with_browser(context, &client, request, opens).await,
        }
    }));
    let signed_in = signed_in.inspect_err(|failure| explain(context, failure, &settings))?;
    report(context, &signed_in)
}

/// The access token to sign in with, if one is given.
fn given_token(context: &Context, args: &Login) -> Result<Option<String>, Failure> {
    let token = if let Some(token) = &args.token {
        context.screen.warn("other users of this machine can see the token; --with-token reads it unseen");
        token.clone()
    } else if args.with_token {
        if stdin().is_terminal() {
            context.screen.tell("Paste the access token and press Enter:");
        }
        first_line(stdin().lock())?
    } else {
        return Ok(None);
    };
    match token.trim() {
        "" => {
            Err(Failure::usage("the access token is empty", Some("run 'seqera login --with-token < FILE'")))
        }
        token => Ok(Some(token.to_owned())),
    }
}

fn first_line(input: impl BufRead) -> Result<String, Failure> {
    let mut line = String::new();
    let read = input.take(TOKEN_MAX).read_line(&mut line);
    read.map_err(|error| Failure::system("cannot read the access token from standard input", &error))?;
    Ok(line)
}

async fn import(client: &Client, settings: &Settings, token: &str) -> Result<SignedIn, Failure> {
    let status = client.import_token(settings.message(), token).await?;
    Ok(SignedIn { notes: status.notes.clone(), status: Some(status), already: false })
}

async fn with_browser(
    context: &Context,
    client: &Client,
    request: LoginRequest,
    opens: bool,
) -> Result<SignedIn, Failure> {
    let mut events = client.login(request).await?;
    while let Some(event) = events.next().await? {
        match event.event {
            Some(Event::SignedIn(signed_in)) => return Ok(signed_in),
            Some(Event::AuthorizationUrl(page)) => show_page(context, &page, opens),
            Some(Event::Waiting(waiting)) => {
                let until = waiting.until.map(local).unwrap_or_default();
                context.screen.tell(&format!("Waiting for the browser until {until}. Ctrl-C cancels."));
            }
            Some(Event::Progress(progress)) => context.screen.tell(&progress.text),
            // An event of a later version.
            None => {}
        }
    }
    Err(seqera_client::Error::Lost("the login ended without an answer".to_owned()).into())
}

fn show_page(context: &Context, page: &AuthorizationUrl, opens: bool) {
    let screen = &context.screen;
    if page.joined {
        screen.tell("A login of this profile is running already; this one joins it.");
    }
    screen.tell(&format!("Open this page in a browser:\n\n  {}\n", page.url));
    if let Some(line) = context.env.ssh_server().and_then(|server| forward(&page.redirect_uri, &server)) {
        screen.tell(&format!("If the browser runs on another machine, run this there first:\n\n  {line}\n"));
    }
    // The login that was joined has opened it.
    if !opens || page.joined {
        return;
    }
    match browser::open(&page.url, &context.env.browsers()) {
        Ok(()) => screen.tell("Opening browser for authentication..."),
        Err(error) => screen.note(&format!("no browser could be started ({error})")),
    }
}

/// The command that lets a browser elsewhere reach the callback on this host.
fn forward(redirect_uri: &str, server: &str) -> Option<String> {
    let port: u16 = redirect_uri.rsplit_once(':')?.1.split('/').next()?.parse().ok()?;
    Some(format!("ssh -L {port}:127.0.0.1:{port} {server}"))
}

/// Time-outs and refusals are often a matter of a wrong setting, so each is shown with its source.
fn explain(context: &Context, failure: &Failure, settings: &Settings) {
    if OF_SETTINGS.contains(&failure.reason.as_str()) && !context.screen.json {
        settings.lines().iter().for_each(|line| context.screen.note(line));
    }
}

fn report(context: &Context, signed_in: &SignedIn) -> Result<(), Failure> {
    let screen = &context.screen;
    let status = signed_in.status.clone().unwrap_or_default();
    if screen.json {
        screen.object(&object(&status))?;
    } else {
        for line in words(&status, signed_in.already) {
            screen.say(&line)?;
        }
    }
    signed_in.notes.iter().for_each(|note| screen.note(note));
    for variable in context.env.token_variables() {
        screen.warn(&format!("{variable} is set: its token is used instead of this session"));
    }
    Ok(())
}

/// The lines that the documentation promises.
fn words(status: &SessionStatus, already: bool) -> Vec<String> {
    let who = account_name(status);
    if already {
        let profile = &status.profile;
        return vec![format!("Already logged in as {who} (profile {profile}); --force signs in again.")];
    }
    let mut lines = vec!["[Login] ✓ Authentication successful!".to_owned()];
    let organization =
        status.organization.as_ref().map(|org| org.name.as_str()).filter(|name| !name.is_empty());
    lines.extend(organization.map(|name| format!("[Login] ✓ Organization set: {name}")));
    lines.push(format!("Successfully authenticated as {who}"));
    lines
}

#[cfg(test)]
mod tests {
    use seqera_client::proto::v1::{Account, Organization};

    use super::*;

    #[test]
    fn success_is_told_in_the_documented_words() {
        let mut status = SessionStatus {
            profile: "work".into(),
            account: Some(Account { email: "user@example.com".into(), ..Account::default() }),
            ..SessionStatus::default()
        };
        let bare = ["[Login] ✓ Authentication successful!", "Successfully authenticated as user@example.com"];
        assert_eq!(words(&status, false), bare);
        status.organization = Some(Organization { id: 1, name: "acme".into() });
        assert_eq!(words(&status, false)[1], "[Login] ✓ Organization set: acme");
        assert!(words(&status, true)[0].starts_with("Already logged in as user@example.com (profile work)"));
    }

    #[test]
    fn the_forwarding_command_has_the_port_of_the_callback() {
        let line = forward("http://127.0.0.1:53684/callback", "198.51.100.7");
        assert_eq!(line.as_deref(), Some("ssh -L 53684:127.0.0.1:53684 198.51.100.7"));
        assert_eq!(forward("http://127.0.0.1/callback", "h"), None);
    }

    #[test]
    fn only_the_first_line_of_the_input_is_the_token() {
        assert_eq!(first_line(&b"tok\r\nmore"[..]).unwrap().trim(), "tok");
        assert_eq!(first_line(&b""[..]).unwrap(), "");
    }
}
