//! The pages for sign-in on another device, except the consent itself.

use axum::http::StatusCode;
use axum::response::Response;

use crate::page::{escape, show};

/// Asks for the code. `wrong` is one that was entered but is not valid.
pub(crate) fn enter(wrong: Option<&str>) -> Response {
    let (status, complaint) = match wrong {
        None => (StatusCode::OK, String::new()),
        Some(code) => {
            let text = format!(
                "<p role=\"alert\">No sign-in waits for <code class=\"user-code\">{}</code>. It may be mistyped, decided or expired.</p>",
                escape(code)
            );
            (StatusCode::BAD_REQUEST, text)
        }
    };
    let body = format!(
        "<h1>Sign in on another device</h1>{complaint}\
         <form method=\"get\"><label>The code that your terminal shows\
         <input name=\"user_code\" autocomplete=\"off\" autocapitalize=\"characters\" spellcheck=\"false\" \
         required autofocus></label><button class=\"main alone\">Continue</button></form>"
    );
    show(status, &body)
}

/// The final page, for both outcomes.
pub(crate) fn decided(allowed: bool) -> Response {
    let title = if allowed { "Signed in" } else { "Denied" };
    let body = format!("<h1>{title}</h1><p>You can close this page and go back to your terminal.</p>");
    show(StatusCode::OK, &body)
}
