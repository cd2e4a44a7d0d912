//! Tests of the environment.

use super::*;

#[test]
fn seqera_token_comes_before_tower_token_and_empty_means_unset() {
    let both = Env::of(&[("SEQERA_ACCESS_TOKEN", "s"), ("TOWER_ACCESS_TOKEN", "t")]);
    assert_eq!(both.token().unwrap().map(|token| token.secret), Some("s".into()));
    assert_eq!(both.token_variables(), ["SEQERA_ACCESS_TOKEN", "TOWER_ACCESS_TOKEN"]);
    let empty = Env::of(&[("SEQERA_ACCESS_TOKEN", ""), ("TOWER_ACCESS_TOKEN", "t")]);
    assert_eq!(empty.token().unwrap().map(|token| token.variable), Some("TOWER_ACCESS_TOKEN"));
    assert!(Env::of(&[]).token().unwrap().is_none());
}

#[test]
fn addresses_can_be_clicked_only_in_terminals_that_are_known_to_do_it() {
    for with in [
        &[("TERM_PROGRAM", "iTerm.app")][..],
        &[("TERM", "xterm-kitty")],
        &[("TERM", "xterm-256color"), ("VTE_VERSION", "7600")],
        &[("KONSOLE_VERSION", "230804")],
        &[("WT_SESSION", "0")],
    ] {
        assert!(Env::of(with).has_links(), "{with:?}");
    }
    for without in [
        &[][..],
        &[("TERM", "xterm-256color")],
        &[("TERM_PROGRAM", "Apple_Terminal")],
        &[("VTE_VERSION", "5000")],
        &[("VTE_VERSION", "7600"), ("TMUX", "/tmp/tmux")],
        &[("TERM_PROGRAM", "vscode"), ("TERM", "dumb")],
    ] {
        assert!(!Env::of(without).has_links(), "{without:?}");
    }
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
    assert_eq!(env.token().unwrap().map(|token| token.variable), Some("SEQERA_ACCESS_TOKEN"));
    let env = env.about(Provider::Scitoolkit);
    assert_eq!(env.token().unwrap().map(|token| token.variable), Some("SCITOOLKIT_TOKEN"));
    assert_eq!((env.profile().as_deref(), env.auth_domain()), (Some("scitoolkit"), None));
    assert_eq!(env.redirect_port().unwrap(), Some(6001));
    assert_eq!(
        Env::of(&[("SEQERA_ACCESS_TOKEN", "p")]).about(Provider::Scitoolkit).token_variables(),
        [""; 0]
    );
}

#[test]
fn a_plain_oauth_server_is_named_by_the_variables_and_has_no_api_of_the_platform() {
    let env = Env::of(&[
        ("SEQERA_ACCESS_TOKEN", "p"),
        ("SEQERA_PROFILE", "work"),
        ("SEQERA_AUTH_DOMAIN", "https://a"),
        ("SEQERA_AUTH_CLI_CLIENT_ID", "mine"),
        ("SEQERA_PLATFORM_API_URL", "https://p"),
    ]);
    let env = env.about(Provider::Oauth2);
    assert_eq!((env.provider(), env.profile().as_deref()), (Provider::Oauth2, Some("work")));
    assert_eq!(env.auth_domain().as_deref(), Some("https://a"));
    assert_eq!((env.client_id().as_deref(), env.platform_api_url()), (Some("mine"), None));
}

#[test]
fn a_format_that_nobody_knows_is_named_and_none_is_chosen() {
    let format = |value| Env::reading(move |_| Some(OsString::from(value)));
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
    let token = Env::of(&[("TOWER_ACCESS_TOKEN", "canary")]).token().unwrap();
    assert_eq!(format!("{token:?}"), r#"Some(EnvToken("TOWER_ACCESS_TOKEN"))"#);
}

#[test]
fn a_number_that_is_none_is_the_callers_mistake_and_names_the_variable() {
    for bad in ["x", "0", "-1", "65536"] {
        let env = Env::reading(move |_| Some(bad.into()));
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
        let env = Env::reading(move |_| Some(off.into()));
        assert!(!env.browser_auto_open().unwrap(), "{off}");
    }
    assert!(Env::of(&[]).browser_auto_open().unwrap());
    assert!(Env::of(&[("SEQERA_BROWSER_AUTO_OPEN", "true")]).browser_auto_open().unwrap());
    let odd = Env::of(&[("SEQERA_BROWSER_AUTO_OPEN", "flase")]).browser_auto_open().unwrap_err();
    assert!(odd.message.contains("SEQERA_BROWSER_AUTO_OPEN") && odd.exit == 2, "{odd:?}");
}

#[test]
fn the_server_address_of_ssh_is_its_third_word() {
    let env = Env::of(&[("SSH_CONNECTION", "192.0.2.1 5000 198.51.100.7 22")]);
    assert_eq!(env.ssh_server().as_deref(), Some("198.51.100.7"));
}

#[test]
fn blanks_and_line_ends_around_a_value_do_not_count_and_nothing_but_those_is_unset() {
    let env = Env::of(&[("SEQERA_ACCESS_TOKEN", " \r\n"), ("TOWER_ACCESS_TOKEN", "eyJ.a.b\n")]);
    let token = env.token().unwrap().unwrap();
    assert_eq!((token.variable, token.secret.as_str()), ("TOWER_ACCESS_TOKEN", "eyJ.a.b"));
}

#[test]
fn an_address_with_a_password_is_refused_and_not_shown() {
    assert!(Env::of(&[("SEQERA_AUTH_DOMAIN", "https://a.test/api@x")]).check().is_ok());
    for name in ["SEQERA_AUTH_DOMAIN", "SEQERA_PLATFORM_API_URL", "SEQERA_AI_BACKEND_URL"] {
        for value in ["https://ada:hunter2@a.test/api", "https:/ada:hunter2@a.test", "ada:hunter2@a.test"] {
            let failure = set(name, value.into()).check().unwrap_err();
            assert!(failure.message.contains(name) && !failure.message.contains("hunter2"), "{failure:?}");
        }
    }
}

/// An environment with one variable.
fn set(name: &'static str, value: OsString) -> Env {
    Env::reading(move |asked| (asked == name).then(|| value.clone()))
}

#[test]
fn an_address_is_read_in_its_one_spelling() {
    for value in ["HTTPS://A.test/api", "https://a.test:443/api/", " \"https://a.test/api\"\n", "a.test/api"]
    {
        let env = set("SEQERA_AUTH_DOMAIN", value.into());
        assert!(env.check().is_ok(), "{value}");
        assert_eq!(env.auth_domain().as_deref(), Some("https://a.test/api"), "{value}");
    }
}

#[test]
fn every_value_is_used_rightly_or_refused_by_its_variable_and_none_counts_as_unset() {
    for (name, value, said) in [
        ("SEQERA_AUTH_DOMAIN", "https://", "names no host"),
        ("SEQERA_AUTH_DOMAIN", "https://a.test /api", "blank"),
        ("SEQERA_AUTH_DOMAIN", "production", "is not a full host name"),
        ("SEQERA_PLATFORM_API_URL", "https://a.test/api?x", "query"),
        ("SEQERA_AI_BACKEND_URL", "ftp://a.test", "https://"),
        ("SEQERA_PROFILE", "Work", "not a profile name"),
        ("SEQERA_PROFILE", "a b", "not a profile name"),
        ("SEQERA_PROFILE", "a/b", "not a profile name"),
        ("SEQERA_AUTH_CLI_CLIENT_ID", "a\nb", "character"),
        ("SEQERA_AUTH_AUDIENCE", "a\u{1b}b", "character"),
    ] {
        let failure = set(name, value.into()).check().unwrap_err();
        assert!(failure.message.contains(name) && failure.message.contains(said), "{failure:?}");
        assert_eq!(failure.exit, 2);
    }
    for (name, value) in
        [("SEQERA_PROFILE", " work\n"), ("SEQERA_AUTH_DOMAIN", " "), ("SEQERA_PROFILE", "\t")]
    {
        assert!(set(name, value.into()).check().is_ok(), "{name} {value:?}");
    }
    for (value, said) in
        [("two words", "2 words"), ("a\nb", "2 lines"), ("\"a", "quotation mark"), ("${X}", "'$'")]
    {
        for name in ["SEQERA_ACCESS_TOKEN", "TOWER_ACCESS_TOKEN"] {
            let failure = set(name, value.into()).token().unwrap_err();
            let expected = failure.message.starts_with(name) && failure.message.contains(said);
            assert!(expected && failure.exit == 2, "{failure:?}");
        }
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_text_is_an_error_that_names_the_variable_and_a_path_need_not_be_text() {
    use std::os::unix::ffi::OsStringExt;
    let odd = || OsString::from_vec(b"a\xff".to_vec());
    for name in ["SEQERA_ACCESS_TOKEN", "TOWER_ACCESS_TOKEN"] {
        let failure = set(name, odd()).token().unwrap_err();
        assert!(failure.message.starts_with(name) && failure.message.contains("UTF-8"), "{failure:?}");
    }
    for name in [
        "SEQERA_PROFILE",
        "SEQERA_AUTH_DOMAIN",
        "SEQERA_PLATFORM_API_URL",
        "SEQERA_AI_BACKEND_URL",
        "SEQERA_AUTH_CLI_CLIENT_ID",
        "SEQERA_AUTH_AUDIENCE",
    ] {
        assert!(set(name, odd()).check().unwrap_err().message.contains(name), "{name}");
    }
    let port = set("SEQERA_AUTH_REDIRECT_PORT", odd()).redirect_port().unwrap_err();
    assert!(port.message.contains("SEQERA_AUTH_REDIRECT_PORT"), "{port:?}");
    let time = set("SEQERA_AUTH_CALLBACK_TIMEOUT_MS", odd()).callback_timeout_ms().unwrap_err();
    assert!(time.message.contains("SEQERA_AUTH_CALLBACK_TIMEOUT_MS"), "{time:?}");
    assert!(set("SEQERA_BROWSER_AUTO_OPEN", odd()).browser_auto_open().is_err());
    assert!(set("SEQERA_CLI_OUTPUT_FORMAT", odd()).odd_format().is_some());
    assert!(set("NO_COLOR", odd()).no_colour());
    assert_eq!(set("NXF_HOME", odd()).nextflow_home(), Some(odd().into()));
    assert_eq!(set("HOME", odd()).home(), Some(odd().into()));
    assert_eq!(set("HOME", " /h\n".into()).home(), Some("/h".into()));
}

#[test]
fn a_time_or_a_port_is_a_whole_number_in_its_bounds() {
    for (value, port, time) in [
        (" 6001\n", Some(6001), Some(6001)),
        ("65535", Some(65535), Some(65535)),
        ("70000", None, Some(70000)),
        ("5m", None, None),
        ("1.5", None, None),
        ("1e3", None, None),
        ("0x10", None, None),
        ("0", None, None),
        ("-1", None, None),
        ("99999999999", None, None),
    ] {
        let number = set("SEQERA_AUTH_REDIRECT_PORT", value.into()).redirect_port();
        assert_eq!(number.ok().flatten(), port, "{value}");
        let number = set("SEQERA_AUTH_CALLBACK_TIMEOUT_MS", value.into()).callback_timeout_ms();
        assert_eq!(number.ok().flatten(), time, "{value}");
    }
}

/// An environment whose variable names the file, beside addresses of another account.
fn beside_a_file(file: &'static str) -> Env {
    Env::reading(move |name| match name {
        TOKEN_FILE => Some(file.into()),
        "SEQERA_ACCESS_TOKEN" => Some("other".into()),
        "SEQERA_AUTH_DOMAIN" | "TOWER_API_ENDPOINT" => Some("https://b.test/api".into()),
        "SEQERA_AI_BACKEND_URL" => Some("https://ai.b.test".into()),
        _ => None,
    })
}

/// The path of a file with this content, which stays for the rest of the run.
fn kept(content: &str) -> &'static str {
    let folder = Box::leak(Box::new(tempfile::tempdir().unwrap()));
    let path = folder.path().join("token");
    std::fs::write(&path, content).unwrap();
    Box::leak(path.to_str().unwrap().to_owned().into_boxed_str())
}

#[test]
fn the_token_of_the_file_comes_first_and_what_stands_beside_it_beats_the_variables() {
    let content = TokenFile {
        token: "t".into(),
        authority: "https://a.test/api".into(),
        expires: Some(u32::MAX.into()),
        ..TokenFile::default()
    };
    let env = beside_a_file(kept(&content.text()));
    let token = env.token().unwrap().unwrap();
    assert_eq!((token.variable, token.secret.as_str()), (TOKEN_FILE, "t"));
    assert_eq!(env.token_variables(), [TOKEN_FILE, "SEQERA_ACCESS_TOKEN"]);
    assert_eq!(env.auth_domain().as_deref(), Some("https://b.test/api"), "a command about something else");
    env.stand_by_file();
    assert_eq!(env.auth_domain().as_deref(), Some("https://a.test/api"));
    assert_eq!(env.platform_api_url().as_deref(), Some("https://a.test/api"));
    assert_eq!((env.backend_url(), env.source("SEQERA_AUTH_DOMAIN")), (None, TOKEN_FILE));
    assert_eq!(env.source("NO_COLOR"), "NO_COLOR");
    let unread = beside_a_file("/nowhere").about(Provider::Scitoolkit);
    assert!(unread.token().unwrap().is_none(), "it is not for tokens of another kind");
}

#[test]
fn a_file_with_a_token_alone_says_nothing_about_addresses() {
    let env = beside_a_file(kept("t\n"));
    assert_eq!(env.token().unwrap().unwrap().secret, "t");
    env.stand_by_file();
    assert_eq!((env.auth_domain().as_deref(), env.beside()), (Some("https://b.test/api"), None));
}

#[test]
fn a_file_that_cannot_be_used_is_an_error_and_no_other_token_is_looked_for() {
    let expired = TokenFile { token: "canary".into(), expires: Some(1), ..TokenFile::default() };
    for (file, exit, what) in [
        ("/nowhere/token", 2, "No such file"),
        ("/", 2, "a folder"),
        (kept("can ary"), 2, "2 words"),
        (kept(""), 2, "holds no token"),
        (kept(&expired.text()), 3, "1970-01-01T00:00:01Z"),
    ] {
        let failure = beside_a_file(file).token().unwrap_err();
        assert_eq!(failure.exit, exit, "{file}");
        assert!(failure.message.contains(what) && failure.message.contains(file), "{}", failure.message);
        let hint = failure.hint.text().unwrap();
        assert!(hint.contains(&format!("seqera token --write {file} --watch")), "{hint}");
        assert!(!format!("{failure:?}").contains("canary"));
        assert_eq!(beside_a_file(file).foreign_token(), Some(TOKEN_FILE));
    }
}
