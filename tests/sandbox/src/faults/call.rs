//! The kinds of calls, under which they are counted and faults are ordered.

use axum::http::Uri;
use serde::{Deserialize, Serialize};

use crate::tokens::device_codes::GRANT_TYPE;

/// One kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    /// `/.well-known/openid-configuration`
    Discovery,
    /// `/.well-known/jwks.json`
    Jwks,
    /// `/oauth2/authorize`, the page
    Authorize,
    /// `/oauth2/consent`, the answer to the page
    Consent,
    /// `/oauth2/token` with an authorization code (or an unknown grant)
    Code,
    /// `/oauth2/token` with a refresh token
    Refresh,
    /// `/oauth2/token` with a device code
    Poll,
    /// `/oauth2/device_authorization`
    Device,
    /// `/device`, the page for a code
    DevicePage,
    /// `/oauth/access_token`, the older renewal of browser sessions
    BrowserRefresh,
    /// `/oauth2/revoke`
    Revoke,
    /// `/user-info`
    UserInfo,
    /// `/orgs`
    Orgs,
    /// `/user/{id}/workspaces`
    Workspaces,
    /// `/tokens` and `/tokens/{id}`
    Tokens,
    /// `/service-info`
    ServiceInfo,
    /// `/cli/whoami`, of SciToolkit
    CliWhoami,
    /// `/cli/tokens` and `/cli/tokens/{id}`, of SciToolkit
    CliTokens,
}

/// One kind of call or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// Every call.
    Any,
    /// Any call to the token endpoint, whatever its grant.
    Token,
    /// Only this kind.
    #[serde(untagged)]
    Only(Call),
}

impl Target {
    pub(crate) fn covers(self, call: Call) -> bool {
        match self {
            Self::Any => true,
            Self::Token => matches!(call, Call::Code | Call::Refresh | Call::Poll),
            Self::Only(only) => only == call,
        }
    }
}

impl Call {
    /// The kind of a request. None for the sandbox's own routes and for unknown paths.
    pub(crate) fn of(uri: &Uri, body: &[u8]) -> Option<Self> {
        let path = uri.path().strip_prefix("/api")?;
        Some(match path {
            "/.well-known/openid-configuration" => Self::Discovery,
            "/.well-known/jwks.json" => Self::Jwks,
            "/oauth2/authorize" => Self::Authorize,
            "/oauth2/consent" => Self::Consent,
            "/oauth2/token" => Self::of_grant(body),
            "/oauth2/device_authorization" => Self::Device,
            "/device" => Self::DevicePage,
            "/oauth/access_token" => Self::BrowserRefresh,
            "/oauth2/revoke" => Self::Revoke,
            "/user-info" => Self::UserInfo,
            "/orgs" => Self::Orgs,
            "/tokens" => Self::Tokens,
            "/service-info" => Self::ServiceInfo,
            "/cli/whoami" => Self::CliWhoami,
            "/cli/tokens" => Self::CliTokens,
            _ if path.starts_with("/cli/tokens/") => Self::CliTokens,
            _ if path.starts_with("/tokens/") => Self::Tokens,
            _ if path.starts_with("/user/") => Self::Workspaces,
            _ => return None,
        })
    }

    fn of_grant(form: &[u8]) -> Self {
        let grant = url::form_urlencoded::parse(form).find(|(key, _)| key == "grant_type");
        match grant.as_ref().map(|(_, value)| &**value) {
            Some("refresh_token") => Self::Refresh,
            Some(GRANT_TYPE) => Self::Poll,
            _ => Self::Code,
        }
    }
}
