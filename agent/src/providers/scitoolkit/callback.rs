//! What the web page of SciToolkit sends to the listener: not an address, as OIDC does, but a request of a
//! script, `POST` of JSON `{"state", "token"}` or `{"state", "denied": true}`, from another origin.
//!
//! A browser asks first whether it may (CORS preflight, and that of Private Network Access, since a public
//! page wants to reach this machine). The answer is yes for the origin of the profile's site, and for no other.

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use super::prefix::Prefix;
use crate::error::{AgentError, ErrorKind};
use crate::providers::browser::{Callback, CallbackRequest, Flow, Page};
use crate::providers::page;
use crate::token::Account;

/// As it is sent. Wiped by nobody: the token is taken out of it at once.
#[derive(Deserialize)]
struct Sent {
    state: String,
    token: Option<String>,
    #[serde(default)]
    denied: bool,
}

/// What a request to the loopback listener means for this flow. `site` is the origin of the web page.
pub(super) fn judge(site: &str, flow: &Flow, request: &CallbackRequest) -> Callback {
    let here = flow.redirect_uri.join(&request.target).ok();
    if here.is_none_or(|url| url.path() != flow.redirect_uri.path()) {
        return Callback::NotYet(page::not_found());
    }
    if request.method != "POST" && request.method != "OPTIONS" {
        return Callback::NotYet(page::not_allowed("POST, OPTIONS"));
    }
    // Every browser names the origin of a script's request. `null` is that of a sandboxed frame or a file.
    if header(request, "origin") != Some(site) {
        return Callback::NotYet(plain(403, "this listener answers to the page of the sign-in only"));
    }
    if request.method == "OPTIONS" {
        return Callback::NotYet(preflight(site, request));
    }
    if !is_json(request) {
        return Callback::NotYet(answer(site, 415, &json!({"ok": false, "error": "send application/json"})));
    }
    let Ok(sent) = serde_json::from_slice::<Sent>(&request.body) else {
        let what = "send {\"state\", \"token\"} or {\"state\", \"denied\": true}";
        return Callback::NotYet(answer(site, 400, &json!({"ok": false, "error": what})));
    };
    // Nobody must learn how much of the state they guessed, and a stranger must not end the login.
    if !bool::from(sent.state.as_bytes().ct_eq(flow.state.as_bytes())) {
        let what = "this is not the answer to the sign-in in progress";
        return Callback::NotYet(answer(site, 403, &json!({"ok": false, "error": what})));
    }
    decided(site, sent)
}

/// The right page has answered: this ends the login, one way or another.
fn decided(site: &str, sent: Sent) -> Callback {
    if sent.denied {
        let error = AgentError::new(
            ErrorKind::LoginDenied,
            format!("{site} refused the sign-in: it was denied in the browser"),
            "run '{again}' again; nothing was changed",
        );
        return Callback::Failed(Some(answer(site, 200, &json!({"ok": true}))), error);
    }
    let token = sent.token.unwrap_or_default();
    match Prefix::per_user(&token) {
        Ok(_) => Callback::Code(SecretString::from(token)),
        Err(why) => {
            let message = format!("{site} sent something that is no token for a person: {why}");
            let error =
                AgentError::new(ErrorKind::Misconfigured, message, "check 'authority' of the profile");
            Callback::Failed(Some(failed(site, &error)), error)
        }
    }
}

/// The page of the site is told how the login ended, and tells the person.
pub(super) fn page(site: &str, outcome: Result<&Account, &AgentError>) -> Page {
    match outcome {
        Ok(account) => answer(site, 200, &json!({"ok": true, "account": account.label()})),
        Err(error) => failed(site, error),
    }
}

fn failed(site: &str, error: &AgentError) -> Page {
    answer(site, 400, &json!({"ok": false, "error": error.to_string()}))
}

/// Fetch standard, section 3.3; Private Network Access, section 3.
fn preflight(site: &str, request: &CallbackRequest) -> Page {
    let mut page = Page { status: 204, headers: cors(site), body: String::new() };
    let mut allow = |name: &str, value: &str| page.headers.push((name.to_owned(), value.to_owned()));
    allow("access-control-allow-methods", "POST");
    allow("access-control-allow-headers", "content-type");
    // The port is another login's a minute later.
    allow("access-control-max-age", "0");
    if header(request, "access-control-request-private-network") == Some("true") {
        allow("access-control-allow-private-network", "true");
    }
    page
}

fn answer(site: &str, status: u16, body: &Value) -> Page {
    let mut page = Page { status, headers: cors(site), body: body.to_string() };
    page.headers.push(("content-type".into(), "application/json".into()));
    page
}

fn cors(site: &str) -> Vec<(String, String)> {
    let headers = [
        ("access-control-allow-origin", site),
        ("vary", "origin"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
    ];
    headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

/// For strangers: no header that lets a script read it.
fn plain(status: u16, text: &str) -> Page {
    Page { status, headers: vec![("content-type".into(), "text/plain".into())], body: format!("{text}\n") }
}

/// One value of a header; two of them count as none.
fn header<'a>(request: &'a CallbackRequest, name: &str) -> Option<&'a str> {
    let mut values =
        request.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
    values.next().filter(|_| values.next().is_none())
}

/// A form's content type needs no preflight: any page could send it.
fn is_json(request: &CallbackRequest) -> bool {
    let kind = header(request, "content-type").and_then(|value| value.split(';').next()).unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/json")
}
