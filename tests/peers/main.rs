//! The agent against real programs from outside: GNOME Keyring, Keycloak, Glewlwyd and npm's `oidc-provider`.

mod chromium;
mod glewlwyd;
mod imports;
mod keychain;
mod keycloak;
mod platform;
mod provider;
