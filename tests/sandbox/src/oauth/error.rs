//! Errors of the token and revocation endpoints.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use serde_json::json;

use crate::tokens::grant::Refusal;

/// An error response of RFC 6749, 5.2.
#[derive(Debug)]
pub(crate) struct OauthError {
    status: StatusCode,
    code: &'static str,
    description: String,
}

impl OauthError {
    pub(crate) fn bad_request(code: &'static str, description: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, description: description.into() }
    }

    pub(crate) fn missing(parameter: &str) -> Self {
        Self::bad_request("invalid_request", format!("{parameter} is missing"))
    }

    pub(crate) fn unknown_client() -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            code: "invalid_client",
            description: "the sandbox does not know this client_id".into(),
        }
    }

    pub(crate) fn server_error(description: impl Into<String>) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            code: "server_error",
            description: description.into(),
        }
    }
}

impl From<Refusal> for OauthError {
    fn from(refusal: Refusal) -> Self {
        Self::bad_request("invalid_grant", refusal.to_string())
    }
}

impl IntoResponse for OauthError {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.code, "error_description": self.description });
        (self.status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
    }
}
