//! Asks a person for consent: which page to show, and whose answer counts.

use axum::http::HeaderMap;
use axum::response::Response;

use super::session::{self, Visitor};
use crate::app::App;
use crate::page::{self, Question};
use crate::people::account::User;

/// Shows the page that fits: choose a user, sign in, or agree.
pub(crate) fn ask(app: &App, headers: &HeaderMap, question: &Question<'_>) -> Response {
    if app.tower.is_plain() {
        return page::choose(&app.people.all(), question);
    }
    match Visitor::of(app, headers) {
        Some(visitor) => {
            let page = page::consent(&visitor.user, question);
            visitor.show(app, page)
        }
        None => page::sign_in(&app.tower, question),
    }
}

/// Whether this browser may agree in the name of `user`.
pub(crate) fn may_answer(app: &App, headers: &HeaderMap, user: &User) -> bool {
    app.tower.is_plain() || session::holder(app, headers).is_some_and(|holder| holder.id == user.id)
}
