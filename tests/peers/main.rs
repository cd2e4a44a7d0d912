//! The agent against real programs from outside: GNOME Keyring, Keycloak and npm's `oidc-provider`.

mod keychain;
mod keycloak;
mod provider;
