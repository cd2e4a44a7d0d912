//! What other programs leave behind. Version 1 of the CLI leaves a bare refresh token and a note about where
//! it belongs; Nextflow leaves a file of settings.

use serde_json::{Value, json};

use crate::home::Home;
use crate::sandbox::{ADA, Sandbox};

/// A refresh token that the sandbox issued to Ada and that nobody else has.
#[track_caller]
pub fn refresh_token(sandbox: &Sandbox) -> String {
    let elsewhere = Home::new().with("SEQERA_CREDENTIAL_STORE", "file");
    elsewhere.login("work", sandbox, ADA);
    let file = elsewhere.config_dir().join("refresh-token.work");
    let record = std::fs::read_to_string(file).expect("the login is in its file");
    let record: Value = serde_json::from_str(&record).expect("the file holds a record");
    record["secret"].as_str().expect("the record has a secret").to_owned()
}

/// Version 1's note about a profile at an authority.
pub fn note(home: &Home, profile: &str, authority: &str) {
    let entry = json!({
        "user": ADA,
        "domain": authority,
        "audience": "platform",
        "client_id": "seqera_ai_cli",
        "last_login": 1_700_000_000,
        "status": "active",
    });
    home.write_config("auth-state.json", &json!({"profiles": {profile: entry}}).to_string());
}

/// Version 1's file of a profile, with its note.
pub fn v1_file(home: &Home, profile: &str, sandbox: &Sandbox) -> std::path::PathBuf {
    note(home, profile, &sandbox.authority);
    home.write_config(&format!("refresh-token.{}", profile.replace(':', "_")), &refresh_token(sandbox))
}

/// Nextflow's file, as `nextflow auth login` writes it.
pub fn nextflow_file(home: &Home, token: &str, endpoint: &str) -> std::path::PathBuf {
    let folder = home.root().join("home/.nextflow");
    std::fs::create_dir_all(&folder).expect("the home can be written");
    let file = folder.join("seqera-auth.config");
    let settings = format!("    accessToken = '{token}'\n    endpoint = '{endpoint}'\n");
    let text = format!("// Seqera Platform configuration\ntower {{\n{settings}}}\n");
    std::fs::write(&file, text).expect("the home can be written");
    file
}
