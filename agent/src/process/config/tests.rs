//! Tests of the layers.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;

use tempfile::TempDir;

use super::*;

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn read(home: &Path, vars: &[(&str, &str)]) -> Result<Config, AgentError> {
    let mut env: HashMap<String, OsString> =
        vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    env.entry("HOME".to_owned()).or_insert_with(|| home.into());
    Config::read(
        Flags { detached: true, ..Flags::default() },
        &|name| env.get(name).cloned(),
        &Arc::default(),
    )
}

fn write(home: &Path, json: &str) -> PathBuf {
    let dir = home.join(".config/seqera-ai");
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("config.json");
    std::fs::write(&path, json).unwrap();
    path
}

#[test]
fn the_environment_beats_the_file_and_both_are_named() {
    let home = home();
    let path = write(home.path(), r#"{"credentialStore": "file"}"#);
    let config = read(home.path(), &[]).unwrap();
    assert_eq!(config.store, Sourced { value: StoreChoice::File, source: Source::File(path) });
    let config = read(home.path(), &[("SEQERA_CREDENTIAL_STORE", "memory")]).unwrap();
    assert_eq!(config.store.value, StoreChoice::Memory);
    assert_eq!(config.store.source.to_string(), "SEQERA_CREDENTIAL_STORE");
    assert_eq!(config.problems, [""; 0]);
}

#[test]
fn without_a_word_from_anybody_the_defaults_hold() {
    let home = home();
    let config = read(home.path(), &[]).unwrap();
    assert_eq!(config.store, Sourced { value: StoreChoice::Auto, source: Source::Default });
    assert_eq!(config.idle_exit.value, Some(Duration::from_secs(600)));
    assert_eq!(config.log.level.value, Some(Level::INFO));
    let log = home.path().join(".local/state/seqera/agent.log");
    assert_eq!(config.log.target.value, LogTarget::File(log));
    assert!(config.profiles.is_empty());
    #[cfg(unix)]
    assert!(!config.socket_handed_over);
}

#[test]
fn a_corrupt_file_is_named_with_its_position_and_left_as_it_is() {
    let home = home();
    let broken = "{\n  \"credentialStore\": \"file\",\n  oops\n}";
    let path = write(home.path(), broken);
    let config = read(home.path(), &[]).unwrap();
    let expected = format!("{}:3:3: key must be a string", path.display());
    assert!(config.problems[0].starts_with(&expected), "{:?}", config.problems);
    assert_eq!(config.store.source, Source::Default);
    assert_eq!(std::fs::read_to_string(path).unwrap(), broken);
}

#[test]
fn a_profile_of_the_file_has_the_defaults_of_seqera_cloud_for_what_it_leaves_out() {
    let home = home();
    write(home.path(), r#"{"profiles": {"work": {"authority": "https://x.test/api/"}, "Bad Name": {}}}"#);
    let config = read(home.path(), &[]).unwrap();
    let work = &config.profiles[&"work".parse().unwrap()];
    assert_eq!(work.authority, "https://x.test/api");
    assert_eq!(work.client_id, Profile::CLIENT_ID);
    assert_eq!(config.profiles.len(), 1);
    assert!(config.problems[0].contains("\"Bad Name\" is not a profile name"), "{:?}", config.problems);
}

#[test]
fn a_variable_with_a_value_of_another_kind_is_an_error_that_names_it() {
    let home = home();
    let bad = [
        ("SEQERA_CREDENTIAL_STORE", "memroy"),
        ("SEQERA_LOG_LEVEL", "loud"),
        ("SEQERA_AGENT_IDLE_EXIT", "soon"),
        ("SEQERA_LOG_FILE", "here.log"),
        ("SEQERA_CLI_CONFIG_DIR", "here"),
    ];
    for (name, value) in bad {
        let error = read(home.path(), &[(name, value)]).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        assert_eq!(error.kind, ErrorKind::Misconfigured);
    }
}

#[test]
fn every_value_is_used_rightly_or_refused_by_its_variable_and_none_counts_as_unset() {
    let home = home();
    for (name, value) in [
        ("SEQERA_CREDENTIAL_STORE", "File\n"),
        ("SEQERA_CREDENTIAL_STORE", " file "),
        ("SEQERA_CREDENTIAL_STORE", "FILE"),
    ] {
        assert_eq!(read(home.path(), &[(name, value)]).unwrap().store.value, StoreChoice::File, "{value:?}");
    }
    for value in ["debug\r\n", " DEBUG", "Debug"] {
        let config = read(home.path(), &[("SEQERA_LOG_LEVEL", value)]).unwrap();
        assert_eq!(config.log.level.value, Some(Level::DEBUG), "{value:?}");
    }
    let log = read(home.path(), &[("SEQERA_LOG_FILE", " /l \n")]).unwrap().log;
    assert_eq!(log.target.value, LogTarget::File("/l".into()));
    let idle = read(home.path(), &[("SEQERA_AGENT_IDLE_EXIT", " 60\n")]).unwrap().idle_exit;
    assert_eq!(idle.value, Some(Duration::from_secs(60)));
    for name in ["SEQERA_CREDENTIAL_STORE", "SEQERA_LOG_LEVEL", "SEQERA_LOG_FILE", "SEQERA_AGENT_IDLE_EXIT"] {
        let blank = read(home.path(), &[(name, " \n")]).unwrap();
        let plain = read(home.path(), &[]).unwrap();
        assert_eq!(
            (blank.store, blank.log, blank.idle_exit),
            (plain.store, plain.log, plain.idle_exit),
            "{name}"
        );
    }
    for (name, value) in [
        ("SEQERA_CREDENTIAL_STORE", "file,memory"),
        ("SEQERA_CREDENTIAL_STORE", "\"file\""),
        ("SEQERA_LOG_LEVEL", "1 2"),
        ("SEQERA_LOG_LEVEL", "true"),
        ("SEQERA_AGENT_IDLE_EXIT", "10m"),
        ("SEQERA_AGENT_IDLE_EXIT", "1.5"),
        ("SEQERA_AGENT_IDLE_EXIT", "99999999999999999999"),
        ("SEQERA_LOG_FILE", "~/agent.log"),
        ("SEQERA_LOG_FILE", "/a\nb"),
    ] {
        let error = read(home.path(), &[(name, value)]).unwrap_err();
        assert!(error.to_string().contains(name), "{name} {value:?}: {error}");
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_text_is_an_error_that_names_the_variable() {
    use std::os::unix::ffi::OsStringExt;
    let home = home();
    let odd = OsString::from_vec(b"a\xff".to_vec());
    for odd_one in [
        "SEQERA_CREDENTIAL_STORE",
        "SEQERA_LOG_LEVEL",
        "SEQERA_AGENT_IDLE_EXIT",
        "SEQERA_LOG_FILE",
        "SEQERA_AGENT_HOST_ID",
    ] {
        let env = |name: &str| match name {
            "HOME" => Some(home.path().into()),
            name => (name == odd_one).then(|| odd.clone()),
        };
        let error =
            Config::read(Flags { detached: true, ..Flags::default() }, &env, &Arc::default()).unwrap_err();
        assert!(error.to_string().contains(odd_one), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn descriptors_handed_to_another_process_are_not_ours() {
    let home = home();
    let ours = std::process::id().to_string();
    let handed = |pid: &str, count: &str| {
        read(home.path(), &[("LISTEN_PID", pid), ("LISTEN_FDS", count)]).unwrap().socket_handed_over
    };
    assert!(handed(&ours, "1"));
    assert!(!handed(&ours, "0"));
    assert!(!handed("1", "1"));
}

#[test]
fn an_idle_agent_stays_for_ever_where_the_user_wants_it() {
    let home = home();
    let config = read(home.path(), &[("SEQERA_AGENT_IDLE_EXIT", "0")]).unwrap();
    assert_eq!(config.idle_exit.value, None);
}

#[test]
fn an_agent_is_started_with_what_it_reads_and_with_nothing_of_other_programs() {
    let is_kept = |name: &str| kept::is_kept(name.as_ref(), Starter::Launcher);
    for name in [
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "DYLD_INSERT_LIBRARIES",
        "SEQERA_ACCESS_TOKEN",
        "TOWER_REFRESH_TOKEN",
        "SEQERA_EXEC_TOKEN",
        "AWS_ACCESS_KEY_ID",
        "OPENAI_API_KEY",
        "PGPASSWORD",
        "SSH_AUTH_SOCK",
        "HTTPS_PROXY",
        "SSL_CERT_FILE",
        "MALLOC_CONF",
        "RUST_BACKTRACE",
        "PATH",
        "home",
    ] {
        assert!(!is_kept(name) || (cfg!(windows) && name == "home"), "{name}");
    }
    for name in ["SEQERA_CREDENTIAL_STORE", "HOME", "TZ", "LC_ALL", "SEQERA_AGENT_HOST_ID"] {
        assert!(is_kept(name), "{name}");
    }
    #[cfg(unix)]
    assert!(is_kept("DBUS_SESSION_BUS_ADDRESS"));
}

#[test]
fn what_a_service_manager_says_is_kept_by_the_process_that_it_started_alone() {
    for name in ["NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "JOURNAL_STREAM"] {
        assert!(kept::is_kept(name.as_ref(), Starter::Direct), "{name}");
        assert!(!kept::is_kept(name.as_ref(), Starter::Launcher), "{name}");
    }
    let all = [("HOME", "/home/a"), ("TOKEN", "x")].map(|(name, value)| (name.into(), value.into()));
    let given = (OsString::from(kept::GIVEN.0), OsString::from(kept::GIVEN.1));
    let kept = vec![all[0].clone(), given.clone()];
    assert_eq!(kept::part(all.clone(), Starter::Direct), (kept.clone(), true));
    assert!(kept::part([all[0].clone()], Starter::Direct).1, "something is missing");
    assert_eq!(kept::part(kept.clone(), Starter::Direct), (kept, false));
}

#[test]
fn what_has_no_effect_in_the_file_is_a_problem_and_the_rest_of_it_counts() {
    let home = home();
    write(
        home.path(),
        r#"{"credentialStor": "file", "profiles": {"work": {"clientId": 7, "apiUrl": "https://u"}}}"#,
    );
    let config = read(home.path(), &[]).unwrap();
    let [mistake, unknown] = &config.problems[..] else { panic!("{:?}", config.problems) };
    assert!(mistake.ends_with("'profiles.work.clientId' must be a text, in quotes"), "{mistake}");
    assert!(unknown.ends_with("'credentialStor'; did you mean 'credentialStore'?"), "{unknown}");
    let work = &config.profiles[&"work".parse().unwrap()];
    assert_eq!((work.client_id.as_str(), work.api_url.as_str()), (Profile::CLIENT_ID, "https://u"));
}
