//! The pages of a sign-in on another device.

use axum::http::StatusCode;
use axum::response::Response;

use crate::account::User;
use crate::device_codes::Asked;
use crate::page::{buttons, escape, scopes, show};

/// Asks for the code; `wrong` is one that did not fit.
pub(crate) fn enter(wrong: Option<&str>) -> Response {
    let (status, complaint) = match wrong {
        None => (StatusCode::OK, String::new()),
        Some(code) => {
            let text = format!(
                "<p role=\"alert\">No sign-in waits for <code>{}</code>. It may be mistyped, decided or expired.</p>",
                escape(code)
            );
            (StatusCode::BAD_REQUEST, text)
        }
    };
    let body = format!(
        "<h1>Sign in on another device</h1>{complaint}\
         <form method=\"get\"><label>The code that your terminal shows\
         <input name=\"user_code\" autocomplete=\"off\" autocapitalize=\"characters\" spellcheck=\"false\" \
         required autofocus></label><button>Continue</button></form>"
    );
    show(status, &body)
}

/// Asks which user allows what. RFC 8628, 3.3.1: the code is shown, so that a stranger's is noticed.
pub(crate) fn consent(users: &[User], asked: &Asked, code: &str) -> Response {
    let code = escape(code);
    let body = format!(
        "<h1>Sign in to the sandbox</h1>\
         <p><strong>{client}</strong> asks for {scopes} on another device.</p>\
         <p>Does your terminal show <strong>{code}</strong>? If it does not, deny.</p>\
         <form method=\"post\"><input type=\"hidden\" name=\"user_code\" value=\"{code}\">{buttons}</form>",
        client = escape(&asked.client),
        scopes = scopes(&asked.scope),
        buttons = buttons(users),
    );
    show(StatusCode::OK, &body)
}

/// The end, good or bad.
pub(crate) fn decided(allowed: bool) -> Response {
    let title = if allowed { "Signed in" } else { "Denied" };
    let body = format!("<h1>{title}</h1><p>You can close this page and go back to your terminal.</p>");
    show(StatusCode::OK, &body)
}
