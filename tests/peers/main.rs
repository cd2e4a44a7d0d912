//! The agent with real programs from outside: GNOME Keyring, Keycloak, Glewlwyd, npm's `oidc-provider`,
//! Chromium, Nextflow and VS Code.

mod chromium;
mod glewlwyd;
mod imports;
mod keychain;
mod keycloak;
mod mcp;
mod nextflow;
mod platform;
mod provider;
mod vscode;
