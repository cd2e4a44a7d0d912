use std::os::unix::fs::{PermissionsExt, chown};

use super::*;

struct Places(tempfile::TempDir);

impl Places {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name).join("config.json");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn read(&self) -> Site {
        let owner = rustix::process::getuid().as_raw();
        let places = ["own", "machine"].map(|name| self.0.path().join(name).join("config.json"));
        Site::read(places.into_iter(), Some(owner))
    }
}

#[test]
fn nothing_is_set_where_there_is_no_file_or_an_empty_one() {
    let places = Places::new();
    for site in [places.read(), (places.file("own", ""), places.read()).1] {
        assert!(site.problems.is_empty() && site.authority.is_none() && site.policy == Policy::default());
        assert_eq!(site.check(), Ok(()));
    }
}

#[test]
fn defaults_of_the_first_file_win_and_of_the_policies_the_stricter_one() {
    let places = Places::new();
    let own = places.file(
        "own",
        r#"{"authDomain": "https://Platform.Site.test/api/", "policy": {"longestLease": "2d", "idleExit": "60s"}}"#,
    );
    let machine = places.file(
        "machine",
        r#"{"authDomain": "https://other.test/api", "proxy": "http://proxy.test:3128", "noProxy": ".test",
            "caFile": "/etc/site.pem",
            "policy": {"longestLease": "12h", "idleExit": "10m", "fileStore": false, "log": "journal"}}"#,
    );
    let site = places.read();
    assert_eq!(site.problems, Vec::<String>::new());
    assert_eq!(
        site.authority,
        Some(Set { value: "https://platform.site.test/api".into(), file: own.clone() })
    );
    assert_eq!(site.policy.longest_lease.as_ref().unwrap().file, machine);
    assert_eq!(site.longest_lease(), Some(Duration::from_secs(12 * 3600)));
    assert_eq!(site.policy.idle_exit, Some(Set { value: Duration::from_secs(60), file: own }));
    assert!(site.policy.no_files.is_some());
    assert_eq!(site.policy.rules().len(), 4);
    assert!(site.policy.rules().iter().all(|rule| rule.contains("config.json")));
}

#[test]
fn what_a_caller_says_beats_the_site_and_a_proxy_brings_its_own_exceptions() {
    let places = Places::new();
    places
        .file("own", r#"{"proxy": "http://proxy.test:3128", "noProxy": ".test", "caFile": "/etc/site.pem"}"#);
    let site = places.read();
    let plain = site.network(["", "", ""]).unwrap();
    assert_eq!(
        (plain.proxy.as_str(), plain.no_proxy.as_str(), plain.ca_file.as_str()),
        ("http://proxy.test:3128", ".test", "/etc/site.pem")
    );
    let own = site.network(["http://mine.test:1", "", "/mine.pem"]).unwrap();
    assert_eq!(
        (own.proxy.as_str(), own.no_proxy.as_str(), own.ca_file.as_str()),
        ("http://mine.test:1", "", "/mine.pem")
    );
}

#[test]
fn only_a_platform_has_the_sites_authority() {
    let places = Places::new();
    places.file("own", r#"{"authDomain": "https://site.test/api"}"#);
    let site = places.read();
    let platform = Profile { authority: "https://cloud.test/api".into(), ..Profile::default() };
    assert_eq!(site.authority_or(&platform), "https://site.test/api");
    let provider = ProviderId::new("scitoolkit");
    let other = Profile { authority: "https://kit.test".into(), provider, ..Profile::default() };
    assert_eq!(site.authority_or(&other), "https://kit.test");
}

#[test]
fn a_file_with_a_mistake_stops_sign_ins_and_says_whom_to_ask() {
    for (text, said) in [
        (r#"{"authDoman": "https://a.test"}"#, ":1:12: unknown field `authDoman`"),
        ("{\n  \"proxy\": http://p}", ":2:12: expected value"),
        (r#"{"policy": {"fileStor": false}}"#, "unknown field `fileStor`"),
        (r#"{"policy": {"longestLease": "soon"}}"#, "'policy.longestLease' is wrong"),
        (r#"{"policy": {"idleExit": "0s"}}"#, "'policy.idleExit' must be longer"),
        (r#"{"policy": {"log": "var/log"}}"#, "'policy.log' must be"),
        (r#"{"authDomain": "ftp://a.test"}"#, "'authDomain' does not begin with https://"),
        (r#"{"authDomain": "https://u:canary@a.test"}"#, "'authDomain' contains a user name"),
        (r#"{"proxy": "socks5://u:canary@p.test"}"#, "SOCKS"),
        (r#"{"caFile": "site.pem"}"#, "is not an absolute path"),
        (r#"["policy"]"#, "invalid type"),
        (r#"{"policy": [false]}"#, "'policy' must be an object"),
    ] {
        let places = Places::new();
        let path = places.file("machine", text);
        let site = places.read();
        let [problem] = &site.problems[..] else { panic!("{text}: {:?}", site.problems) };
        assert!(problem.starts_with(&path.display().to_string()) && problem.contains(said), "{problem}");
        let error = site.check().unwrap_err();
        assert!(error.hint().contains("administrator"), "{}", error.hint());
        assert!(!format!("{site:?} {error} {problem}").contains("canary"), "{problem}");
    }
}

#[test]
fn a_mistake_leaves_the_rules_in_force_that_can_be_read() {
    let rules = r#""fileStore": false, "longestLease": "10s", "log": "/var/log/seqera", "idleExit": "60s""#;
    for text in [
        format!(r#"{{"logg": 1, "policy": {{{rules}}}}}"#),
        format!(r#"{{"policy": {{{rules}, "newer": {{"rule": 1}}}}}}"#),
        format!(r#"{{"proxy": 7, "policy": {{{rules}}}}}"#),
        format!(r#"{{"authDomain": "ftp://a.test", "policy": {{{rules}}}}}"#),
    ] {
        let places = Places::new();
        places.file("own", &text);
        let site = places.read();
        assert_eq!(site.policy.rules().len(), 4, "{text}: {:?}", site.policy);
        assert!(site.check().is_err() && site.authority.is_none(), "{text}");
    }
    // A rule that is no rule is none, and the others hold; what else than `true` stands there forbids.
    let places = Places::new();
    places.file("own", r#"{"policy": {"fileStore": "never", "longestLease": 10, "idleExit": "soon"}}"#);
    let site = places.read();
    assert!(site.policy.no_files.is_some() && site.policy.idle_exit.is_none() && site.check().is_err());
}

#[test]
fn what_a_stranger_has_made_beside_a_program_in_an_open_folder_is_no_file_of_the_site() {
    if !rustix::process::getuid().is_root() {
        return;
    }
    const OWNER: Option<u32> = Some(777);
    let stranger = Some(12_345);
    let text = r#"{"authDomain": "https://evil.test/api", "policy": {"idleExit": "1s"}}"#;
    // The folder that everybody may write to, and the one above the file's that somebody owns.
    for (prefix_mode, link, is_planted) in
        [(0o1777, false, true), (0o1777, true, true), (0o755, false, false)]
    {
        let prefix = tempfile::tempdir().unwrap();
        let set = |path: &Path, uid| std::os::unix::fs::lchown(path, uid, None).unwrap();
        fs::set_permissions(prefix.path(), fs::Permissions::from_mode(prefix_mode)).unwrap();
        let (etc, theirs) = (prefix.path().join("etc"), prefix.path().join("theirs"));
        // By the link, it leads to what the owner of the program has somewhere else.
        let made = if link { &theirs } else { &etc };
        fs::create_dir_all(made.join("seqera-agent")).unwrap();
        fs::write(made.join("seqera-agent/config.json"), text).unwrap();
        let uid = if link { OWNER } else { stranger };
        for place in ["seqera-agent/config.json", "seqera-agent", ""] {
            set(&made.join(place), uid);
        }
        if link {
            std::os::unix::fs::symlink(&theirs, &etc).unwrap();
            set(&etc, stranger);
        }
        let site = Site::read([etc.join("seqera-agent/config.json")].into_iter(), OWNER);
        assert!(site.authority.is_none() && site.policy == Policy::default(), "{site:?}");
        assert!(site.problems[0].contains("belongs to uid 12345"), "{site:?}");
        assert_eq!(site.check().is_ok(), is_planted, "{prefix_mode:o} {link}");
    }
}

#[test]
fn a_file_that_others_can_write_is_not_used() {
    let places = Places::new();
    let path = places.file("own", r#"{"authDomain": "https://evil.test/api"}"#);
    let open = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    open(&path, 0o666);
    let site = places.read();
    assert!(site.authority.is_none() && site.problems[0].contains("by everybody"), "{:?}", site.problems);
    open(&path, 0o644);
    open(path.parent().unwrap(), 0o777);
    assert!(places.read().problems[0].contains("its folder can be written"), "{:?}", places.read().problems);
    open(path.parent().unwrap(), 0o755);
    assert!(places.read().authority.is_some());
    if rustix::process::getuid().is_root() {
        chown(&path, Some(12_345), None).unwrap();
        let site = places.read();
        assert!(site.authority.is_none() && site.problems[0].contains("uid 12345"), "{:?}", site.problems);
    }
}

/// Whoever can exchange the folders above can do so for the moment between the two looks at them.
#[test]
fn the_file_that_was_opened_has_to_be_the_sites_whatever_its_path_led_to_before() {
    const OWNER: u32 = 1001;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.json");
    std::fs::write(&path, "{}").unwrap();
    for (uid, is_read) in [(OWNER, true), (0, true), (1002, false)] {
        if std::os::unix::fs::chown(&path, Some(uid), None).is_err() {
            return;
        }
        let read = super::read(&path, Some(OWNER));
        assert_eq!(read.is_ok(), is_read, "{uid}: {read:?}");
        assert!(read.err().is_none_or(|error| error.to_string().contains("not the program's")), "{uid}");
    }
}
