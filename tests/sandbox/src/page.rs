//! The pages that a person sees. Each is one file without scripts, and says that this is a sandbox.

use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use crate::account::User;

const FRAME: &str = include_str!("page.html");

/// Nothing is loaded, nothing runs, nobody frames it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

/// Asks which user allows what. `request` is the query of the authorization request; the form sends it back.
pub(crate) fn consent(users: &[User], client: &str, scope: &str, request: &str) -> Response {
    let (scopes, buttons) = (scopes(scope), buttons(users));
    let body = format!(
        "<h1>Sign in to the sandbox</h1>\
         <p><strong>{}</strong> asks for {scopes}</p>\
         <form method=\"post\" action=\"consent\">\
         <input type=\"hidden\" name=\"request\" value=\"{}\">{buttons}</form>",
        escape(client),
        escape(request),
    );
    show(StatusCode::OK, &body)
}

/// What is asked for, as a list of words.
pub(crate) fn scopes(scope: &str) -> String {
    scope.split_whitespace().map(|name| format!("<code>{}</code> ", escape(name))).collect()
}

/// One for each user, and a no.
pub(crate) fn buttons(users: &[User]) -> String {
    let deny = "<button class=\"deny\" name=\"deny\" value=\"1\">Deny</button>";
    users.iter().map(button).chain([deny.to_owned()]).collect()
}

fn button(user: &User) -> String {
    format!(
        "<button name=\"user\" value=\"{email}\"><b>{name}</b><span>{email}</span></button>",
        email = escape(&user.email),
        name = escape(&user.full_name()),
    )
}

/// What a person finds at the address itself.
pub(crate) fn front(issuer: &str) -> Response {
    let body = format!(
        "<h1>A small Seqera Platform to test against</h1><p>Authority: <code>{}</code></p>\
         <p>What happened: <a href=\"/_sandbox/stats\"><code>/_sandbox/stats</code></a></p>",
        escape(issuer)
    );
    show(StatusCode::OK, &body)
}

/// An error that must not be told to the client.
pub(crate) fn problem(text: &str) -> Response {
    let body = format!("<h1>This sign-in cannot go on</h1><p>{}</p>", escape(text));
    show(StatusCode::BAD_REQUEST, &body)
}

pub(crate) fn show(status: StatusCode, body: &str) -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, Html(FRAME.replace("{{body}}", body))).into_response()
}

pub(crate) fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut escaped, character| {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_an_attribute_or_start_an_element() {
        assert_eq!(
            escape(r#"<a href="x" title='y'>&"#),
            "&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;"
        );
    }
}
