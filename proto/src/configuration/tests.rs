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
        "'clientId'; it belongs in 'profiles.<name>'",
        "'theme'; it has no effect here",
        "'profiles.work.authDomain'; in a profile it is called 'authority'",
        "'profiles.work.clientID'; did you mean 'clientId'?",
        "'profiles.work.credentialStore'; it belongs at the top of the file",
    ];
    let expected = expected.map(|rest| format!("/c/config.json: unknown key {rest}"));
    assert_eq!(config.unknown(), expected);
}

#[test]
fn a_value_of_another_kind_counts_as_missing_and_is_told() {
    let config = parse(
        r#"{"authDomain": 5, "theme": 5, "profiles": {"work": {"clientId": [], "apiUrl": "https://u"}, "x": 1}}"#,
    );
    let expected = [
        "'authDomain' must be a text, in quotes",
        "'profiles.work.clientId' must be a text, in quotes",
        "'profiles.x' must be an object",
    ];
    assert_eq!(config.mistakes, expected.map(|rest| format!("/c/config.json: {rest}")));
    assert_eq!(config.text("authDomain"), None);
    assert_eq!(config.of_profile("work", "apiUrl"), Some("https://u"));
    for odd in ["[]", "5", r#"{"profiles": []}"#] {
        assert_eq!(parse(odd).mistakes.len(), 1, "{odd}");
    }
}

#[test]
fn a_file_that_is_no_json_is_named_with_line_and_column() {
    let said = Configuration::parse("{\n  \"authDomain\": x\n}", "/c/config.json".into()).unwrap_err();
    assert_eq!(said, "/c/config.json:2:17: expected value");
    assert!(parse("\u{feff}{}").mistakes.is_empty());
}

#[test]
fn a_mistake_that_people_make_is_told_with_what_to_do() {
    for (text, place, said) in [
        ("{\n  // mine\n  \"authDomain\": \"https://a\"\n}", ":2:3:", "no comments: remove it"),
        ("{ # mine\n}", ":1:3:", "no comments: remove it"),
        ("/* mine */ {}", ":1:1:", "no comments: remove it"),
        ("{\"authDomain\": \"https://a\",\n}", ":2:1:", "trailing comma"),
        ("{\"authDomain\": }", ":1:16:", "a value too few"),
        ("{'authDomain': 1}", ":1:2:", "double quotes"),
        ("{\u{201c}authDomain\u{201d}: 1}", ":1:2:", "double quotes"),
        ("{\"authDomain\": \"https://a\"", ":1:26:", "ends too early"),
    ] {
        let told = Configuration::parse(text, "/c/config.json".into()).unwrap_err();
        assert!(told.starts_with(&format!("/c/config.json{place}")) && told.contains(said), "{text}: {told}");
    }
}

#[test]
fn an_empty_file_says_nothing() {
    for empty in ["", "\n", "\u{feff}", " \r\n\0"] {
        let config = parse(empty);
        assert!(config.mistakes.is_empty() && config.unknown().is_empty(), "{empty:?}");
        assert_eq!(config.text("authDomain"), None);
    }
}

#[test]
fn the_file_is_read_as_each_editor_saves_it() {
    let folder = std::env::temp_dir().join(format!("seqera-encodings-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let text = r#"{"authDomain": "https://a.test/api"}"#;
    let wide = |bytes: fn(u16) -> [u8; 2]| {
        format!("\u{feff}{text}\r\n").encode_utf16().flat_map(bytes).collect::<Vec<_>>()
    };
    let with_mark = format!("\u{feff}{text}").into_bytes();
    for bytes in [wide(u16::to_le_bytes), wide(u16::to_be_bytes), with_mark] {
        std::fs::write(folder.join("config.json"), bytes).unwrap();
        let config = Configuration::read(&folder).unwrap();
        assert_eq!(config.text("authDomain"), Some("https://a.test/api"));
    }
    std::fs::write(folder.join("config.json"), b"{\"authDomain\": \"\xff\"}").unwrap();
    assert!(Configuration::read(&folder).unwrap_err().ends_with("config.json is not text in UTF-8"));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn values_are_read_at_the_door() {
    let config = parse(
        r#"{"authDomain": " HTTPS://A.test:443/api/ ", "proxy": " http://p:1\n", "noProxy": "a\nb",
            "profiles": {"work": {"authority": "b.test/api", "apiUrl": "https://b.test/api?x=1",
                                  "clientId": " c ", "audience": " "}}}"#,
    );
    assert_eq!(config.text("authDomain"), Some("https://a.test/api"));
    assert_eq!(config.text("proxy"), Some("http://p:1"));
    assert_eq!(config.of_profile("work", "authority"), Some("https://b.test/api"));
    assert_eq!(config.of_profile("work", "clientId"), Some("c"));
    assert_eq!(config.of_profile("work", "audience"), Some(""), "no audience is asked for");
    let expected = [
        "'noProxy' must be a text on one line",
        "'profiles.work.apiUrl' must be an address; it has a query or a fragment, which no base address has",
    ];
    assert_eq!(config.mistakes, expected.map(|rest| format!("/c/config.json: {rest}")));
}

#[test]
fn a_profile_that_nobody_can_select_is_told() {
    let long = "x".repeat(64);
    let text = r#"{"profiles": {"Work": {}, " home": {}, "a b": {}, "a/b": {}, "": {}, "con": {}, "a\u001bb": {},
        "LONG": {}, "good": {}}}"#;
    let told = parse(&text.replace("LONG", &long)).unknown();
    let about = |part: &str| told.iter().find(|line| line.contains(part)).expect(part).clone();
    assert_eq!(told.len(), 8, "{told:#?}");
    assert!(about("\"Work\"").ends_with("nobody can select \"Work\"; call it 'work'"));
    assert!(about("\" home\"").ends_with("call it 'home'"));
    for bad in ["\"a b\"", "\"a/b\"", "\"\"", "\"con\"", "\"a\\u{1b}b\"", &long] {
        assert!(about(bad).contains("is not a profile name: use 1 to 63 of a-z"), "{bad}");
    }
    let both = parse(r#"{"profiles": {"work": {}, "WORK": {}}}"#).unknown();
    assert_eq!(both.len(), 1, "only one of two names that differ in case can be a file: {both:?}");
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
