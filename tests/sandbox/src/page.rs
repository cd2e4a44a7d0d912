//! The pages that people see. Each is a single file that says it is a sandbox. Only SciToolkit's has a
//! script.

pub(crate) mod device;

use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use url::Url;
use url::form_urlencoded::Serializer;

use crate::people::account::User;
use crate::providers::purpose::Purpose;
use crate::providers::{Name, Provider};
use crate::tower::Tower;

const FRAME: &str = include_str!("page/frame.html");

/// The page loads nothing, runs nothing, and cannot be framed.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

/// What a client asks a person for.
pub(crate) struct Question<'a> {
    pub(crate) client: &'a str,
    pub(crate) scope: &'a str,
    pub(crate) purpose: &'a Purpose,
}

impl Question<'_> {
    fn words(&self) -> String {
        let name = |name| format!("<code>{}</code> ", escape(name));
        let scopes: String = self.scope.split_whitespace().map(name).collect();
        let words = format!("<p><strong>{}</strong> asks for {scopes}</p>", escape(self.client));
        // RFC 8628, 3.3.1: the page shows the code, so that a person notices one that is not theirs.
        let device = self.purpose.user_code.as_deref().map(|code| {
            format!(
                "<p>It runs on another device. Does your terminal show <strong class=\"user-code\">{}</strong>? \
                 If not, deny.</p>",
                escape(code)
            )
        });
        words + &device.unwrap_or_default()
    }

    /// The form for the answer, with a button to deny.
    fn form(&self, buttons: &str) -> String {
        let action = if self.purpose.user_code.is_some() { "/api/device" } else { "/api/oauth2/consent" };
        let fields = self.purpose.fields();
        let deny = "<button class=\"plain\" name=\"deny\" value=\"1\">Deny</button>";
        format!("<form method=\"post\" action=\"{action}\">{fields}{buttons}{deny}</form>")
    }
}

impl Purpose {
    /// The purpose as hidden fields of a form.
    fn fields(&self) -> String {
        let field = |(name, value): (&str, &str)| {
            format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escape(value))
        };
        self.parameters().map(field).collect()
    }
}

/// Asks which user allows the request. Nobody has to prove anything.
pub(crate) fn choose(users: &[Arc<User>], question: &Question<'_>) -> Response {
    let buttons: String = users.iter().map(|user| button(user)).collect();
    let (words, form) = (question.words(), question.form(&buttons));
    show(StatusCode::OK, &format!("<h1>Sign in to the sandbox</h1>{words}{form}"))
}

/// Asks a person who is signed in.
pub(crate) fn consent(user: &User, question: &Question<'_>) -> Response {
    let allow = format!(
        "<button class=\"main\" name=\"user\" value=\"{email}\"><b>Allow</b><span>as {name} ({email})</span></button>",
        email = escape(&user.email),
        name = escape(&user.full_name()),
    );
    let body = format!(
        "<h1>Allow access?</h1>{}{}<form method=\"post\" action=\"/oauth/logout\">{}\
         <button class=\"plain\">Use another account</button></form>",
        question.words(),
        question.form(&allow),
        question.purpose.fields(),
    );
    show(StatusCode::OK, &body)
}

/// Asks a person to sign in, on behalf of a client.
pub(crate) fn sign_in(tower: &Tower, question: &Question<'_>) -> Response {
    let (words, ways, deny) = (question.words(), ways(tower, question.purpose), question.form(""));
    show(StatusCode::OK, &format!("<h1>Sign in to the sandbox</h1>{words}{ways}{deny}"))
}

fn button(user: &User) -> String {
    format!(
        "<button name=\"user\" value=\"{email}\"><b>{name}</b><span>{email}</span></button>",
        email = escape(&user.email),
        name = escape(&user.full_name()),
    )
}

/// A button for each provider, and a field for the magic link.
fn ways(tower: &Tower, purpose: &Purpose) -> String {
    let providers: String = tower.providers.iter().map(|provider| way(provider, purpose)).collect();
    let email = tower.email.as_ref().map(|_| {
        format!(
            "<form method=\"post\" action=\"/oauth/login/email\">{}<label>E-mail address\
             <input type=\"email\" name=\"email\" autocomplete=\"email\" required></label>\
             <button><b>Send me a sign-in link</b></button></form>",
            purpose.fields()
        )
    });
    format!("{providers}{}", email.unwrap_or_default())
}

fn way(provider: &Provider, purpose: &Purpose) -> String {
    let query = Serializer::new(String::new()).extend_pairs(purpose.parameters()).finish();
    let host = Url::parse(&provider.address).ok().and_then(|url| url.host_str().map(str::to_owned));
    let label = match provider.name {
        Name::Oidc => "single sign-on",
        other => other.label(),
    };
    format!(
        "<a class=\"button\" href=\"/oauth/login/{}?{query}\"><b>Continue with {label}</b><span>{}</span></a>",
        provider.name.path(),
        escape(&host.unwrap_or_default()),
    )
}

/// The front page.
pub(crate) fn front(tower: &Tower, issuer: &str, visitor: Option<&User>) -> Response {
    let person = match visitor {
        Some(user) => format!(
            "<p>Signed in as <strong>{}</strong> ({}). This page keeps the session while it is open.</p>\
             <form method=\"post\" action=\"/oauth/logout\"><button class=\"plain\">Sign out</button></form>",
            escape(&user.full_name()),
            escape(&user.email)
        ),
        None => ways(tower, &Purpose::default()),
    };
    let body = format!(
        "<h1>A small Seqera Platform to test against</h1><p>Authority: <code>{}</code></p>\
         <p>What happened: <a href=\"/_sandbox/stats\"><code>/_sandbox/stats</code></a></p>{person}",
        escape(issuer)
    );
    show(StatusCode::OK, &body)
}

/// Says that a magic link is on its way.
pub(crate) fn mail_sent(email: &str) -> Response {
    let body = format!(
        "<h1>Look into your mail</h1><p>A sign-in link has gone to <strong>{}</strong>. It works once, for 15 \
         minutes. This page can be closed.</p>",
        escape(email)
    );
    show(StatusCode::OK, &body)
}

/// An error that must not reach the client.
pub(crate) fn problem(text: &str) -> Response {
    stop(StatusCode::BAD_REQUEST, text)
}

/// A sign-in that is not allowed, when no client is waiting for an answer.
pub(crate) fn refused(text: &str) -> Response {
    stop(StatusCode::FORBIDDEN, text)
}

fn stop(status: StatusCode, text: &str) -> Response {
    show(status, &format!("<h1>This sign-in cannot go on</h1><p>{}</p>", escape(text)))
}

pub(crate) fn show(status: StatusCode, body: &str) -> Response {
    framed(status, POLICY, body)
}

/// A page with its own policy.
pub(crate) fn framed(status: StatusCode, policy: &str, body: &str) -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy),
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
