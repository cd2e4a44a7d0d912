//! Every documented variable, and its key in `config.json`, has the effect that the documentation promises.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use seqera_tests::browser::{authorization_url, parameter};
use seqera_tests::http::{self, decode};
use seqera_tests::{Home, Sandbox, eventually};

const LIMIT: Duration = Duration::from_secs(20);

/// The URL that a login would open. The login itself is abandoned.
#[track_caller]
fn address(home: &Home, args: &str) -> String {
    let mut login = home.seqera(&format!("login --no-browser {args}")).start();
    let url = login.until("authorization URL", authorization_url);
    login.kill();
    url
}

#[test]
fn authority_client_and_audience_are_those_of_the_variables() {
    let sandbox = Sandbox::calm();
    let home = Home::new()
        .with("SEQERA_AUTH_DOMAIN", &sandbox.authority)
        .with("SEQERA_PLATFORM_API_URL", "https://api.invalid")
        .with("SEQERA_AUTH_CLI_CLIENT_ID", "an-own-client")
        .with("SEQERA_AUTH_AUDIENCE", "an-own-audience");
    home.write_config("config.json", r#"{"authDomain": "https://file.invalid/api"}"#);
    let url = address(&home, "");
    assert!(url.starts_with(&sandbox.url), "{url}");
    assert_eq!(parameter(&url, "client_id"), Some("an-own-client"));
    assert_eq!(parameter(&url, "audience"), Some("an-own-audience"));
    assert_eq!(parameter(&url, "scope"), Some("openid+profile+email+offline_access"));
}

#[test]
fn without_variables_the_file_names_the_authority_and_the_documented_client_is_used() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let top = format!(r#"{{"authDomain": "{}"}}"#, sandbox.authority);
    home.write_config("config.json", &top);
    let url = address(&home, "");
    assert!(url.starts_with(&sandbox.url), "{url}");
    assert_eq!(parameter(&url, "client_id"), Some("seqera_ai_cli"));
    assert_eq!(parameter(&url, "audience"), Some("platform"));
    let profile = r#"{"authDomain": "https://file.invalid/api", "profiles": {"work": {"authority": "AUTHORITY",
        "clientId": "work-client"}}}"#;
    home.write_config("config.json", &profile.replace("AUTHORITY", &sandbox.authority));
    let url = address(&home, "--profile work");
    assert!(url.starts_with(&sandbox.url), "{url}");
    assert_eq!(parameter(&url, "client_id"), Some("work-client"));
}

#[test]
fn the_platforms_address_is_the_third_choice_as_authority() {
    let sandbox = Sandbox::calm();
    let home = Home::new().with("SEQERA_PLATFORM_API_URL", &sandbox.authority);
    assert!(address(&home, "").starts_with(&sandbox.url));
}

#[test]
fn the_callback_listens_at_53682_or_near_it_or_at_the_port_of_the_variable() {
    let sandbox = Sandbox::calm();
    let home = Home::new().with("SEQERA_AUTH_DOMAIN", &sandbox.authority);
    let redirect = |home: &Home| {
        let url = address(home, "");
        parameter(&url, "redirect_uri").map(decode).expect("a redirect")
    };
    let usual = redirect(&home);
    let port = |uri: &str| uri.split([':', '/']).filter_map(|part| part.parse::<u16>().ok()).next_back();
    assert!(port(&usual).is_some_and(|port| (53682..53692).contains(&port)), "{usual}");
    assert!(usual.starts_with("http://127.0.0.1:") && usual.ends_with("/callback"), "{usual}");
    let free =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a free port");
    let chosen = redirect(&home.with("SEQERA_AUTH_REDIRECT_PORT", free.port().to_string()));
    assert_eq!(port(&chosen), Some(free.port()));
}

#[test]
fn a_browser_is_opened_unless_the_variable_says_false_and_the_address_is_printed_either_way() {
    let sandbox = Sandbox::calm();
    let home = Home::new().with("SEQERA_AUTH_DOMAIN", &sandbox.authority);
    let (browser, opened) = (home.root().join("browser"), home.root().join("opened"));
    std::fs::write(&browser, format!("#!/bin/sh\necho \"$1\" >'{}'\n", opened.display())).expect("a script");
    std::fs::set_permissions(&browser, PermissionsExt::from_mode(0o755)).expect("an owner may");
    let home = home.with("BROWSER", &browser);
    let begin = |home: &Home| {
        let mut login = home.seqera("login").start();
        let url = login.until("authorization URL", authorization_url);
        (login, url)
    };
    let (mut login, url) = begin(&home);
    eventually(LIMIT, "an opened browser", || opened.exists().then_some(()));
    let page = eventually(LIMIT, "its address", || {
        std::fs::read_to_string(&opened).ok().filter(|page| page.ends_with('\n'))
    });
    // The address of the callback's listener, which leads to the one that was printed.
    assert_eq!(http::get(page.trim(), &[]).header("location"), Some(&*url));
    login.kill();
    std::fs::remove_file(&opened).expect("it is there");
    let (mut login, url) = begin(&home.with("SEQERA_BROWSER_AUTO_OPEN", "false"));
    // Once the URL is printed, the point where a browser would have started has passed.
    assert!(url.starts_with(&sandbox.url) && !opened.exists());
    login.kill();
}

#[test]
fn the_agent_logs_where_and_how_much_the_variables_say() {
    let home = Home::new().with("SEQERA_LOG_LEVEL", "debug");
    let file = home.root().join("own.log");
    let home = home.with("SEQERA_LOG_FILE", &file);
    home.seqera("agent start").run().ok();
    let text = std::fs::read_to_string(&file).expect("the chosen file");
    assert!(text.contains("DEBUG") || text.contains("INFO"), "{text}");
    let mode = file.metadata().expect("it is there").permissions().mode();
    assert_eq!((mode & 0o777, home.log()), (0o600, String::new()));

    let silent = Home::new().with("SEQERA_LOG_LEVEL", "off");
    silent.seqera("agent start").run().ok();
    assert_eq!(silent.log(), "");
}

#[test]
fn the_configuration_folder_is_the_one_of_the_variables() {
    let sandbox = Sandbox::calm();
    let here = |home: &Home, folder: PathBuf| {
        home.login("work", &sandbox, "ada@sandbox.test");
        assert!(folder.join("auth-state.json").is_file(), "{}", folder.display());
        let usual = home.root().join("home/.config/seqera-ai");
        assert!(!usual.exists(), "{}", usual.display());
    };
    let home = Home::new();
    let folder = home.root().join("own");
    here(&home.with("SEQERA_CLI_CONFIG_DIR", &folder).with("SEQERA_CREDENTIAL_STORE", "file"), folder);
    let home = Home::new();
    let folder = home.root().join("xdg");
    here(
        &home.with("XDG_CONFIG_HOME", &folder).with("SEQERA_CREDENTIAL_STORE", "file"),
        folder.join("seqera-ai"),
    );
}

#[test]
fn the_token_of_one_account_never_goes_to_the_platform_that_a_variable_names_for_another() {
    let (own, other) = (Sandbox::calm(), Sandbox::calm());
    let home = Home::new().with("SEQERA_PLATFORM_API_URL", &other.authority);
    let login = home.login("work", &own, "ada");
    let note = format!("SEQERA_PLATFORM_API_URL is {}", other.authority);
    assert!(login.stderr.contains(&note) && login.stderr.contains(&own.authority), "{login:?}");
    home.seqera("whoami --check --profile work").run().ok();
    let printed = "exec --profile work -- printenv TOWER_API_ENDPOINT SEQERA_API_ENDPOINT \
                   SEQERA_PLATFORM_API_URL SEQERA_AUTH_DOMAIN";
    let given = home.seqera(printed).run().ok();
    let expected = format!("{}\n", own.authority).repeat(4);
    assert_eq!(given.stdout, expected);
    let seen = other.stats();
    let asked: u64 = seen.as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum();
    assert_eq!(asked, 0, "the other Platform was asked: {seen}");
}

#[test]
fn one_authority_in_other_spellings_is_one_account() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let authority = &sandbox.authority;
    let loud = authority.replace("http://", "HTTP://");
    home.login_at("work", &format!("{loud}/"), "ada");
    let token = home.token("work");
    for spelled in [authority.clone(), loud.clone(), format!("{authority}/"), format!("\"{authority}\"\n")] {
        let run = home.seqera("token").env("SEQERA_AUTH_DOMAIN", &spelled).run().ok();
        assert_eq!(run.line(), token, "{spelled:?}");
        let again = home.seqera("login --profile work").args(["--authority", &spelled]).run().ok();
        assert!(again.stdout.contains("Already signed in"), "{spelled:?}: {again:?}");
    }
    assert_eq!(home.status("work")["authority"], *authority);
}

#[test]
fn a_session_that_was_recorded_in_another_spelling_is_not_lost() {
    let (home, sandbox) = (Home::new().with("SEQERA_CREDENTIAL_STORE", "file"), Sandbox::calm());
    home.login("work", &sandbox, "ada");
    home.stop_agent(home.agent_pid().expect("it runs"));
    let authority = &sandbox.authority;
    let loud = format!("{}/", authority.replace("http://", "HTTP://"));
    let folders = std::fs::read_dir(home.config_dir().join("run")).expect("a folder for each host");
    let records = folders.map(|folder| folder.expect("one of them").path().join("sessions.json"));
    let files = records.chain([home.config_dir().join("refresh-token.work")]);
    for file in files {
        let text =
            std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert!(text.contains(&format!("\"{authority}\"")), "{text}");
        let text = text.replace(&format!("\"{authority}\""), &format!("\"{loud}\""));
        std::fs::write(&file, text).expect("an owner may");
    }
    let run = home.seqera("token").env("SEQERA_AUTH_DOMAIN", authority).run().ok();
    assert_eq!(sandbox.user_info(run.line()).status, 200);
    assert_eq!(home.status("work")["authority"], *authority);
}

#[test]
fn a_token_is_read_from_a_file_as_each_system_saves_it() {
    let sandbox = Sandbox::calm();
    let token = sandbox.personal_token("ada");
    let wide =
        |text: &str, bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<_>>();
    let login = |bytes: &[u8]| {
        let home = Home::new();
        let file = home.root().join("token.txt");
        std::fs::write(&file, bytes).expect("an owner may");
        let to = format!("--profile pat --authority {}", sandbox.authority);
        let run = home.shell(&format!("seqera login --with-token {to} < '{}'", file.display())).run();
        (home, run)
    };
    for bytes in [
        format!("\u{feff}{token}\r\n").into_bytes(),
        format!("export TOWER_ACCESS_TOKEN=\"{token}\"\n").into_bytes(),
        format!("# mine\nTOWER_API_ENDPOINT=https://a.test\nTOWER_ACCESS_TOKEN={token}\n").into_bytes(),
        format!("Authorization: Bearer {token}\n").into_bytes(),
        wide(&format!("\u{feff}{token}\r\n"), u16::to_le_bytes),
        wide(&format!("\u{feff}{token}\r\n"), u16::to_be_bytes),
        wide(&token, u16::to_le_bytes),
    ] {
        let (home, run) = login(&bytes);
        run.ok();
        assert_eq!(home.token("pat"), token);
    }
    for (bytes, said) in [
        (format!("{token}\n{token}\n").into_bytes(), "standard input has 2 lines"),
        (format!("{token} {token}").into_bytes(), "standard input has 2 words"),
        (b"\xff\xfea".to_vec(), "UTF-16 that is damaged"),
        (format!("{token}\x07").into_bytes(), "contains a control character"),
    ] {
        let (_, run) = login(&bytes);
        let run = run.fails_with(2);
        assert!(run.stderr.contains(said) && !run.stderr.contains(&token), "{}", run.stderr);
    }
}
