//! The agent against real programs from outside: GNOME Keyring and npm's `oidc-provider`.
