//! The Platform's REST API, as much of it as a credential agent uses.

pub(crate) mod ephemeral;

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequestParts, Json, Path, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::people::account::{Organization, User, Workspace};
use crate::tower::HEARTBEAT_SECONDS;

/// The user that the bearer token belongs to, an access token or a personal access token.
pub(crate) struct Caller {
    app: Arc<App>,
    id: u64,
}

impl FromRequestParts<Arc<App>> for Caller {
    /// The error has no body, like the Platform's.
    type Rejection = StatusCode;

    /// The whole token counts, including its signature: the sandbox knows every token that it issued.
    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, StatusCode> {
        let value = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = value.and_then(|value| value.strip_prefix("Bearer ")).ok_or(StatusCode::UNAUTHORIZED)?;
        let id = app.bearer(token).or_else(|| app.pats().bearer(token, app.now()));
        Ok(Self { app: app.clone(), id: id.ok_or(StatusCode::UNAUTHORIZED)? })
    }
}

impl Caller {
    fn user(&self) -> Result<Arc<User>, StatusCode> {
        self.app.people.by_id(self.id).ok_or(StatusCode::UNAUTHORIZED)
    }

    /// Root users have administrative access to everything in the Platform.
    fn is_root(&self, user: &User) -> bool {
        self.app.tower.is_root(user.id, &user.email)
    }
}

pub(crate) async fn service_info(State(app): State<Arc<App>>) -> Json<Value> {
    let email = app.tower.email.as_ref().map(|_| "email");
    let providers = app.tower.providers.iter().map(|provider| provider.name.path());
    let plain = app.tower.is_plain().then_some("sandbox");
    let ways: Vec<&str> = plain.into_iter().chain(email).chain(providers).collect();
    Json(json!({ "serviceInfo": {
        "version": concat!("sandbox-", env!("CARGO_PKG_VERSION")),
        "apiVersion": "1.187.0",
        "authTypes": ways,
        "loginPath": "/oauth2/authorize",
        "heartbeatInterval": HEARTBEAT_SECONDS,
        "seqeraCloud": false,
        "seqeraAiBaseUrl": app.settings.ai_backend,
        "seqeraAgentBackendUrl": null,
    }}))
}

pub(crate) async fn user_info(caller: Caller) -> Result<Json<Value>, StatusCode> {
    let user = caller.user()?;
    Ok(Json(json!({
        "user": {
            "id": user.id,
            "userName": user.user_name,
            "email": user.email,
            "firstName": user.first_name,
            "lastName": user.last_name,
            "organization": user.organizations.first().map(|organization| &organization.full_name),
            "description": "invented by the sandbox",
            "avatar": null,
        },
        "needConsent": false,
        "defaultWorkspaceId": null,
    })))
}

pub(crate) async fn orgs(caller: Caller) -> Result<Json<Value>, StatusCode> {
    let user = caller.user()?;
    let mut seen: Vec<Organization> = user.organizations.clone();
    if caller.is_root(&user) {
        add_all(&mut seen, &caller.app.people.all());
    }
    let organizations: Vec<Value> = seen.iter().map(|of| organization(&user, of)).collect();
    Ok(Json(json!({ "totalSize": organizations.len(), "organizations": organizations })))
}

/// Adds everybody's organisations, because a root user may manage them without being a member.
fn add_all(seen: &mut Vec<Organization>, people: &[Arc<User>]) {
    for organization in people.iter().flat_map(|user| &user.organizations) {
        if seen.iter().all(|known| known.id != organization.id) {
            seen.push(Organization { role: "owner".into(), ..organization.clone() });
        }
    }
}

fn organization(user: &User, organization: &Organization) -> Value {
    json!({
        "orgId": organization.id,
        "name": organization.name,
        "fullName": organization.full_name,
        "description": "invented by the sandbox",
        "location": null,
        "website": null,
        "memberId": organization.id * 1000 + user.id,
        "memberRole": organization.role,
    })
}

/// A user may see only their own workspaces; a root user may see everybody's.
pub(crate) async fn workspaces(caller: Caller, Path(user): Path<u64>) -> Result<Json<Value>, StatusCode> {
    if user != caller.id && !caller.is_root(&*caller.user()?) {
        return Err(StatusCode::FORBIDDEN);
    }
    let user = caller.app.people.by_id(user).ok_or(StatusCode::NOT_FOUND)?;
    let rows: Vec<Value> = user.organizations.iter().flat_map(rows_of).collect();
    Ok(Json(json!({ "orgsAndWorkspaces": rows })))
}

/// First a row for the organisation, without a workspace, then a row for each workspace.
fn rows_of(organization: &Organization) -> Vec<Value> {
    let row = |workspace: Option<&Workspace>| {
        json!({
            "orgId": organization.id,
            "orgName": organization.name,
            "workspaceId": workspace.map(|workspace| workspace.id),
            "workspaceName": workspace.map(|workspace| &workspace.name),
            "workspaceFullName": workspace.map(|workspace| &workspace.full_name),
            "visibility": workspace.map(|_| "PRIVATE"),
            "roles": workspace.map_or(vec![&*organization.role], |_| vec!["launch"]),
        })
    };
    std::iter::once(row(None))
        .chain(organization.workspaces.iter().map(|workspace| row(Some(workspace))))
        .collect()
}

pub(crate) async fn list_tokens(caller: Caller) -> Json<Value> {
    Json(json!({ "tokens": caller.app.pats().list(caller.id) }))
}

/// The request for a personal access token.
#[derive(Deserialize)]
pub(crate) struct NewToken {
    name: String,
}

pub(crate) async fn create_token(caller: Caller, new: Result<Json<NewToken>, JsonRejection>) -> Response {
    let refuse =
        |status: StatusCode, message: String| (status, Json(json!({ "message": message }))).into_response();
    let Json(NewToken { name }) = match new {
        Ok(new) => new,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, error.body_text()),
    };
    match caller.app.add_pat(caller.id, &name, None) {
        Ok(id) => Json(caller.app.pats().created(id)).into_response(),
        Err(taken) => refuse(StatusCode::CONFLICT, taken.to_string()),
    }
}

/// `delete-all` is not an id, so nothing is found. The sandbox does not offer it, because no client here may
/// call it.
pub(crate) async fn delete_token(caller: Caller, Path(id): Path<String>) -> StatusCode {
    let deleted = id.parse().is_ok_and(|id| caller.app.pats().delete(caller.id, id));
    if deleted { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}
