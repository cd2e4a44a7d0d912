//! Sign-in on another device (RFC 8628): the endpoint that issues codes, and the page where people enter
//! them.

use std::sync::Arc;

use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Json, Response};
use serde::Deserialize;
use serde_json::json;

use super::consent;
use super::error::OauthError;
use crate::app::App;
use crate::keys::{TOKEN_BYTES, random_bytes, random_text};
use crate::page::Question;
use crate::page::device as page;
use crate::providers::purpose::Purpose;
use crate::tokens::device_codes::{Asked, Decision, Refusal};

/// Letters that nobody confuses and that spell no words (RFC 8628, 6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// The form of a device authorization request (RFC 8628, 3.1).
#[derive(Deserialize)]
pub(crate) struct Request {
    client_id: Option<String>,
    scope: Option<String>,
    audience: Option<String>,
}

pub(crate) async fn authorize(
    State(app): State<Arc<App>>,
    Form(request): Form<Request>,
) -> Result<Response, OauthError> {
    let flow = &app.settings.device;
    if !flow.offered {
        return Err(OauthError::bad_request("unauthorized_client", "the sandbox offers no device flow"));
    }
    let client = request.client_id.ok_or_else(|| OauthError::missing("client_id"))?;
    if !app.knows_client(&client) {
        return Err(OauthError::unknown_client());
    }
    let audience = request.audience.unwrap_or_else(|| "platform".into());
    let asked = Asked { client, scope: request.scope.unwrap_or_default(), audience };
    let (device_code, user_code) = (random_text(TOKEN_BYTES), user_code());
    app.device_codes().add(device_code.clone(), user_code.clone(), asked, app.now());
    let page = format!("{}/device", app.authority);
    let mut answer = json!({
        "device_code": device_code,
        "user_code": user_code,
        "verification_uri": page,
        "expires_in": flow.lifetime,
        "interval": flow.interval,
    });
    if flow.complete_uri {
        answer["verification_uri_complete"] = format!("{page}?user_code={user_code}").into();
    }
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

/// Two groups of four letters. Their 34 bits are enough, because a code lives only minutes.
fn user_code() -> String {
    let letter = |byte: &u8| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]);
    let letters: String = random_bytes(8).iter().map(letter).collect();
    format!("{}-{}", &letters[..4], &letters[4..])
}

#[derive(Deserialize)]
pub(crate) struct Typed {
    user_code: Option<String>,
}

pub(crate) async fn enter(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Query(typed): Query<Typed>,
) -> Response {
    let Some(code) = typed.user_code else { return page::enter(None) };
    let asked = app.device_codes().asked(&code, app.now());
    match asked {
        Some(Asked { client, scope, .. }) => {
            let purpose = Purpose { request: None, user_code: Some(code) };
            let question = Question { client: &client, scope: &scope, purpose: &purpose };
            consent::ask(&app, &headers, &question)
        }
        None => page::enter(Some(&code)),
    }
}

/// Denies the request behind a code, because its person was not let in.
pub(crate) fn refuse(app: &App, user_code: &str) {
    // A code that is decided or expired needs no answer.
    let _ = app.device_codes().decide(user_code, Decision::Denied, app.now());
}

/// The form of the page: the code as it was typed, and the button that was pressed.
#[derive(Deserialize)]
pub(crate) struct Pressed {
    user_code: String,
    user: Option<String>,
}

pub(crate) async fn decide(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Form(pressed): Form<Pressed>,
) -> Response {
    let user = pressed.user.as_deref().map(|name| app.people.named(name));
    let decision = match user {
        Some(Some(user)) if consent::may_answer(&app, &headers, &user) => Decision::Allowed(user.id),
        Some(Some(_)) => return crate::page::problem("This browser is not signed in as that user."),
        Some(None) => return crate::page::problem("The sandbox has no such user."),
        None => Decision::Denied,
    };
    if app.device_codes().decide(&pressed.user_code, decision, app.now()) {
        page::decided(matches!(decision, Decision::Allowed(_)))
    } else {
        page::enter(Some(&pressed.user_code))
    }
}

impl From<Refusal> for OauthError {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::Pending => "authorization_pending",
            Refusal::SlowDown => "slow_down",
            Refusal::Expired => "expired_token",
            Refusal::Denied => "access_denied",
            Refusal::Unknown => "invalid_grant",
        };
        Self::bad_request(code, refusal.to_string())
    }
}
