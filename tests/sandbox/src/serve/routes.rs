//! The handler of each path.

use std::sync::Arc;

use axum::Router;
use axum::routing::{delete, get, post};

use crate::app::App;
use crate::oauth::{authorize, device, discovery, revoke, session, token};
use crate::platform::ephemeral;
use crate::{control, platform, scitoolkit, sign_in};

pub(crate) fn router(app: Arc<App>) -> Router {
    let api = Router::new()
        .route("/.well-known/openid-configuration", get(discovery::discovery))
        .route("/.well-known/jwks.json", get(discovery::jwks))
        .route("/oauth2/authorize", get(authorize::authorize))
        .route("/oauth2/consent", post(authorize::consent))
        .route("/oauth2/token", post(token::token))
        .route("/oauth2/revoke", post(revoke::revoke))
        .route("/oauth2/device_authorization", post(device::authorize))
        .route("/device", get(device::enter).post(device::decide))
        .route("/oauth/access_token", post(session::access_token))
        .route("/ephemeral/{file}", get(ephemeral::hand_over))
        .route("/cli/whoami", get(scitoolkit::whoami))
        .route("/cli/tokens", get(scitoolkit::list))
        .route("/cli/tokens/{id}", delete(scitoolkit::revoke))
        .route("/service-info", get(platform::service_info))
        .route("/user-info", get(platform::user_info))
        .route("/orgs", get(platform::orgs))
        .route("/user/{id}/workspaces", get(platform::workspaces))
        .route("/tokens", get(platform::list_tokens).post(platform::create_token))
        .route("/tokens/{id}", delete(platform::delete_token));
    let control = Router::new()
        .route("/stats", get(control::stats))
        .route("/reset-stats", post(control::reset_stats))
        .route("/faults", get(control::list_faults).post(control::add_faults).delete(control::clear_faults))
        .route("/wait", post(control::wait))
        .route("/expire", post(control::expire))
        .route("/clock", post(control::advance))
        .route("/tokens", post(control::create_token))
        .route("/scitoolkit", post(scitoolkit::make))
        .route("/leave", post(control::leave))
        .route("/ephemeral", post(ephemeral::create));
    let web = Router::new()
        .route("/login/email", post(sign_in::send_link))
        .route("/login/{provider}", get(sign_in::login))
        .route("/callback/email", get(sign_in::follow_link))
        .route("/callback/{provider}", get(sign_in::callback))
        .route("/logout", post(sign_in::logout));
    Router::new()
        .route("/", get(authorize::front_page))
        // The path of the issuer comes last here (RFC 8414, 3.1).
        .route("/.well-known/oauth-authorization-server/api", get(discovery::discovery))
        .route("/cli-auth", get(scitoolkit::consent))
        .route("/cli-auth/approve", post(scitoolkit::approve))
        .route("/cli-tokens", get(scitoolkit::tokens_page).post(scitoolkit::generate))
        .nest("/api", api)
        .nest("/oauth", web)
        .nest("/_sandbox", control)
        .with_state(app)
}
