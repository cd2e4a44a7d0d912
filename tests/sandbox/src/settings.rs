//! The settings of a sandbox. Every value has a default, so `{}` is a complete settings file.

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
    /// The address to listen on. Port 0 picks a free one.
    pub listen: SocketAddr,
    /// The URL that users see, without a trailing slash (the Platform's `TOWER_SERVER_URL`). If left out, it
    /// is made from the address.
    pub server_url: Option<String>,
    /// The issuer to claim in discovery, ID tokens and answers, if it is to differ from the real one.
    pub issuer: Option<String>,
    /// Public clients that users can sign in to.
    pub clients: Vec<String>,
    /// Who can sign in.
    pub users: Vec<User>,
    /// Personal access tokens that exist from the start.
    pub personal_tokens: Vec<PersonalToken>,
    /// How long an access token lives. Zero and one are allowed; such a token is nearly expired when it is
    /// issued.
    pub access_lifetime: u32,
    /// How long a refresh token lives if it is not used.
    pub refresh_lifetime: u32,
    /// How long an authorization code lives.
    pub code_lifetime: u32,
    /// Whether each use of a refresh token replaces it (RFC 9700, 4.14.2).
    pub rotation: bool,
    /// Whether using a replaced refresh token again ends its whole family.
    pub revoke_family_on_reuse: bool,
    /// How long a replaced refresh token can still be used. Zero means not at all.
    pub reuse_grace: u32,
    /// The shape of access tokens.
    pub access_format: AccessFormat,
    /// Whether an ID token is issued.
    pub id_token: bool,
    /// Whether clients that ask for `offline_access` get a refresh token.
    pub refresh_token: bool,
    /// Whether the answer contains `refresh_expires_in`.
    pub show_refresh_expiry: bool,
    /// Whether there is a revocation endpoint.
    pub revocation: bool,
    /// The address of the Co-Scientist backend that the Platform gives.
    pub ai_backend: Option<String>,
    /// Sign-in on another device.
    pub device: DeviceFlow,
    /// The configuration of a real Platform. Its addresses and lifetimes override the fields above. Without
    /// it, nobody has to prove who they are.
    #[serde(skip)]
    pub configuration: Option<Configuration>,
}

/// How the sandbox offers the device flow. Times are whole seconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeviceFlow {
    /// Whether it is offered at all.
    pub offered: bool,
    /// How long a code is valid.
    pub lifetime: u32,
    /// The shortest time between two polls.
    pub interval: u32,
    /// Whether the answer includes an address that contains the code.
    pub complete_uri: bool,
}

impl Default for DeviceFlow {
    /// The interval is the default of RFC 8628.
    fn default() -> Self {
        Self { offered: true, lifetime: 600, interval: 5, complete_uri: true }
    }
}

/// The shape of an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessFormat {
    /// A JWT with the claims of RFC 9068, signed with the JWT secret, like the Platform's.
    Jwt,
    /// Random text without dots.
    Opaque,
}

/// A personal access token that exists from the start.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonalToken {
    /// The owner: an e-mail address or a short name.
    pub user: String,
    /// Its name. It must be unique for the user.
    pub name: String,
    /// Its secret. If left out, one is made up.
    #[serde(default)]
    pub access_key: Option<String>,
}

impl Default for Settings {
    /// The lifetimes that the Platform documents: an hour, and six hours idle.
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
