//! Shows the progress of a login, and passes on what is pasted meanwhile.

use seqera_client::Client;
use seqera_client::proto::v1::LoginRequest;
use seqera_client::proto::v1::login_event::{AuthorizationUrl, Event, SignedIn};
use serde_json::json;

use crate::commands::login::browser;
use crate::commands::login::device;
use crate::commands::login::hints::Surroundings;
use crate::screen::failure::Failure;
use crate::screen::one_line;
use crate::screen::time::{local, rfc3339};
use crate::screen::typing::Typing;
use crate::settings::context::Context;

pub(super) struct Follow<'a> {
    context: &'a Context,
    client: &'a Client,
    /// True if a browser is to be started here.
    opens: bool,
    /// The command that was typed, for hints.
    typed: &'a str,
    /// The profile that signs in, and what is typed; `None` until a page is shown, since there is nothing to paste
    /// before that.
    pasted: Option<(String, Typing)>,
    /// True if somebody else has begun the login, with wishes of their own.
    joined: bool,
}

impl<'a> Follow<'a> {
    pub(super) fn new(context: &'a Context, client: &'a Client, opens: bool, typed: &'a str) -> Self {
        Self { context, client, opens, typed, pasted: None, joined: false }
    }

    /// Runs a login to its end. Dropping it ends the login. Also says whether it joined a login that was running.
    pub(super) async fn run(mut self, request: LoginRequest) -> Result<(SignedIn, bool), Failure> {
        let mut events = self.client.login(request).await?;
        loop {
            let event = tokio::select! {
                event = events.next() => event?,
                line = typed(&mut self.pasted) => {
                    self.hand_in(line).await;
                    continue;
                }
            };
            let Some(event) = event else {
                return Err(seqera_client::Error::Lost("the login ended without an answer".to_owned()).into());
            };
            // Events of a later version are ignored.
            if let Some(Event::SignedIn(signed_in)) = event.event.and_then(|event| self.shown(event)) {
                return Ok((signed_in, self.joined));
            }
        }
    }

    /// Shows an event. The last one is returned.
    fn shown(&mut self, event: Event) -> Option<Event> {
        let screen = &self.context.screen;
        match event {
            Event::SignedIn(_) => return Some(event),
            Event::AuthorizationUrl(page) => self.page(page),
            Event::DeviceCode(code) => {
                self.joined = code.joined;
                device::show(screen, &code, &waiting_for("0000-00-00 00:00:00 +00:00"));
            }
            Event::Waiting(waiting) if screen.json => {
                screen.event(&json!({"event": "waiting", "until": rfc3339(waiting.until)}));
            }
            Event::Waiting(waiting) => {
                let until = waiting.until.map(local).unwrap_or_default();
                screen.tell(&waiting_for(&until));
            }
            Event::Progress(_) if screen.json => {}
            Event::Progress(progress) => screen.tell(&one_line(&progress.text)),
        }
        None
    }

    fn page(&mut self, page: AuthorizationUrl) {
        let (screen, env) = (&self.context.screen, &self.context.env);
        let mut surroundings = Surroundings::of(env);
        self.joined = page.joined;
        if screen.json {
            let AuthorizationUrl { url, redirect_uri, profile, open_url, nothing_to_paste, .. } = &page;
            screen.event(&json!({
                "event": "authorization_url",
                "url": url,
                "open_url": Some(open_url).filter(|url| !url.is_empty()),
                "redirect_uri": redirect_uri,
                "profile": profile,
                "can_paste": !nothing_to_paste,
            }));
        } else {
            if page.joined {
                screen.tell("A login of this profile is running already; this one joins it.");
            }
            screen.tell("Open this page in a browser:\n");
            screen.address("  ", &page.url);
            screen.tell("");
        }
        // If this caller joined a login, the first caller has opened the page.
        if self.opens && !page.joined {
            match browser::open(
                opened(&page, surroundings.in_wsl),
                &env.browsers(),
                &env.search_path(),
                surroundings.in_wsl,
            ) {
                Ok(()) => {
                    surroundings.opened = true;
                    screen.tell("Opening browser for authentication...");
                }
                Err(error) => screen.note(&format!("no browser could be started ({error})")),
            }
        }
        if surroundings.terminal && !page.nothing_to_paste && self.pasted.is_none() {
            // A terminal that cannot be set up is no way to paste, and none of the others suffers from it.
            self.pasted = Typing::start().ok().map(|typing| (page.profile.clone(), typing));
        }
        if !screen.json {
            surroundings.hints(&page, self.typed).iter().for_each(|line| screen.tell(line));
        }
    }

    /// Passes a pasted line to the agent. If it is wrong, the person is warned, and the login goes on.
    async fn hand_in(&mut self, line: Option<String>) {
        // The terminal is gone, or its input is closed: there will be no more lines.
        let Some(line) = line else {
            self.pasted = None;
            return;
        };
        let Some((profile, _)) = &self.pasted else { return };
        if let Err(error) = self.client.complete_login(profile, &line).await {
            let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
            self.context.screen.warn(&format!("{error}{hint}"));
        }
    }
}

fn waiting_for(until: &str) -> String {
    format!("Waiting for an answer until {until}. Ctrl-C cancels.")
}

/// What the browser is started with: an address without secrets, because other users can read the arguments of
/// programs. In WSL the browser is one of Windows, where the agent cannot tell who connects; that machine has
/// one user.
fn opened(page: &AuthorizationUrl, in_wsl: bool) -> &str {
    if page.open_url.is_empty() || in_wsl { &page.url } else { &page.open_url }
}

/// Waits for the next text that is typed; forever if nothing can be typed.
async fn typed(pasted: &mut Option<(String, Typing)>) -> Option<String> {
    match pasted {
        Some((_, typing)) => typing.next().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_is_started_with_the_address_that_has_no_secret_in_it() {
        let (url, open_url) = ("https://x.test/?state=s".to_owned(), "http://127.0.0.1:1/".to_owned());
        let page = AuthorizationUrl { url, open_url, ..AuthorizationUrl::default() };
        assert_eq!(opened(&page, false), "http://127.0.0.1:1/");
        assert_eq!(opened(&page, true), "https://x.test/?state=s");
        let earlier = AuthorizationUrl { open_url: String::new(), ..page };
        assert_eq!(opened(&earlier, false), "https://x.test/?state=s", "an agent that has no such address");
    }
}
