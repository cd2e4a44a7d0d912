use seqera_client::proto::v1::ProfileSettings;
use seqera_client::proto::v1::session_status::Sources;

use super::*;
use crate::settings::config::{self, Config};
use crate::settings::env::Env;

fn of(source: &str) -> SessionStatus {
    let settings = ProfileSettings {
        authority: "https://work.test/api".into(),
        client_id: "seqera_ai_cli".into(),
        ..ProfileSettings::default()
    };
    let sources = Some(Sources { settings: source.into(), ..Sources::default() });
    SessionStatus { profile: "work".into(), settings: Some(settings), sources, ..SessionStatus::default() }
}

fn shown(status: &SessionStatus, env: &Env, config: &Config) -> Vec<(String, String, Option<String>)> {
    let wanted = Settings::resolve(None, "work", env, config);
    let values = values(status, &wanted).into_iter().filter(|value| !value.text.is_empty());
    values.map(|value| (value.text, value.source, value.next)).collect()
}

#[test]
fn a_value_is_of_the_login_else_of_what_says_it_else_the_default() {
    let config = config::of(r#"{"profiles": {"work": {"authority": "https://work.test/api/"}}}"#);
    let none = Env::of(&[]);
    let row = |text: &str, source: &str| (text.to_owned(), source.to_owned(), None);
    assert_eq!(
        shown(&of("/c/config.json"), &none, &config),
        [row("https://work.test/api/", "/c/config.json"), row("seqera_ai_cli", "default")]
    );
    assert_eq!(
        shown(&of("login"), &none, &config),
        [row("https://work.test/api", "login"), row("seqera_ai_cli", "login")]
    );
}

#[test]
fn what_the_next_login_changes_is_told_and_what_does_not_concern_the_profile_is_not() {
    let next = |env: &Env, config: &Config| -> Vec<String> {
        shown(&of("login"), env, config).into_iter().filter_map(|(_, _, next)| next).collect()
    };
    let moved = config::of(r#"{"profiles": {"work": {"authority": "https://new.test/api"}}}"#);
    let none = Env::of(&[]);
    assert_eq!(
        next(&none, &moved),
        ["Authority is https://new.test/api from the next login on (/c/config.json)"]
    );
    let client = Env::of(&[("SEQERA_AUTH_CLI_CLIENT_ID", "other")]);
    assert_eq!(next(&client, &Config::default()).len(), 1);
    let elsewhere =
        Env::of(&[("SEQERA_AUTH_DOMAIN", "https://x/api"), ("SEQERA_AUTH_CLI_CLIENT_ID", "other")]);
    assert!(next(&elsewhere, &Config::default()).is_empty(), "a named profile keeps its authority");
}
