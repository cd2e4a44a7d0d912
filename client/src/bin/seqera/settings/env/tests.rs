use super::*;

#[test]
fn seqera_token_comes_before_tower_token_and_empty_means_unset() {
    let both = Env::of(&[("SEQERA_ACCESS_TOKEN", "s"), ("TOWER_ACCESS_TOKEN", "t")]);
    assert_eq!(both.token().map(|token| token.secret), Some("s".into()));
    assert_eq!(both.token_variables(), ["SEQERA_ACCESS_TOKEN", "TOWER_ACCESS_TOKEN"]);
    let empty = Env::of(&[("SEQERA_ACCESS_TOKEN", ""), ("TOWER_ACCESS_TOKEN", "t")]);
    assert_eq!(empty.token().map(|token| token.variable), Some("TOWER_ACCESS_TOKEN"));
    assert!(Env::of(&[]).token().is_none());
}

#[test]
fn scitoolkit_has_a_token_and_a_profile_of_its_own_and_takes_nothing_of_the_platforms() {
    let env = Env::of(&[
        ("SCITOOLKIT_TOKEN", "stk_user_a"),
        ("SEQERA_ACCESS_TOKEN", "p"),
        ("SEQERA_PROFILE", "work"),
        ("SEQERA_AUTH_DOMAIN", "https://a"),
        ("SEQERA_AUTH_REDIRECT_PORT", "6001"),
    ]);
    assert_eq!(env.token().map(|token| token.variable), Some("SEQERA_ACCESS_TOKEN"));
    let env = env.about(Provider::Scitoolkit);
    assert_eq!(env.token().map(|token| token.variable), Some("SCITOOLKIT_TOKEN"));
    assert_eq!((env.profile().as_deref(), env.auth_domain()), (Some("scitoolkit"), None));
    assert_eq!(env.redirect_port().unwrap(), Some(6001));
    assert_eq!(
        Env::of(&[("SEQERA_ACCESS_TOKEN", "p")]).about(Provider::Scitoolkit).token_variables(),
        [""; 0]
    );
}

#[test]
fn a_format_that_nobody_knows_is_named_and_none_is_chosen() {
    let format =
        |value| Env { read: Box::new(move |_| Some(OsString::from(value))), provider: Provider::Platform };
    for (value, json, odd) in
        [("json", true, false), ("JSON", true, false), ("console", false, false), ("xml", false, true)]
    {
        assert_eq!(
            (format(value).wants_json(), format(value).odd_format().is_some()),
            (json, odd),
            "{value}"
        );
    }
    assert_eq!(Env::of(&[]).odd_format(), None);
}

#[test]
fn debug_of_a_token_shows_the_variable_only() {
    let token = Env::of(&[("TOWER_ACCESS_TOKEN", "canary")]).token();
    assert_eq!(format!("{token:?}"), r#"Some(EnvToken("TOWER_ACCESS_TOKEN"))"#);
}

#[test]
fn a_number_that_is_none_is_the_callers_mistake_and_names_the_variable() {
    for bad in ["x", "0", "-1", "65536"] {
        let env = Env { read: Box::new(move |_| Some(bad.into())), provider: Provider::Platform };
        let failure = env.redirect_port().unwrap_err();
        assert_eq!(failure.exit, 2);
        assert!(failure.message.contains("SEQERA_AUTH_REDIRECT_PORT"), "{}", failure.message);
    }
    let env = Env::of(&[("SEQERA_AUTH_REDIRECT_PORT", "6001")]);
    assert_eq!(env.redirect_port().unwrap(), Some(6001));
}

#[test]
fn a_browser_is_opened_unless_that_is_switched_off() {
    for off in ["false", "FALSE", "0", "no", " off "] {
        let env = Env { read: Box::new(move |_| Some(off.into())), provider: Provider::Platform };
        assert!(!env.browser_auto_open(), "{off}");
    }
    assert!(Env::of(&[]).browser_auto_open());
    assert!(Env::of(&[("SEQERA_BROWSER_AUTO_OPEN", "true")]).browser_auto_open());
}

#[test]
fn the_server_address_of_ssh_is_its_third_word() {
    let env = Env::of(&[("SSH_CONNECTION", "192.0.2.1 5000 198.51.100.7 22")]);
    assert_eq!(env.ssh_server().as_deref(), Some("198.51.100.7"));
}
