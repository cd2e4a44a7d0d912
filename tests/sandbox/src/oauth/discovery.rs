//! The endpoints for discovery: the document and the keys (OpenID Connect Discovery 1.0).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Json;
use openidconnect::core::CoreJsonWebKeySet;
use serde_json::Value;

use crate::app::App;

pub(crate) async fn discovery(State(app): State<Arc<App>>) -> Json<Value> {
    Json(app.metadata.clone())
}

pub(crate) async fn jwks(State(app): State<Arc<App>>) -> Json<CoreJsonWebKeySet> {
    Json(app.key.published())
}
