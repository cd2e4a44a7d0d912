//! What the browser shows at the end of a sign-in. Self-contained: the page loads nothing, runs nothing, and
//! whatever a provider or a stranger wrote into it is shown as text.

use url::Url;

use crate::error::AgentError;
use crate::profile::ProfileName;
use crate::providers::browser::Page;
use crate::token::Account;

const TEMPLATE: &str = include_str!("page.html");

/// Inline style and nothing else. No referrer: the address of the page holds the authorization code.
const HEADERS: [(&str, &str); 5] = [
    ("content-type", "text/html; charset=utf-8"),
    (
        "content-security-policy",
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
];

const CLOSE: &str = "You can close this tab and go back to your terminal.";

/// Whose login a page ends: a person may have several terminals open, and accounts at several hosts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Whose {
    profile: String,
    host: String,
}

impl Whose {
    pub(crate) fn new(profile: &ProfileName, authority: &str) -> Self {
        let url = Url::parse(authority).ok();
        let host = url.as_ref().and_then(|url| Some((url.host_str()?, url.port())));
        let host = match host {
            Some((host, Some(port))) => format!("{host}:{port}"),
            Some((host, None)) => host.to_owned(),
            None => authority.to_owned(),
        };
        Self { profile: profile.to_string(), host }
    }
}

/// The login is done and its session kept.
pub(crate) fn signed_in(account: &Account, whose: &Whose) -> Page {
    let message = match account.label() {
        "" => "You are signed in.".to_owned(),
        label => format!("You are signed in as {label}."),
    };
    page(200, Tone::Good, "Signed in", &message, CLOSE, &rows(account.label(), whose))
}

/// The login has ended without a session.
pub(crate) fn failed(error: &AgentError, whose: &Whose) -> Page {
    let more = match error.hint().as_str() {
        "" => CLOSE.to_owned(),
        hint => format!("What to do: {hint}. {CLOSE}"),
    };
    page(400, Tone::Bad, "Sign-in failed", &sentence(&error.to_string()), &more, &rows("", whose))
}

/// What the login was about, as a list of HTML.
fn rows(account: &str, whose: &Whose) -> String {
    let rows = [("Host", whose.host.as_str()), ("Account", account), ("Profile", whose.profile.as_str())];
    let shown: String = rows
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(label, value)| format!("<dt>{label}</dt><dd>{}</dd>", escaped(value)))
        .collect();
    if shown.is_empty() { shown } else { format!("<dl>{shown}</dl>") }
}

/// A page that is about no login in particular.
fn plain(status: u16, title: &str, message: &str, more: &str) -> Page {
    page(status, Tone::Bad, title, message, more, "")
}

/// Not the answer to the running login.
pub(crate) fn stray() -> Page {
    let message = "This is not the answer to the sign-in in progress.";
    let more = "The sign-in goes on: use the address that your terminal shows. You can close this tab.";
    plain(400, "Not the right answer", message, more)
}

/// The entrance has been used already.
pub(crate) fn opened_before() -> Page {
    let message = "This sign-in was opened already.";
    let more = "To open it again, use the address that your terminal shows. If it was not you who opened it, stop the \
                sign-in there with Ctrl-C and begin again.";
    plain(410, "Opened already", message, more)
}

/// The entrance does not open itself to this visitor.
pub(crate) fn from_terminal() -> Page {
    let message = "A sign-in is running, but it cannot be opened from here.";
    plain(403, "Not from here", message, "Use the address that your terminal shows.")
}

/// Sends the browser on to the provider. Neither a cache nor the provider learns where from.
pub(crate) fn redirect(to: &Url) -> Page {
    let headers =
        [("location", to.as_str()), ("cache-control", "no-store"), ("referrer-policy", "no-referrer")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Page { status: 302, headers, body: String::new() }
}

/// The login ended while this request was on its way.
pub(crate) fn over() -> Page {
    plain(410, "Too late", "This sign-in has ended already.", CLOSE)
}

/// The listener has one page.
pub(crate) fn not_found() -> Page {
    plain(404, "Nothing here", "There is no such page.", "You can close this tab.")
}

/// The request was not of the method that is expected.
pub(crate) fn not_allowed(method: &'static str) -> Page {
    let mut page = plain(405, "Nothing here", "This page cannot do that.", CLOSE);
    page.headers.push(("allow".into(), method.into()));
    page
}

/// The request was meant for another host: DNS rebinding, or a proxy.
pub(crate) fn foreign() -> Page {
    plain(421, "Nothing here", "This page answers to loopback addresses only.", CLOSE)
}

/// The request is no HTTP request that the listener understands, or too long.
pub(crate) fn malformed() -> Page {
    plain(400, "Nothing here", "This request cannot be understood.", CLOSE)
}

#[derive(Clone, Copy)]
enum Tone {
    Good,
    Bad,
}

/// `rows` is HTML; everything else is text.
fn page(status: u16, tone: Tone, title: &str, message: &str, more: &str, rows: &str) -> Page {
    let (class, mark) = match tone {
        Tone::Good => ("good", "✓"),
        Tone::Bad => ("bad", "!"),
    };
    let mut body = String::with_capacity(TEMPLATE.len() + message.len() + more.len() + rows.len());
    let mut rest = TEMPLATE;
    // One pass, so that a name in a text that was put in is not taken for a place in the template.
    while let Some((before, place)) = rest.split_once("{{") {
        let (name, after) = place.split_once("}}").unwrap_or((place, ""));
        body.push_str(before);
        body.push_str(&match name {
            "class" => class.to_owned(),
            "mark" => mark.to_owned(),
            "title" => escaped(title),
            "message" => escaped(message),
            "rows" => rows.to_owned(),
            _ => escaped(more),
        });
        rest = after;
    }
    body.push_str(rest);
    let headers = HEADERS.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Page { status, headers, body }
}

/// With a capital and a full stop, which error messages do not have; an address keeps its letters.
fn sentence(text: &str) -> String {
    if text.starts_with("http") {
        return format!("{text}.");
    }
    let mut letters = text.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", letters.as_str())
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ErrorKind, Typed};

    #[test]
    fn foreign_words_are_shown_as_text() {
        let error =
            AgentError::new(ErrorKind::LoginDenied, "<script>alert('{{more}}')</script>", "a \"b\" & c");
        let whose = Whose { host: "<i>".into(), ..Whose::default() };
        let body = failed(&error, &whose).body;
        assert!(body.contains("&lt;script&gt;alert(&#39;{{more}}&#39;)&lt;/script&gt;"), "{body}");
        assert!(body.contains("a &quot;b&quot; &amp; c"), "{body}");
        assert!(!body.contains("<script") && !body.contains("<i>"), "{body}");
    }

    #[test]
    fn the_page_says_whose_login_has_ended_and_which_program_shows_it() {
        let account = Account { email: "<b>ada@sandbox.test".into(), ..Account::default() };
        let whose = Whose::new(&"work".parse().unwrap(), "https://platform.example.com:8443/api");
        for body in [signed_in(&account, &whose).body, failed(&AgentError::stopping(), &whose).body] {
            assert!(body.contains("<dt>Host</dt><dd>platform.example.com:8443</dd>"), "{body}");
            assert!(body.contains("<dt>Profile</dt><dd>work</dd>"), "{body}");
            assert!(body.contains(">Seqera<"), "{body}");
        }
        let body = signed_in(&account, &whose).body;
        assert!(body.contains("<dt>Account</dt><dd>&lt;b&gt;ada@sandbox.test</dd>"), "{body}");
        assert!(!plain(404, "", "", "").body.contains("<dl>"));
    }

    #[test]
    fn what_to_do_is_what_was_typed() {
        let error = AgentError::login_timed_out(std::time::Duration::from_secs(1));
        let typed = Typed::at_login("work", "https://x.test/api", "", &["device"]);
        let body = failed(&error.typed(&typed), &Whose::default()).body;
        let again = "seqera login --profile work --authority https://x.test/api --device";
        assert!(body.contains(again), "{body}");
    }

    #[test]
    fn a_page_loads_nothing_and_fills_every_place() {
        let account = Account { email: "ada@sandbox.test".into(), ..Account::default() };
        let page = signed_in(&account, &Whose::default());
        assert!(page.body.contains("You are signed in as ada@sandbox.test."));
        assert!(page.body.contains("close this tab"));
        for foreign in ["{{", "http:", "https:", "src=", "url(", "<script", "@import"] {
            assert!(!page.body.contains(foreign), "{foreign}");
        }
    }

    #[test]
    fn every_page_says_that_it_may_load_run_and_be_framed_by_nothing() {
        let error = AgentError::new(ErrorKind::LoginDenied, "no", "");
        let pages = [
            signed_in(&Account::default(), &Whose::default()),
            failed(&error, &Whose::default()),
            stray(),
            opened_before(),
            from_terminal(),
            over(),
            not_found(),
            not_allowed("GET"),
            foreign(),
            malformed(),
        ];
        for page in pages {
            let header = |name: &str| {
                let known = page.headers.iter().find(|(known, _)| known == name);
                known.map(|(_, value)| value.as_str()).unwrap_or_default()
            };
            let policy = header("content-security-policy");
            for rule in
                ["default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]
            {
                assert!(policy.contains(rule), "{rule}: {policy}");
            }
            assert!(!policy.contains("script"), "{policy}");
            assert_eq!((header("cache-control"), header("referrer-policy")), ("no-store", "no-referrer"));
            assert_eq!(header("x-content-type-options"), "nosniff");
        }
    }
}
