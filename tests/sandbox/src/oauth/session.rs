//! Sessions of browsers: the cookies `JWT` and `JWT_REFRESH_TOKEN`, and the older renewal that Nextflow and
//! Wave use as well, `POST /oauth/access_token`.
//!
//! An open page reloads in time to be renewed (the heartbeat). The refresh token expires after its idle time,
//! and each renewal restarts that.

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{AppendHeaders, IntoResponse, Json, Response};
use serde::Deserialize;
use serde_json::json;

use super::error::OauthError;
use super::token;
use crate::app::App;
use crate::people::account::User;
use crate::tokens::grant::Grant;
use crate::tokens::grants::FamilyId;

/// The client that browser sessions belong to. No token request can name it.
const BROWSER: &str = "sandbox-browser";

const ACCESS: &str = "JWT";
const REFRESH: &str = "JWT_REFRESH_TOKEN";

/// The two tokens that a browser is about to get.
pub(crate) struct Cookies {
    access: String,
    /// None if the browser keeps the one that it has.
    refresh: Option<String>,
}

/// A person whose browser has a live session.
pub(crate) struct Visitor {
    pub(crate) user: Arc<User>,
    /// Set if the session was renewed just now.
    renewed: Option<Cookies>,
}

impl Visitor {
    /// The person that a browser's cookies belong to. An expired access token is renewed.
    pub(crate) fn of(app: &App, headers: &HeaderMap) -> Option<Self> {
        if let Some(user) = holder(app, headers) {
            return Some(Self { user, renewed: None });
        }
        let renewed = renew(app, cookie(headers, REFRESH)?).ok()?;
        let user = app.people.by_id(app.bearer(&renewed.access)?)?;
        Some(Self { user, renewed: Some(renewed) })
    }

    /// Sends the page to the browser, with the new cookies if there are any.
    pub(crate) fn show(self, app: &App, page: Response) -> Response {
        match self.renewed {
            Some(cookies) => (cookies.set(app), page).into_response(),
            None => page,
        }
    }
}

/// The owner of the browser's access token, if it is still valid. Nothing is renewed, so no cookies need to
/// be sent.
pub(crate) fn holder(app: &App, headers: &HeaderMap) -> Option<Arc<User>> {
    let id = app.bearer(cookie(headers, ACCESS)?)?;
    app.people.by_id(id)
}

impl Cookies {
    /// Neither scripts nor other sites' forms can use these cookies.
    pub(crate) fn set(&self, app: &App) -> AppendHeaders<Vec<(header::HeaderName, HeaderValue)>> {
        let (access, refresh) = (app.settings.access_lifetime, app.tower.cookie_max_age);
        let access = Some(set_cookie(app, ACCESS, &self.access, access));
        let refresh = self.refresh.as_ref().map(|token| set_cookie(app, REFRESH, token, refresh));
        AppendHeaders([access, refresh].into_iter().flatten().collect())
    }
}

/// Starts a session for a person who has proved who they are.
pub(crate) fn open(app: &App, user: &User) -> Cookies {
    let grant = Grant {
        user: user.id,
        client: BROWSER.into(),
        scope: "openid profile email offline_access".into(),
        audience: "platform".into(),
        nonce: None,
    };
    let (family, now) = (FamilyId::new(), app.now());
    let access = token::access_token(app, &family, &grant, now);
    let refresh = token::refresh_token(app, &family, &grant, now);
    let mut grants = app.grants();
    grants.found(family.clone(), grant);
    grants.add_access(access.clone(), family.clone(), now);
    grants.add_refresh(refresh.clone(), family, now);
    Cookies { access, refresh: Some(refresh) }
}

/// Ends a browser's session and deletes its cookies.
pub(crate) fn close(app: &App, headers: &HeaderMap) -> AppendHeaders<Vec<(header::HeaderName, HeaderValue)>> {
    if let Some(token) = cookie(headers, REFRESH) {
        // Whether the token was still alive makes no difference to the browser.
        let _ = app.grants().revoke(token, BROWSER);
    }
    AppendHeaders(vec![set_cookie(app, ACCESS, "", 0), set_cookie(app, REFRESH, "", 0)])
}

/// The form of the older renewal. It names no client.
#[derive(Deserialize)]
pub(crate) struct RenewalForm {
    grant_type: Option<String>,
    refresh_token: Option<String>,
}

/// Returns the tokens in cookies, as Nextflow reads them, and in JSON, as others do.
pub(crate) async fn access_token(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    form: Result<Form<RenewalForm>, FormRejection>,
) -> Result<Response, OauthError> {
    let Form(form) = form.map_err(|error| OauthError::bad_request("invalid_request", error.body_text()))?;
    match form.grant_type.as_deref() {
        Some("refresh_token") => {}
        Some(_) => {
            return Err(OauthError::bad_request("unsupported_grant_type", "the sandbox has no such grant"));
        }
        None => return Err(OauthError::missing("grant_type")),
    }
    let presented = form.refresh_token.as_deref().or_else(|| cookie(&headers, REFRESH));
    let presented = presented.ok_or_else(|| OauthError::missing("refresh_token"))?;
    let cookies = renew(&app, presented)?;
    let body = json!({
        "access_token": cookies.access,
        "refresh_token": cookies.refresh.as_deref().unwrap_or(presented),
        "token_type": "Bearer",
        "expires_in": app.settings.access_lifetime,
    });
    Ok((cookies.set(&app), [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

fn renew(app: &App, presented: &str) -> Result<Cookies, OauthError> {
    let renewal = token::renew(app, presented, BROWSER)?;
    let now = app.now();
    let access = token::access_token(app, &renewal.family, &renewal.grant, now);
    app.grants().add_access(access.clone(), renewal.family, now);
    app.counter.note(|events| events.refreshes += 1);
    Ok(Cookies { access, refresh: renewal.next })
}

/// The value of a cookie (RFC 6265, 4.2).
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, value)| *known == name && !value.is_empty()).map(|(_, value)| value)
}

/// A cookie for the whole site. `Lax`, so that it is sent along with the redirect from a provider.
pub(crate) fn set_cookie(
    app: &App,
    name: &str,
    value: &str,
    max_age: u32,
) -> (header::HeaderName, HeaderValue) {
    let secure = if app.url.starts_with("https:") { "; Secure" } else { "" };
    let cookie = format!("{name}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}");
    let cookie =
        HeaderValue::try_from(cookie).expect("names and tokens are letters, digits, '-', '_' and '.'");
    (header::SET_COOKIE, cookie)
}
