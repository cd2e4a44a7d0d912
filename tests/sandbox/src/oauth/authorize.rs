//! The authorization endpoint, with the page where a user agrees or refuses (RFC 6749, 4.1.1; RFC 7636; RFC
//! 9207).
//!
//! A test can act as the browser without opening the page: with `sandbox_user=ada@sandbox.test` among the
//! parameters that user agrees, with `sandbox_deny=1` the user refuses. No real Platform has such a shortcut.
//! If sign-in providers are configured, the consent does not count here either.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Form, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use url::{Host, Url, form_urlencoded};

use super::consent;
use super::session::Visitor;
use crate::app::App;
use crate::keys::{TOKEN_BYTES, random_text};
use crate::page::{self, Question};
use crate::providers::purpose::Purpose;
use crate::tokens::grant::{Consent, Grant};
use crate::tower::HEARTBEAT_SECONDS;

/// The length of an S256 challenge: 256 bits in base64url (RFC 7636, 4.2).
const CHALLENGE_LENGTH: usize = 43;

/// A request that has been checked and can be shown to the user.
struct Request {
    redirect: Redirect,
    redirect_uri: String,
    client: String,
    scope: String,
    audience: String,
    nonce: Option<String>,
    challenge: String,
    /// The decision in the shortcut, if it is used.
    shortcut: Option<Decision>,
}

/// The user's decision.
enum Decision {
    Allow { user: String },
    Deny,
}

/// Where the browser finally goes, with the parameters that are always sent.
struct Redirect {
    to: Url,
    state: Option<String>,
    issuer: String,
}

/// Why a request cannot continue.
enum Problem {
    /// Shown to the user, because nothing may be sent to the redirect address (RFC 6749, 4.1.2.1).
    Shown(&'static str),
    /// Sent to the client, as an error code of the RFC.
    Told(Box<Redirect>, &'static str, &'static str),
}

/// An open page reloads itself, which keeps its session alive like the Platform's heartbeat.
pub(crate) async fn front_page(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    match Visitor::of(&app, &headers) {
        Some(visitor) => {
            let heartbeat = [(header::REFRESH, HEARTBEAT_SECONDS.to_string())];
            let page = (heartbeat, page::front(&app.tower, &app.issuer, Some(&visitor.user))).into_response();
            visitor.show(&app, page)
        }
        None => page::front(&app.tower, &app.issuer, None),
    }
}

pub(crate) async fn authorize(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    let request = match Request::parse(&app, &query) {
        Ok(request) => request,
        Err(problem) => return problem.into_response(),
    };
    match request.shortcut {
        Some(Decision::Deny) => decide(&app, &request, &Decision::Deny),
        Some(ref decision) if app.tower.is_plain() => decide(&app, &request, decision),
        _ => {
            let purpose = Purpose { request: Some(query), user_code: None };
            consent::ask(&app, &headers, &request.question(&purpose))
        }
    }
}

/// Tells the client of an authorization request that the sign-in has failed.
pub(crate) fn refuse(app: &App, query: &str, code: &str, why: &str) -> Response {
    match Request::parse(app, query) {
        Ok(request) => request.redirect.error(code, why),
        Err(problem) => problem.into_response(),
    }
}

/// The form of the page: the original query of the request, and the button that was pressed.
#[derive(Deserialize)]
pub(crate) struct ConsentForm {
    request: String,
    user: Option<String>,
}

pub(crate) async fn consent(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Form(form): Form<ConsentForm>,
) -> Response {
    let request = match Request::parse(&app, &form.request) {
        Ok(request) => request,
        Err(problem) => return problem.into_response(),
    };
    let decision = form.user.map_or(Decision::Deny, |user| Decision::Allow { user });
    match &decision {
        // The button names a person. If the session belongs to somebody else, the page asks again.
        Decision::Allow { user } if !is_theirs(&app, &headers, user) => {
            let purpose = Purpose { request: Some(form.request), user_code: None };
            consent::ask(&app, &headers, &request.question(&purpose))
        }
        _ => decide(&app, &request, &decision),
    }
}

/// An unknown user passes here, and is refused later.
fn is_theirs(app: &App, headers: &HeaderMap, user: &str) -> bool {
    app.people.named(user).is_none_or(|user| consent::may_answer(app, headers, &user))
}

fn decide(app: &App, request: &Request, decision: &Decision) -> Response {
    let Decision::Allow { user } = decision else {
        return request.redirect.error("access_denied", "the user of the sandbox said no");
    };
    let Some(user) = app.people.named(user) else {
        return page::problem("The sandbox has no such user.");
    };
    let grant = Grant {
        user: user.id,
        client: request.client.clone(),
        scope: request.scope.clone(),
        audience: request.audience.clone(),
        nonce: request.nonce.clone(),
    };
    let consent =
        Consent { grant, redirect_uri: request.redirect_uri.clone(), challenge: request.challenge.clone() };
    let code = random_text(TOKEN_BYTES);
    app.grants().add_code(code.clone(), consent, app.now());
    request.redirect.answer(&[("code", &code)])
}

impl Request {
    fn question<'a>(&'a self, purpose: &'a Purpose) -> Question<'a> {
        Question { client: &self.client, scope: &self.scope, purpose }
    }

    fn parse(app: &App, query: &str) -> Result<Self, Problem> {
        let mut given: HashMap<String, String> =
            form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let client = given.remove("client_id").unwrap_or_default();
        if !app.knows_client(&client) {
            return Err(Problem::Shown("The sandbox does not know this client_id."));
        }
        let redirect_uri = given.remove("redirect_uri").unwrap_or_default();
        let to = loopback(&redirect_uri).ok_or(Problem::Shown(
            "redirect_uri must be http://127.0.0.1 or http://[::1], with any port and path.",
        ))?;
        let redirect = Redirect { to, state: given.remove("state"), issuer: app.issuer.clone() };
        let challenge = given.remove("code_challenge").unwrap_or_default();
        let method = given.get("code_challenge_method").map(String::as_str);
        let fault = match given.get("response_type").map(String::as_str) {
            None => Some(("invalid_request", "response_type is missing")),
            Some("code") if method != Some("S256") || challenge.len() != CHALLENGE_LENGTH => {
                Some(("invalid_request", "PKCE with an S256 code_challenge is required"))
            }
            Some("code") => None,
            Some(_) => Some(("unsupported_response_type", "the sandbox knows the code flow only")),
        };
        if let Some((code, text)) = fault {
            return Err(Problem::Told(Box::new(redirect), code, text));
        }
        let allowed = given.remove("sandbox_user").map(|user| Decision::Allow { user });
        let denied = given.remove("sandbox_deny").map(|_| Decision::Deny);
        Ok(Self {
            redirect,
            redirect_uri,
            client,
            scope: given.remove("scope").unwrap_or_default(),
            audience: given.remove("audience").unwrap_or_else(|| "platform".into()),
            nonce: given.remove("nonce"),
            challenge,
            shortcut: denied.or(allowed),
        })
    }
}

/// A native client's redirect address: a loopback IP address, over http, on any port (RFC 8252, 7.3).
fn loopback(redirect_uri: &str) -> Option<Url> {
    let url = Url::parse(redirect_uri).ok()?;
    let is_loopback = match url.host()? {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(_) => false,
    };
    let is_plain = url.scheme() == "http" && url.username().is_empty() && url.fragment().is_none();
    (is_loopback && is_plain).then_some(url)
}

impl Redirect {
    fn answer(&self, parameters: &[(&str, &str)]) -> Response {
        let mut to = self.to.clone();
        {
            let mut query = to.query_pairs_mut();
            query.extend_pairs(parameters);
            query.extend_pairs(self.state.as_ref().map(|state| ("state", state)));
            query.append_pair("iss", &self.issuer);
        }
        // 303 turns the form's POST into a GET; 307 would repeat it at the client (RFC 9700, 4.12).
        let headers = [(header::LOCATION, to.as_str()), (header::CACHE_CONTROL, "no-store")];
        (StatusCode::SEE_OTHER, headers).into_response()
    }

    fn error(&self, code: &str, description: &str) -> Response {
        self.answer(&[("error", code), ("error_description", description)])
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        match self {
            Self::Shown(text) => page::problem(text),
            Self::Told(redirect, code, description) => redirect.error(code, description),
        }
    }
}
