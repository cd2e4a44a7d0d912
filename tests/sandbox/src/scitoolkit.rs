//! SciToolkit, as far as a credential agent uses it. The script of the page `/cli-auth` sends a token to the
//! listener of a command-line tool. On the page `/cli-tokens` people make tokens by hand. The backend is
//! under `/api/cli`. SciToolkit's documentation describes the pages and what they do; the paths of the
//! backend are an assumption.

use std::sync::Arc;

use axum::extract::{Form, FromRequestParts, Json, Path, Query, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::{Value, json};
use url::{Host, Url};

use crate::app::App;
use crate::keys::random_text;
use crate::page::{escape, framed, problem, show};
use crate::people::account::User;
use crate::tokens::toolkit::{Bearer, Shape};

const CONSENT: &str = include_str!("scitoolkit/consent.html");

/// The query that the tool sends.
#[derive(Deserialize)]
pub(crate) struct Question {
    state: String,
    callback: String,
}

/// The consent page. Its script may contact only this site and the callback.
pub(crate) async fn consent(State(app): State<Arc<App>>, Query(question): Query<Question>) -> Response {
    let Some(callback) = listener(&question.callback).filter(|_| !question.state.is_empty()) else {
        return problem("The address does not belong to a command line tool on this machine.");
    };
    let nonce = random_text(16);
    let buttons: String = app.people.all().iter().map(|user| approval(user)).collect();
    let values = [
        ("{{title}}", "Sign in to SciToolkit's sandbox?".to_owned()),
        ("{{nonce}}", nonce.clone()),
        ("{{buttons}}", buttons),
        ("{{callback}}", escape(callback.as_str())),
        // Replaced last, so that text from the query is never searched for places.
        ("{{state}}", escape(&question.state)),
    ];
    let body = values.iter().fold(CONSENT.to_owned(), |page, (place, value)| page.replace(place, value));
    let origin = callback.origin().ascii_serialization();
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-{nonce}'; \
         connect-src 'self' {origin}; base-uri 'none'; frame-ancestors 'none'"
    );
    framed(StatusCode::OK, &policy, &body)
}

/// The callback must be a tool's listener on the browser's own machine, because the token goes there.
fn listener(callback: &str) -> Option<Url> {
    let url = Url::parse(callback).ok()?;
    let loopback = match url.host()? {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(name) => name == "localhost",
    };
    (loopback && url.scheme() == "http" && url.path() == "/cli-callback").then_some(url)
}

fn approval(user: &User) -> String {
    format!(
        "<button data-user=\"{email}\"><b>Approve</b><span>as {name} ({email})</span></button>",
        email = escape(&user.email),
        name = escape(&user.full_name()),
    )
}

/// The person's answer. Anybody can claim to be anybody here.
#[derive(Deserialize)]
pub(crate) struct Approval {
    user: String,
}

/// Makes the token that the page sends to the tool.
pub(crate) async fn approve(State(app): State<Arc<App>>, Json(approval): Json<Approval>) -> Response {
    let Some(user) = app.people.named(&approval.user) else { return StatusCode::NOT_FOUND.into_response() };
    let token = app.toolkit_tokens().make(user.id, "command line", Shape::User, None, app.now());
    ([(header::CACHE_CONTROL, "no-store")], Json(json!({ "token": token }))).into_response()
}

/// The page where people make tokens by hand.
pub(crate) async fn tokens_page(State(app): State<Arc<App>>) -> Response {
    let forms: String = app.people.all().iter().map(|user| form(user)).collect();
    show(StatusCode::OK, &format!("<h1>CLI Tokens of SciToolkit's sandbox</h1>{forms}"))
}

fn form(user: &User) -> String {
    format!(
        "<form method=\"post\" action=\"/cli-tokens\"><input type=\"hidden\" name=\"user\" value=\"{email}\">\
         <label>Name<input name=\"name\" value=\"laptop\"></label>\
         <label>Expires after so many days; empty: never<input name=\"days\" inputmode=\"numeric\"></label>\
         <button><b>Generate token</b><span>for {name} ({email})</span></button></form>",
        email = escape(&user.email),
        name = escape(&user.full_name()),
    )
}

/// The form on that page.
#[derive(Deserialize)]
pub(crate) struct Wish {
    user: String,
    name: String,
    days: String,
}

/// Shows the new token, only this once.
pub(crate) async fn generate(State(app): State<Arc<App>>, Form(wish): Form<Wish>) -> Response {
    let Some(user) = app.people.named(&wish.user) else { return problem("There is no such user.") };
    let life = match wish.days.trim() {
        "" => None,
        days => match days.parse().ok().and_then(TimeDelta::try_days) {
            Some(life) => Some(life),
            None => return problem("The number of days is none."),
        },
    };
    let now = app.now();
    let end = life.and_then(|life| now.checked_add_signed(life));
    let token = app.toolkit_tokens().make(user.id, &wish.name, Shape::User, end, now);
    let body = format!(
        "<h1>Copy your token now</h1><p>It is shown only once.</p><p><code id=\"token\">{}</code></p>",
        escape(&token)
    );
    show(StatusCode::OK, &body)
}

/// The person that the bearer token belongs to.
pub(crate) struct Caller {
    app: Arc<App>,
    bearer: Bearer,
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, StatusCode> {
        let value = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = value.and_then(|value| value.strip_prefix("Bearer ")).ok_or(StatusCode::UNAUTHORIZED)?;
        let bearer = app.toolkit_tokens().bearer(token, app.now()).ok_or(StatusCode::UNAUTHORIZED)?;
        // A toolkit's token belongs to no person.
        if bearer.shape == Shape::Toolkit {
            return Err(StatusCode::FORBIDDEN);
        }
        Ok(Self { app: app.clone(), bearer })
    }
}

pub(crate) async fn whoami(caller: Caller) -> Result<Json<Value>, StatusCode> {
    let user = caller.app.people.by_id(caller.bearer.user).ok_or(StatusCode::UNAUTHORIZED)?;
    Ok(Json(json!({
        "uid": format!("sandbox-{}", user.id),
        "email": user.email,
        "name": user.full_name(),
        "auth_method": "cli_token",
    })))
}

pub(crate) async fn list(caller: Caller) -> Json<Value> {
    let Bearer { id, user, .. } = caller.bearer;
    Json(json!({ "tokens": caller.app.toolkit_tokens().list(user, id) }))
}

pub(crate) async fn revoke(caller: Caller, Path(id): Path<u64>) -> StatusCode {
    let revoked = caller.app.toolkit_tokens().revoke(caller.bearer.user, id);
    if revoked { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

/// A token for tests, made without a page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewToken {
    user: String,
    #[serde(default = "user_prefix")]
    prefix: String,
    #[serde(default)]
    expires_in: Option<u32>,
}

fn user_prefix() -> String {
    "stk_user_".to_owned()
}

/// `POST /_sandbox/scitoolkit`
pub(crate) async fn make(State(app): State<Arc<App>>, Json(new): Json<NewToken>) -> Response {
    let (Some(user), Some(shape)) = (app.people.named(&new.user), Shape::of(&new.prefix)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let now = app.now();
    let end = new.expires_in.map(|seconds| now + crate::clock::seconds(seconds));
    let token = app.toolkit_tokens().make(user.id, "sandbox", shape, end, now);
    Json(json!({ "token": token })).into_response()
}
