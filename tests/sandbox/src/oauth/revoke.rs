//! The revocation endpoint (RFC 7009).

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::error::OauthError;
use crate::app::App;

/// The form of a revocation request. It may have a `token_type_hint`, but the token is found without it.
#[derive(Deserialize)]
pub(crate) struct RevokeForm {
    client_id: Option<String>,
    token: Option<String>,
}

/// The answer for an unknown or dead token is also a success (RFC 7009, 2.2).
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    form: Result<Form<RevokeForm>, FormRejection>,
) -> Result<Response, OauthError> {
    if !app.settings.revocation {
        return Ok(StatusCode::NOT_FOUND.into_response());
    }
    let Form(form) = form.map_err(|error| OauthError::bad_request("invalid_request", error.body_text()))?;
    let client = form.client_id.ok_or_else(|| OauthError::missing("client_id"))?;
    if !app.knows_client(&client) {
        return Err(OauthError::unknown_client());
    }
    let token = form.token.ok_or_else(|| OauthError::missing("token"))?;
    let ended = app.grants().revoke(&token, &client)?;
    app.counter.note(|events| events.revocations += u64::from(ended));
    Ok(StatusCode::OK.into_response())
}
