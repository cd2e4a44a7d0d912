//! What the browser shows at the end of a sign-in. Self-contained: the page loads nothing, runs nothing, and
//! whatever a provider or a stranger wrote into it is shown as text.

use url::Url;

use crate::error::AgentError;
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

/// The login is done and its session kept.
pub(crate) fn signed_in(account: &Account) -> Page {
    let message = match account.label() {
        "" => "You are signed in.".to_owned(),
        label => format!("You are signed in as {label}."),
    };
    page(200, Tone::Good, "Signed in", &message, CLOSE)
}

/// The login has ended without a session.
pub(crate) fn failed(error: &AgentError) -> Page {
    let more = match error.hint() {
        "" => CLOSE.to_owned(),
        hint => format!("What to do: {hint}. {CLOSE}"),
    };
    page(400, Tone::Bad, "Sign-in failed", &sentence(&error.to_string()), &more)
}

/// Not the answer to the running login.
pub(crate) fn stray() -> Page {
    let message = "This is not the answer to the sign-in that is running.";
    let more = "The sign-in goes on: use the address that your terminal shows. You can close this tab.";
    page(400, Tone::Bad, "Not the right answer", message, more)
}

/// The entrance has been used already.
pub(crate) fn opened_before() -> Page {
    let message = "This sign-in was opened already.";
    let more = "To open it again, use the address that your terminal shows. If it was not you who opened it, stop the \
                sign-in there with Ctrl-C and begin again.";
    page(410, Tone::Bad, "Opened already", message, more)
}

/// The entrance does not open itself to this visitor.
pub(crate) fn from_terminal() -> Page {
    let message = "A sign-in is running, but it cannot be opened from here.";
    page(403, Tone::Bad, "Not from here", message, "Use the address that your terminal shows.")
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
    page(410, Tone::Bad, "Too late", "This sign-in has ended already.", CLOSE)
}

/// The listener has one page.
pub(crate) fn not_found() -> Page {
    page(404, Tone::Bad, "Nothing here", "There is no such page.", "You can close this tab.")
}

/// The request was not of the method that is expected.
pub(crate) fn not_allowed(method: &'static str) -> Page {
    let mut page = page(405, Tone::Bad, "Nothing here", "This page cannot do that.", CLOSE);
    page.headers.push(("allow".into(), method.into()));
    page
}

/// The request was meant for another host: DNS rebinding, or a proxy.
pub(crate) fn foreign() -> Page {
    page(421, Tone::Bad, "Nothing here", "This page answers to loopback addresses only.", CLOSE)
}

/// The request is no HTTP request that the listener understands, or too long.
pub(crate) fn malformed() -> Page {
    page(400, Tone::Bad, "Nothing here", "This request cannot be understood.", CLOSE)
}

#[derive(Clone, Copy)]
enum Tone {
    Good,
    Bad,
}

fn page(status: u16, tone: Tone, title: &str, message: &str, more: &str) -> Page {
    let (class, mark) = match tone {
        Tone::Good => ("good", "✓"),
        Tone::Bad => ("bad", "!"),
    };
    let mut body = String::with_capacity(TEMPLATE.len() + message.len() + more.len());
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
    use crate::error::ErrorKind;

    #[test]
    fn foreign_words_are_shown_as_text() {
        let error =
            AgentError::new(ErrorKind::LoginDenied, "<script>alert('{{more}}')</script>", "a \"b\" & c");
        let body = failed(&error).body;
        assert!(body.contains("&lt;script&gt;alert(&#39;{{more}}&#39;)&lt;/script&gt;"), "{body}");
        assert!(body.contains("a &quot;b&quot; &amp; c"), "{body}");
        assert!(!body.contains("<script"), "{body}");
    }

    #[test]
    fn a_page_loads_nothing_and_fills_every_place() {
        let account = Account { email: "ada@sandbox.test".into(), ..Account::default() };
        let page = signed_in(&account);
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
            signed_in(&Account::default()),
            failed(&error),
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
