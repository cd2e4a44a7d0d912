//! The Platform's REST API, as far as a credential agent uses it.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequestParts, Json, Path};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::account::{Organization, User, Workspace};
use crate::app::App;

/// The user whose access token or personal access token came as bearer.
pub(crate) struct Caller {
    app: Arc<App>,
    id: u64,
}

impl FromRequestParts<Arc<App>> for Caller {
    /// Without a body, as the Platform does it.
    type Rejection = StatusCode;

    /// A token counts only as a whole, signature included: the sandbox knows every one that it issued.
    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, StatusCode> {
        let value = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = value.and_then(|value| value.strip_prefix("Bearer ")).ok_or(StatusCode::UNAUTHORIZED)?;
        let now = app.now();
        let id = app.grants().bearer(token, now).or_else(|| app.pats().bearer(token, now));
        Ok(Self { app: app.clone(), id: id.ok_or(StatusCode::UNAUTHORIZED)? })
    }
}

impl Caller {
    fn user(&self) -> Result<&User, StatusCode> {
        self.app.user_by_id(self.id).ok_or(StatusCode::UNAUTHORIZED)
    }
}

pub(crate) async fn service_info() -> Json<Value> {
    Json(json!({ "serviceInfo": {
        "version": concat!("sandbox-", env!("CARGO_PKG_VERSION")),
        "apiVersion": "1.187.0",
        "authTypes": ["sandbox"],
        "loginPath": "/oauth2/authorize",
        "heartbeatInterval": 60,
        "seqeraCloud": false,
        "seqeraAiBaseUrl": null,
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
    let organizations: Vec<Value> = user.organizations.iter().map(|of| organization(user, of)).collect();
    Ok(Json(json!({ "totalSize": organizations.len(), "organizations": organizations })))
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

/// The user's own, and nobody else's.
pub(crate) async fn workspaces(caller: Caller, Path(user): Path<u64>) -> Result<Json<Value>, StatusCode> {
    if user != caller.id {
        return Err(StatusCode::FORBIDDEN);
    }
    let rows: Vec<Value> = caller.user()?.organizations.iter().flat_map(rows_of).collect();
    Ok(Json(json!({ "orgsAndWorkspaces": rows })))
}

/// First the organisation itself, in a row without a workspace, then its workspaces.
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

/// A personal access token to be made.
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

/// `delete-all` is no id, so it finds nothing: the sandbox does not offer what nobody here may call.
pub(crate) async fn delete_token(caller: Caller, Path(id): Path<String>) -> StatusCode {
    let deleted = id.parse().is_ok_and(|id| caller.app.pats().delete(caller.id, id));
    if deleted { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}
