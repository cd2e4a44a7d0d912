//! The agent with real programs from outside: GNOME Keyring, Keycloak, Glewlwyd, npm's `oidc-provider`, systemd, Wine,
//! Chromium, Nextflow, VS Code and gRPC's own library.

mod chromium;
mod glewlwyd;
mod grpc;
mod imports;
mod keychain;
mod keycloak;
mod managers;
mod mcp;
mod nextflow;
mod platform;
mod provider;
mod recipes;
mod vscode;
mod windows;
