//! The token endpoint: exchanges a code or a refresh token for tokens (RFC 6749, 4.1.3 and 6).

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::header;
use axum::response::{IntoResponse, Json, Response};
use chrono::{DateTime, Utc};
use openidconnect::core::{CoreIdToken, CoreIdTokenClaims, CoreJwsSigningAlgorithm};
use openidconnect::{
    AccessToken, Audience, EmptyAdditionalClaims, EndUserEmail, EndUserName, EndUserUsername, IssuerUrl,
    Nonce, StandardClaims, SubjectIdentifier,
};
use serde::{Deserialize, Serialize};

use super::error::OauthError;
use crate::app::App;
use crate::clock::seconds;
use crate::keys::{TOKEN_BYTES, random_text};
use crate::people::account::User;
use crate::settings::AccessFormat;
use crate::tokens::device_codes::GRANT_TYPE;
use crate::tokens::grant::{Grant, Presented, Refusal};
use crate::tokens::grants::{FamilyId, Renewal};
use crate::tokens::jwt::{Claims, Use};

/// The form of a token request.
#[derive(Deserialize)]
pub(crate) struct TokenForm {
    grant_type: Option<String>,
    client_id: Option<String>,
    code: Option<String>,
    redirect_uri: Option<String>,
    code_verifier: Option<String>,
    refresh_token: Option<String>,
    device_code: Option<String>,
}

#[derive(Serialize)]
struct TokenAnswer {
    access_token: String,
    token_type: &'static str,
    expires_in: u32,
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_expires_in: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<CoreIdToken>,
}

pub(crate) async fn token(
    State(app): State<Arc<App>>,
    form: Result<Form<TokenForm>, FormRejection>,
) -> Result<Response, OauthError> {
    let Form(form) = form.map_err(|error| OauthError::bad_request("invalid_request", error.body_text()))?;
    let client = form.client_id.as_deref().ok_or_else(|| OauthError::missing("client_id"))?;
    if !app.knows_client(client) {
        return Err(OauthError::unknown_client());
    }
    let answer = match form.grant_type.as_deref() {
        Some("authorization_code") => exchange(&app, client, &form)?,
        Some("refresh_token") => refresh(&app, client, &form)?,
        Some(GRANT_TYPE) => poll(&app, client, &form)?,
        Some(_) => {
            return Err(OauthError::bad_request("unsupported_grant_type", "the sandbox has no such grant"));
        }
        None => return Err(OauthError::missing("grant_type")),
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

fn exchange(app: &App, client: &str, form: &TokenForm) -> Result<TokenAnswer, OauthError> {
    let presented = Presented {
        code: required(&form.code, "code")?,
        client,
        redirect_uri: required(&form.redirect_uri, "redirect_uri")?,
        verifier: required(&form.code_verifier, "code_verifier")?,
    };
    let now = app.now();
    let (family, grant) = app.grants().redeem(presented, now)?;
    let answer = issue_first(app, family, &grant, now)?;
    app.counter.note(|events| events.code_exchanges += 1);
    Ok(answer)
}

/// RFC 8628, 3.4.
fn poll(app: &App, client: &str, form: &TokenForm) -> Result<TokenAnswer, OauthError> {
    let device_code = required(&form.device_code, "device_code")?;
    let now = app.now();
    let grant = app.device_codes().poll(device_code, client, now)?;
    let family = FamilyId::new();
    app.grants().found(family.clone(), grant.clone());
    let answer = issue_first(app, family, &grant, now)?;
    app.counter.note(|events| events.device_grants += 1);
    Ok(answer)
}

/// The first tokens of a family.
fn issue_first(
    app: &App,
    family: FamilyId,
    grant: &Grant,
    now: DateTime<Utc>,
) -> Result<TokenAnswer, OauthError> {
    let wants_refresh = app.settings.refresh_token && grant.has_scope("offline_access");
    let refresh = wants_refresh.then(|| refresh_token(app, &family, grant, now));
    if let Some(refresh) = &refresh {
        app.grants().add_refresh(refresh.clone(), family.clone(), now);
    }
    issue(app, family, grant, refresh, now)
}

fn refresh(app: &App, client: &str, form: &TokenForm) -> Result<TokenAnswer, OauthError> {
    let Renewal { family, grant, next } =
        renew(app, required(&form.refresh_token, "refresh_token")?, client)?;
    // The nonce belongs to the sign-in; a renewed ID token should have none (OIDC Core, 12.2).
    let grant = Grant { nonce: None, ..grant };
    let answer = issue(app, family, &grant, next, app.now())?;
    app.counter.note(|events| events.refreshes += 1);
    Ok(answer)
}

/// Uses a refresh token, and counts it if it is used a second time.
pub(crate) fn renew(app: &App, presented: &str, client: &str) -> Result<Renewal, Refusal> {
    app.recall(Use::Refresh, presented);
    let now = app.now();
    let next = |family: &FamilyId, grant: &Grant| refresh_token(app, family, grant, now);
    let renewed = app.grants().renew(presented, client, next, now);
    if let Err(Refusal::Reused { family_ended }) = renewed {
        app.counter.note(|events| {
            events.reuses += 1;
            events.families_revoked += u64::from(family_ended);
        });
    }
    renewed
}

fn required<'a>(parameter: &'a Option<String>, name: &str) -> Result<&'a str, OauthError> {
    parameter.as_deref().filter(|value| !value.is_empty()).ok_or_else(|| OauthError::missing(name))
}

fn issue(
    app: &App,
    family: FamilyId,
    grant: &Grant,
    refresh_token: Option<String>,
    now: DateTime<Utc>,
) -> Result<TokenAnswer, OauthError> {
    let user = app.people.by_id(grant.user).ok_or_else(|| OauthError::server_error("this user has gone"))?;
    let access_token = access_token(app, &family, grant, now);
    app.grants().add_access(access_token.clone(), family, now);
    let wants_id_token = app.settings.id_token && grant.has_scope("openid");
    let id_token = wants_id_token.then(|| id_token(app, &user, grant, &access_token, now)).transpose()?;
    let can_renew = app.settings.refresh_token && grant.has_scope("offline_access");
    let shows_expiry = can_renew && app.settings.show_refresh_expiry;
    Ok(TokenAnswer {
        access_token,
        token_type: "Bearer",
        expires_in: app.settings.access_lifetime,
        scope: grant.scope.clone(),
        refresh_token,
        refresh_expires_in: shows_expiry.then_some(app.settings.refresh_lifetime),
        id_token,
    })
}

/// A JWT with the claims of RFC 9068, or random text.
pub(crate) fn access_token(app: &App, family: &FamilyId, grant: &Grant, now: DateTime<Utc>) -> String {
    if app.settings.access_format == AccessFormat::Opaque {
        return random_text(TOKEN_BYTES);
    }
    let claims = claims(app, family, grant, now, app.settings.access_lifetime);
    app.tower.secret.sign(Use::Access, &claims)
}

/// It is signed like the access token, so that a Platform knows it again after a restart.
pub(crate) fn refresh_token(app: &App, family: &FamilyId, grant: &Grant, now: DateTime<Utc>) -> String {
    let claims = claims(app, family, grant, now, app.settings.refresh_lifetime);
    app.tower.secret.sign(Use::Refresh, &claims)
}

fn claims(app: &App, family: &FamilyId, grant: &Grant, now: DateTime<Utc>, lifetime: u32) -> Claims {
    let user = app.people.by_id(grant.user);
    Claims {
        iss: app.issuer.clone(),
        sub: grant.user.to_string(),
        email: user.as_ref().map(|user| user.email.clone()).unwrap_or_default(),
        name: user.map(|user| user.full_name()).unwrap_or_default(),
        aud: grant.audience.clone(),
        client_id: grant.client.clone(),
        scope: grant.scope.clone(),
        iat: now.timestamp(),
        exp: (now + seconds(lifetime)).timestamp(),
        jti: random_text(TOKEN_BYTES),
        family: family.clone(),
    }
}

fn id_token(
    app: &App,
    user: &User,
    grant: &Grant,
    access_token: &str,
    now: DateTime<Utc>,
) -> Result<CoreIdToken, OauthError> {
    let failed = |error: &dyn std::fmt::Display| OauthError::server_error(format!("ID token: {error}"));
    let mut about = StandardClaims::new(SubjectIdentifier::new(user.id.to_string()));
    if grant.has_scope("email") {
        about = about.set_email(Some(EndUserEmail::new(user.email.clone()))).set_email_verified(Some(true));
    }
    if grant.has_scope("profile") {
        about = about
            .set_name(Some(EndUserName::new(user.full_name()).into()))
            .set_preferred_username(Some(EndUserUsername::new(user.user_name.clone())));
    }
    let claims = CoreIdTokenClaims::new(
        IssuerUrl::new(app.issuer.clone()).map_err(|error| failed(&error))?,
        vec![Audience::new(grant.client.clone())],
        now + seconds(app.settings.access_lifetime),
        now,
        about,
        EmptyAdditionalClaims {},
    )
    .set_nonce(grant.nonce.clone().map(Nonce::new));
    let access_token = AccessToken::new(access_token.to_owned());
    let algorithm = CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256;
    CoreIdToken::new(claims, app.key.for_id_tokens(), algorithm, Some(&access_token), None)
        .map_err(|error| failed(&error))
}
