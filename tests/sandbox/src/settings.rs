//! What can be set about a sandbox. Every value has a default, so `{}` is a whole settings file.

pub(crate) mod configuration;
mod duration;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::people::account::{User, residents};

use configuration::Configuration;

/// The settings of one sandbox. Lifetimes are whole seconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where to listen. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The address that users see, without a trailing slash (the Platform's `TOWER_SERVER_URL`).
    /// Left out, it follows from the bound address.
    pub server_url: Option<String>,
    /// The issuer to claim in discovery, ID tokens and answers, if not the true one.
    pub issuer: Option<String>,
    /// Public clients that may sign users in.
    pub clients: Vec<String>,
    /// Who can sign in.
    pub users: Vec<User>,
    /// Personal access tokens that exist from the start.
    pub personal_tokens: Vec<PersonalToken>,
    /// How long an access token lives. Zero and one are allowed: the token is then born nearly dead.
    pub access_lifetime: u32,
    /// How long a refresh token lives without being used.
    pub refresh_lifetime: u32,
    /// How long an authorization code lives.
    pub code_lifetime: u32,
    /// Each use of a refresh token replaces it (RFC 9700, 4.14.2).
    pub rotation: bool,
    /// A replaced refresh token that comes again ends its whole family.
    pub revoke_family_on_reuse: bool,
    /// For how long a replaced refresh token may still be used. Zero: not at all.
    pub reuse_grace: u32,
    /// The shape of access tokens.
    pub access_format: AccessFormat,
    /// Whether an ID token is issued.
    pub id_token: bool,
    /// Whether a refresh token is issued to those who ask for `offline_access`.
    pub refresh_token: bool,
    /// Whether the answer contains `refresh_expires_in`.
    pub show_refresh_expiry: bool,
    /// Whether there is a revocation endpoint.
    pub revocation: bool,
    /// The Co-Scientist backend that the Platform names.
    pub ai_backend: Option<String>,
    /// Sign-in on another device.
    pub device: DeviceFlow,
    /// What a real Platform would be configured with. What it says about addresses and lifetimes beats the
    /// fields above. Without it nobody has to prove who they are.
    #[serde(skip)]
    pub configuration: Option<Configuration>,
}

/// How the sandbox offers the device flow. Times are whole seconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeviceFlow {
    /// Whether it is offered at all.
    pub offered: bool,
    /// How long a code can be entered.
    pub lifetime: u32,
    /// The least time between two polls.
    pub interval: u32,
    /// Whether an address is given that has the code in it.
    pub complete_uri: bool,
}

impl Default for DeviceFlow {
    /// The interval is the RFC's own default.
    fn default() -> Self {
        Self { offered: true, lifetime: 600, interval: 5, complete_uri: true }
    }
}

/// The shape of an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessFormat {
    /// A JWT with the claims of RFC 9068, signed with the JWT secret, as the Platform does it.
    Jwt,
    /// Random text without dots.
    Opaque,
}

/// A personal access token that exists from the start.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonalToken {
    /// Whose it is: address or short name.
    pub user: String,
    /// Its name, once per user.
    pub name: String,
    /// Its secret text. Left out, one is made up.
    #[serde(default)]
    pub access_key: Option<String>,
}

impl Default for Settings {
    /// The lifetimes are those that the Platform documents: an hour, six hours idle.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            server_url: None,
            issuer: None,
            clients: vec!["seqera_ai_cli".into()],
            users: residents(),
            personal_tokens: Vec::new(),
            access_lifetime: 3600,
            refresh_lifetime: 6 * 3600,
            code_lifetime: 60,
            rotation: true,
            revoke_family_on_reuse: true,
            reuse_grace: 0,
            access_format: AccessFormat::Jwt,
            id_token: true,
            refresh_token: true,
            show_refresh_expiry: false,
            revocation: true,
            ai_backend: None,
            device: DeviceFlow::default(),
            configuration: None,
        }
    }
}
