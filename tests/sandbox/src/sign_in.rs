//! Sign-in as the Platform's web host does it: `/oauth/login/<provider>` leads to the provider, which leads
//! back to `/oauth/callback/<provider>`. If a command-line client is waiting, its authorization request is
//! carried along as `request` and continues after the sign-in. If the sign-in fails, the client gets the
//! error.

use std::sync::Arc;

use axum::extract::{Form, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use chrono::TimeDelta;
use serde::Deserialize;

use crate::app::App;
use crate::keys::{TOKEN_BYTES, random_text};
use crate::oauth::session::{self, cookie, set_cookie};
use crate::oauth::{authorize, device};
use crate::page;
use crate::people::Identity;
use crate::providers::purpose::{Away, Mailed, Purpose};
use crate::providers::{Departure, Name, ProviderError};

/// Binds a sign-in to the browser that started it (RFC 9700, 4.7).
const STATE_COOKIE: &str = "SANDBOX_SIGN_IN";

/// How long a person may take at the provider or with the mail. The mail says that its link works that long.
const PATIENCE: TimeDelta = TimeDelta::minutes(15);

/// Why a sign-in cannot continue.
enum Failure {
    /// It was not started here, or not in this browser. Nothing in it can be trusted, so no client gets an
    /// answer.
    Stray,
    /// The person has refused, or the rules forbid it.
    Denied(String),
    /// The provider has failed.
    Failed(String),
}

/// Sends the browser to a provider.
pub(crate) async fn login(
    State(app): State<Arc<App>>,
    Path(name): Path<Name>,
    Query(purpose): Query<Purpose>,
) -> Response {
    let (Some(provider), Some(http)) = (app.tower.provider(name), &app.http) else {
        return page::problem("This sandbox does not sign in that way.");
    };
    let departure = Departure::new(format!("{}/oauth/callback/{}", app.url, name.path()));
    let state = random_text(TOKEN_BYTES);
    match provider.authorization_url(http, &departure, &state).await {
        Ok(to) => {
            let away = Away { provider: name, departure, purpose };
            let now = app.now();
            app.away.put_as(state.clone(), away, now + PATIENCE, now);
            let age = u32::try_from(PATIENCE.num_seconds()).unwrap_or(u32::MAX);
            let bound = AppendHeaders([set_cookie(&app, STATE_COOKIE, &state, age)]);
            (bound, see_other(to.as_str())).into_response()
        }
        Err(ProviderError(why)) => refuse(&app, Failure::Failed(why), &purpose),
    }
}

/// The parameters of the provider's redirect (RFC 6749, 4.1.2).
#[derive(Deserialize)]
pub(crate) struct Callback {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

pub(crate) async fn callback(
    State(app): State<Arc<App>>,
    Path(name): Path<Name>,
    headers: HeaderMap,
    Query(answer): Query<Callback>,
) -> Response {
    let state = answer.state.as_deref().filter(|state| cookie(&headers, STATE_COOKIE) == Some(*state));
    let away = state.and_then(|state| app.away.take(state, app.now()));
    let Some(away) = away.filter(|away| away.provider == name) else {
        return refuse(&app, Failure::Stray, &Purpose::default());
    };
    let Away { departure, purpose, .. } = away;
    match identify(&app, name, departure, answer).await {
        Ok(identity) => enter(&app, &identity, &purpose),
        Err(failure) => refuse(&app, failure, &purpose),
    }
}

async fn identify(
    app: &App,
    name: Name,
    departure: Departure,
    answer: Callback,
) -> Result<Identity, Failure> {
    let (Some(provider), Some(http)) = (app.tower.provider(name), &app.http) else {
        return Err(Failure::Stray);
    };
    if let Some(error) = answer.error {
        let why = answer.error_description.unwrap_or_else(|| error.clone());
        let why = format!("{}: {why}", name.label());
        return Err(if error == "access_denied" { Failure::Denied(why) } else { Failure::Failed(why) });
    }
    let code = answer.code.ok_or_else(|| Failure::Failed(format!("{} sent no code", name.label())))?;
    let told = provider.identify(http, departure, &code).await;
    let identity = told.map_err(|ProviderError(why)| Failure::Failed(why))?;
    if provider.admits(&identity.email) {
        return Ok(identity);
    }
    let (email, label) = (&identity.email, name.label());
    Err(Failure::Denied(format!("{email} is not on the allow list for {label} sign-in of this sandbox")))
}

/// The form for a magic link.
#[derive(Deserialize)]
pub(crate) struct EmailForm {
    email: String,
    #[serde(flatten)]
    purpose: Purpose,
}

/// Sends a link to the address. Anybody who can read the mail can sign in with it.
pub(crate) async fn send_link(State(app): State<Arc<App>>, Form(form): Form<EmailForm>) -> Response {
    let Some(smtp) = &app.tower.email else {
        return page::problem("This sandbox does not sign in that way.");
    };
    let (now, email) = (app.now(), form.email.trim().to_owned());
    let mailed = Mailed { email: email.clone(), purpose: form.purpose };
    let token = app.mailed.put(mailed, now + PATIENCE, now);
    let link = format!("{}/oauth/callback/email?token={token}", app.url);
    match smtp.send_link(&email, &link).await {
        Ok(()) => page::mail_sent(&email),
        Err(why) => page::problem(&why),
    }
}

/// The token of a magic link.
#[derive(Deserialize)]
pub(crate) struct Link {
    token: String,
}

pub(crate) async fn follow_link(State(app): State<Arc<App>>, Query(link): Query<Link>) -> Response {
    let Some(Mailed { email, purpose }) = app.mailed.take(&link.token, app.now()) else {
        return page::problem("This link has been used or is too old.");
    };
    enter(&app, &Identity { email, name: None }, &purpose)
}

/// Ends the browser's session and shows the ways to sign in.
pub(crate) async fn logout(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Form(purpose): Form<Purpose>,
) -> Response {
    (session::close(&app, &headers), see_other(&purpose.page())).into_response()
}

fn enter(app: &App, identity: &Identity, purpose: &Purpose) -> Response {
    let user = app.people.admit(identity);
    (session::open(app, &user).set(app), see_other(&purpose.page())).into_response()
}

/// Answers whoever is waiting: a client through its redirect, a device at its next poll.
fn refuse(app: &App, failure: Failure, purpose: &Purpose) -> Response {
    let (code, why) = match failure {
        Failure::Stray => {
            return page::problem("This browser has begun no such sign-in, or it took too long.");
        }
        Failure::Denied(why) => ("access_denied", why),
        Failure::Failed(why) => ("server_error", why),
    };
    if let Some(request) = &purpose.request {
        return authorize::refuse(app, request, code, &why);
    }
    if let Some(user_code) = &purpose.user_code {
        device::refuse(app, user_code);
    }
    page::refused(&why)
}

fn see_other(to: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, to), (header::CACHE_CONTROL, "no-store")]).into_response()
}
