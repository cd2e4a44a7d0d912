//! The agent against real programs from outside: GNOME Keyring and npm's `oidc-provider`.

mod keychain;
mod provider;
