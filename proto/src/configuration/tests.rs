//! Tests of the configuration file.

use super::*;

fn parse(text: &str) -> Configuration {
    Configuration::parse(text, "/c/config.json".into()).unwrap()
}

#[test]
fn values_are_found_at_the_top_and_in_their_profile() {
    let config = parse(
        r#"{"authDomain": "https://a/api", "backendUrl": "", "credentialStore": null,
            "profiles": {"work": {"authority": "https://b/api"}, "home": {}}}"#,
    );
    assert_eq!(config.text("authDomain"), Some("https://a/api"));
    assert_eq!((config.text("backendUrl"), config.text("credentialStore")), (Some(""), None));
    assert_eq!(config.of_profile("work", "authority"), Some("https://b/api"));
    assert_eq!(config.of_profile("home", "authority"), None);
    assert_eq!(config.profiles().collect::<Vec<_>>(), ["home", "work"]);
    assert!(config.unknown().is_empty() && config.mistakes.is_empty());
}

#[test]
fn an_unknown_key_is_told_with_the_nearest_one_in_profiles_too() {
    let config = parse(
        r#"{"authDoman": "x", "clientId": "x", "theme": {"dark": true},
            "profiles": {"work": {"clientID": "x", "credentialStore": "file", "authDomain": "x"}}}"#,
    );
    let expected = [
        "'authDoman'; did you mean 'authDomain'?",
        "'clientId'; it belongs into 'profiles.<name>'",
        "'theme'; it has no effect here",
        "'profiles.work.authDomain'; in a profile it is called 'authority'",
        "'profiles.work.clientID'; did you mean 'clientId'?",
        "'profiles.work.credentialStore'; it belongs to the top of the file",
    ];
    let expected = expected.map(|rest| format!("/c/config.json: unknown key {rest}"));
    assert_eq!(config.unknown(), expected);
}

#[test]
fn a_value_of_another_kind_counts_as_missing_and_is_told() {
    let config = parse(
        r#"{"authDomain": 5, "theme": 5, "profiles": {"work": {"clientId": [], "apiUrl": "u"}, "x": 1}}"#,
    );
    let expected = [
        "'authDomain' must be a text, in quotes",
        "'profiles.work.clientId' must be a text, in quotes",
        "'profiles.x' must be an object",
    ];
    assert_eq!(config.mistakes, expected.map(|rest| format!("/c/config.json: {rest}")));
    assert_eq!(config.text("authDomain"), None);
    assert_eq!(config.of_profile("work", "apiUrl"), Some("u"));
    for odd in ["[]", "5", r#"{"profiles": []}"#] {
        assert_eq!(parse(odd).mistakes.len(), 1, "{odd}");
    }
}

#[test]
fn a_file_that_is_no_json_is_named_with_line_and_column() {
    let said = Configuration::parse("{\n  \"authDomain\": x\n}", "/c/config.json".into()).unwrap_err();
    assert_eq!(said, "/c/config.json:2:17: expected value");
    assert!(Configuration::parse("", "/c/config.json".into()).is_err());
    assert!(parse("\u{feff}{}").mistakes.is_empty());
}

#[test]
fn debug_shows_no_password_of_a_proxy() {
    let proxy = r#""proxy": "http://ada:canary@proxy:3128""#;
    let config = parse(&format!(r#"{{{proxy}, "profiles": {{"work": {{{proxy}}}}}}}"#));
    assert!(!format!("{config:?}").contains("canary"));
    assert!(config.of_profile("work", "proxy").is_some_and(|proxy| proxy.contains("canary")));
}

#[test]
fn an_address_that_names_a_user_is_a_mistake_and_not_shown() {
    let config = parse(
        r#"{"authDomain": "https://ada:canary@a.test/api",
            "profiles": {"work": {"apiUrl": "https://canary@a.test", "clientId": "a@b"}}}"#,
    );
    assert_eq!((config.text("authDomain"), config.of_profile("work", "apiUrl")), (None, None));
    assert_eq!(config.of_profile("work", "clientId"), Some("a@b"));
    let told = config.mistakes.join("\n");
    assert!(told.contains("'authDomain' must be an address without user name and password"), "{told}");
    assert!(told.contains("'profiles.work.apiUrl'") && !told.contains("canary"), "{told}");
    assert!(
        names_a_user("ada:x@host/api")
            && !names_a_user("https://host/a@b")
            && !names_a_user("https://host?a@b")
    );
}
