//! Ephemeral endpoints: URLs where Nextflow fetches the parameters of a run. They work once, and only for a
//! while.

use std::sync::Arc;

use axum::extract::{Json, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::app::App;
use crate::clock::seconds;

/// `POST /_sandbox/ephemeral`: keeps any JSON and answers with its URL. The Platform does this itself when it
/// launches a run.
pub(crate) async fn create(State(app): State<Arc<App>>, Json(parameters): Json<Value>) -> Json<Value> {
    let now = app.now();
    let name = app.ephemeral.put(parameters, now + seconds(app.tower.ephemeral_duration), now);
    Json(json!({ "url": format!("{}/api/ephemeral/{name}.json", app.url) }))
}

/// Whoever has the URL gets the parameters, without a token. Used, expired and unknown URLs look the same.
pub(crate) async fn hand_over(State(app): State<Arc<App>>, Path(file): Path<String>) -> Response {
    let name = file.strip_suffix(".json").unwrap_or(&file);
    match app.ephemeral.take(name, app.now()) {
        Some(parameters) => ([(header::CACHE_CONTROL, "no-store")], Json(parameters)).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
