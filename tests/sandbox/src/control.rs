//! The sandbox's own routes under `/_sandbox`. They are for tests, no real Platform has them, and faults
//! never apply to them.
//!
//! | route | body, as an example | does |
//! |---|---|---|
//! | `GET /stats` | | [`Stats`] |
//! | `POST /reset-stats` | | counts from zero again |
//! | `POST /faults` | `[{"on": "refresh", "kind": "status", "code": 503, "times": 2}]` | adds [`Fault`]s |
//! | `GET /faults`, `DELETE /faults` | | those still to come; forgets them and lets hanging calls go on |
//! | `POST /wait` | `{"on": "refresh", "count": 1, "stage": "in-effect"}` | waits, `timeout_ms` or 10 s |
//! | `POST /expire` | `{"refresh": "all", "access": "ada"}` | lets tokens expire now |
//! | `POST /clock` | `{"advance": 3600}` | lets so many seconds pass at once |
//! | `POST /tokens` | `{"user": "ada", "name": "ci"}` | makes a personal access token |
//! | `POST /scitoolkit` | `{"user": "ada", "prefix": "stk_user_", "expires_in": 60}` | makes a SciToolkit token |
//! | `POST /leave` | `{"user": "ada", "organization": "sandbox-genomics"}` | ends a membership; `workspace` beside it: only that |
//! | `POST /ephemeral` | any JSON | keeps it behind an ephemeral address, as the launch of a run does |
//!
//! A misspelt field is refused with 422, or 400 in a fault. Otherwise a test could pass because its fault
//! never happened.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Json, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::app::App;
use crate::faults::Fault;
use crate::faults::call::Target;
use crate::faults::stats::{Stage, Stats};
use crate::keys::random_text;

pub(crate) async fn stats(State(app): State<Arc<App>>) -> Json<Stats> {
    Json(app.stats())
}

pub(crate) async fn reset_stats(State(app): State<Arc<App>>) -> StatusCode {
    app.counter.reset();
    StatusCode::NO_CONTENT
}

pub(crate) async fn list_faults(State(app): State<Arc<App>>) -> Json<Vec<Fault>> {
    Json(app.faults.list())
}

pub(crate) async fn add_faults(State(app): State<Arc<App>>, Json(faults): Json<Vec<Value>>) -> Response {
    match faults.into_iter().map(Fault::parse).collect() {
        Ok(faults) => {
            app.faults.add(faults);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

pub(crate) async fn clear_faults(State(app): State<Arc<App>>) -> StatusCode {
    app.faults.clear();
    StatusCode::NO_CONTENT
}

/// What to wait for: a number of calls at some stage, counted from the start or the last reset.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wait {
    on: Target,
    count: u64,
    #[serde(default)]
    stage: Stage,
    #[serde(default = "ten_seconds")]
    timeout_ms: u64,
}

fn ten_seconds() -> u64 {
    10_000
}

/// Answers with the count: 200 once there are enough calls, 408 when time is up.
pub(crate) async fn wait(State(app): State<Arc<App>>, Json(wait): Json<Wait>) -> (StatusCode, Json<Value>) {
    let reached = app.counter.wait_for(wait.on, wait.stage, wait.count);
    let in_time = timeout(Duration::from_millis(wait.timeout_ms), reached).await.is_ok();
    let status = if in_time { StatusCode::OK } else { StatusCode::REQUEST_TIMEOUT };
    (status, Json(json!({ "count": app.counter.count(wait.on, wait.stage) })))
}

/// Whose tokens expire: those of one user, or of `all`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expire {
    #[serde(default)]
    refresh: Option<String>,
    #[serde(default)]
    access: Option<String>,
}

/// Ends sessions as idleness or a changed `TOWER_JWT_SECRET` would. Answers with the number of tokens that
/// were alive.
pub(crate) async fn expire(State(app): State<Arc<App>>, Json(expire): Json<Expire>) -> Response {
    let whose = |name: &Option<String>| match name.as_deref() {
        None => Ok(None),
        Some("all") => Ok(Some(None)),
        Some(name) => app.people.named(name).map(|user| Some(Some(user.id))).ok_or(StatusCode::NOT_FOUND),
    };
    let (refresh, access) = match (whose(&expire.refresh), whose(&expire.access)) {
        (Ok(refresh), Ok(access)) => (refresh, access),
        (Err(status), _) | (_, Err(status)) => return status.into_response(),
    };
    let (mut grants, now) = (app.grants(), app.now());
    Json(json!({
        "refresh": refresh.map_or(0, |user| grants.expire_refresh(user, now)),
        "access": access.map_or(0, |user| grants.expire_access(user, now)),
    }))
    .into_response()
}

/// How many seconds the clock moves forward.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Advance {
    advance: u32,
}

pub(crate) async fn advance(State(app): State<Arc<App>>, Json(by): Json<Advance>) -> StatusCode {
    app.clock.advance(by.advance);
    StatusCode::NO_CONTENT
}

/// What a user leaves: an organisation, or one workspace of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Leave {
    user: String,
    organization: String,
    #[serde(default)]
    workspace: Option<String>,
}

pub(crate) async fn leave(State(app): State<Arc<App>>, Json(what): Json<Leave>) -> StatusCode {
    let Leave { user, organization, workspace } = what;
    let left = app.people.leave(&user, &organization, workspace.as_deref());
    if left.is_some() { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

/// Whose personal access token to make. Without a name, it gets one that is free.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewToken {
    user: String,
    #[serde(default)]
    name: Option<String>,
}

/// Answers like the Platform's `POST /tokens`, but needs no sign-in.
pub(crate) async fn create_token(State(app): State<Arc<App>>, Json(new): Json<NewToken>) -> Response {
    let Some(user) = app.people.named(&new.user) else { return StatusCode::NOT_FOUND.into_response() };
    let name = new.name.unwrap_or_else(|| format!("sandbox-{}", random_text(6)));
    match app.add_pat(user.id, &name, None) {
        Ok(id) => Json(app.pats().created(id)).into_response(),
        Err(taken) => (StatusCode::CONFLICT, Json(json!({ "message": taken.to_string() }))).into_response(),
    }
}
