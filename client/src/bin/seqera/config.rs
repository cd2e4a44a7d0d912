//! `config.json` of the configuration folder. Read only; unknown keys belong to others.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use seqera_client::proto::reason::Reason;
use serde::Deserialize;

use crate::failure::Failure;

/// What the command takes from the file. Empty where there is no file.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Config {
    pub(crate) auth_domain: Option<String>,
    pub(crate) backend_url: Option<String>,
    /// Settings of single profiles, by name; they beat the ones above.
    pub(crate) profiles: BTreeMap<String, Profile>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Profile {
    pub(crate) authority: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) audience: Option<String>,
    pub(crate) api_url: Option<String>,
    pub(crate) backend_url: Option<String>,
}

impl Config {
    /// Reads `config.json` in `folder`.
    pub(crate) fn read(folder: &Path) -> Result<Self, Failure> {
        let file = folder.join("config.json");
        match std::fs::read_to_string(&file) {
            Ok(text) => parse(&text, &file),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Ok(Self::default())
            }
            Err(error) => Err(unusable(format!("cannot read {}: {error}", file.display()))),
        }
    }
}

fn parse(text: &str, file: &Path) -> Result<Config, Failure> {
    // The message of serde_json ends with line and column of the mistake.
    serde_json::from_str(text).map_err(|error| unusable(format!("{} is not valid: {error}", file.display())))
}

fn unusable(message: String) -> Failure {
    Failure::new(
        Reason::Misconfigured,
        message,
        Some("correct the file or move it away; seqera never writes to it"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_are_tolerated() {
        let text = r#"{"authDomain": "https://a/api", "theme": 1,
            "profiles": {"work": {"authority": "https://b/api", "clientId": "c", "x": []}}}"#;
        let config = parse(text, Path::new("config.json")).unwrap();
        assert_eq!(config.auth_domain.as_deref(), Some("https://a/api"));
        assert_eq!(config.profiles["work"].authority.as_deref(), Some("https://b/api"));
        assert_eq!(config.profiles["work"].client_id.as_deref(), Some("c"));
    }

    #[test]
    fn a_corrupt_file_is_named_with_line_and_column() {
        for (text, place) in
            [("{\n  \"authDomain\": x\n}", "line 2 column 17"), ("{\"authDomain\": 5}", "line 1 column 16")]
        {
            let failure = parse(text, Path::new("/c/config.json")).unwrap_err();
            assert_eq!((failure.exit, failure.reason.as_str()), (2, "MISCONFIGURED"));
            assert!(
                failure.message.contains("/c/config.json") && failure.message.contains(place),
                "{}",
                failure.message
            );
        }
    }

    #[test]
    fn a_missing_file_is_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Config::read(folder.path()).unwrap().auth_domain.is_none());
        std::fs::write(folder.path().join("config.json"), "").unwrap();
        assert_eq!(Config::read(folder.path()).unwrap_err().exit, 2);
    }
}
