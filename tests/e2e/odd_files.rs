//! What stands where a file is expected, and what belongs to somebody else: it is named, nobody waits for it, and
//! it stays as it is.

use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Run, Sandbox, skip};

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("our own file");
}

/// Puts a named pipe in the place of a file.
fn pipe(path: &Path) {
    let _ = std::fs::remove_file(path);
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.expect("mkfifo").success());
}

fn run_dir(home: &Home) -> PathBuf {
    let hosts = std::fs::read_dir(home.config_dir().join("run")).expect("an agent has run here");
    hosts.flatten().next().expect("the folder of this host").path()
}

#[track_caller]
fn says(run: &Run, what: &str) {
    assert!(run.stdout.contains(what) || run.stderr.contains(what), "{run:?}");
}

#[test]
fn a_configuration_that_is_no_file_is_named_by_client_and_agent() {
    let home = Home::new();
    let config = home.write_config("config.json", "");
    let refused = |what: &str| {
        let said = format!("{} {what}", config.display());
        says(&home.seqera("status").run().fails_with(2), &said);
        home.seqera("agent start").run();
        says(&home.seqera("agent status").run().ok(), &said);
        home.seqera("agent stop").run().ok();
        std::fs::remove_file(&config).expect("it stays");
    };
    pipe(&config);
    refused("is a named pipe, not a file");
    symlink("/dev/zero", &config).expect("a free name");
    refused("is a device, not a file");
    std::fs::File::create(&config).and_then(|file| file.set_len(1 << 30)).expect("a file with a hole");
    refused("has 1073741824 bytes; 1048576 are the limit");
}

#[test]
fn records_that_are_no_file_are_named_and_keep_no_agent_from_starting() {
    let home = Home::new();
    home.seqera("agent start").run().ok();
    home.seqera("agent stop").run().ok();
    let sessions = run_dir(&home).join("sessions.json");
    for path in [&sessions, &run_dir(&home).join("agent.json")] {
        pipe(path);
    }
    home.seqera("agent start").run().ok();
    says(
        &home.seqera("agent status").run().ok(),
        &format!("{} is a named pipe, not a file", sessions.display()),
    );
}

#[test]
fn what_stands_where_the_agent_writes_is_neither_followed_nor_waited_for() {
    let home = Home::new();
    home.seqera("agent start").run().ok();
    home.seqera("agent stop").run().ok();
    let (theirs, run) = (home.write_config("theirs", "text"), run_dir(&home));
    symlink(&theirs, run.join("agent.json.new")).expect("a free name");
    home.seqera("agent start").run().ok();
    home.seqera("agent stop").run().ok();
    let lock = run.join("agent.lock");
    let _ = std::fs::remove_file(&lock);
    symlink(&theirs, &lock).expect("a free name");
    home.seqera("agent start").run();
    home.seqera("agent stop").run();
    for owner in ["agent.owner", "agent.lock"] {
        pipe(&run.join(owner));
    }
    home.seqera("agent start").run();
    home.seqera("agent stop").run();
    assert_eq!(std::fs::read_to_string(&theirs).expect("it stays"), "text");
}

#[test]
fn one_secret_that_is_no_file_keeps_no_other_from_being_removed() {
    let (home, sandbox) = (Home::new().with("SEQERA_CREDENTIAL_STORE", "file"), Sandbox::calm());
    for profile in ["lab", "work"] {
        home.login(profile, &sandbox, ADA);
    }
    home.seqera("agent stop").run().ok();
    let file = |profile: &str| home.config_dir().join(format!("refresh-token.{profile}"));
    pipe(&file("lab"));
    pipe(&file("other"));
    let run = home.seqera("logout --all").run();
    says(&run, "work: revoked");
    says(&run, &format!("{} is a named pipe, not a file", file("lab").display()));
    assert!(!format!("{run:?}").contains("locked"), "{run:?}");
    assert!(!file("work").exists() && file("lab").exists() && file("other").exists());
}

#[test]
fn a_log_that_is_a_device_or_the_persons_own_stays_as_it_is() {
    let home = Home::new();
    let device = mode(Path::new("/dev/null"));
    let agent = home.start_agent_with(&[("SEQERA_LOG_FILE", "/dev/null")]);
    says(&home.seqera("agent logs").run().fails_with(1), "/dev/null is a device, not a file");
    home.stop_agent(agent.pid());
    assert_eq!(mode(Path::new("/dev/null")), device);

    let agent = home.start_agent_with(&[("SEQERA_LOG_FILE", "/dev/stderr")]);
    home.seqera("agent logs").run().fails_with(1);
    assert!(agent.stderr().contains("serving"), "{}", agent.stderr());
    home.stop_agent(agent.pid());

    let own = home.root().join("own.log");
    std::fs::write(&own, "mine\n").expect("a free name");
    set_mode(&own, 0o664);
    let agent = home.start_agent_with(&[("SEQERA_LOG_FILE", own.to_str().expect("a plain path"))]);
    home.stop_agent(agent.pid());
    let text = std::fs::read_to_string(&own).expect("it is there");
    assert!(text.starts_with("mine\n") && text.contains("serving"), "{text}");
    assert_eq!(mode(&own), 0o664);
}

#[test]
fn a_log_that_is_a_link_leads_nobody_into_another_file() {
    let home = Home::new();
    let (link, target) = (home.root().join("state/seqera/agent.log"), home.root().join("theirs"));
    std::fs::write(&target, "theirs").expect("a free name");
    std::fs::create_dir(link.parent().expect("it has a folder")).expect("a free name");
    symlink(&target, &link).expect("a free name");
    home.seqera("agent start").run().ok();
    says(&home.seqera("agent status").run().ok(), &format!("{} is a symbolic link", link.display()));
    assert_eq!(std::fs::read_to_string(&target).expect("it is there"), "theirs");
}

#[test]
fn a_configuration_folder_that_the_umask_left_open_to_the_group_is_closed_and_used() {
    let (home, sandbox) = (Home::new().with("SEQERA_CREDENTIAL_STORE", "file"), Sandbox::calm());
    home.write_config("config.json", "{}");
    set_mode(&home.config_dir(), 0o775);
    home.login("work", &sandbox, ADA);
    assert!(home.config_dir().join("refresh-token.work").exists());
    assert_eq!(mode(&home.config_dir()), 0o700);
    assert!(home.log().contains("closed to others"), "{}", home.log());
}

#[test]
fn root_creates_nothing_in_the_folders_of_the_user_whose_variables_it_kept() {
    let home = Home::new();
    let folders = ["home", "run", "state"].map(|name| home.root().join(name));
    if folders.iter().any(|folder| chown(folder, Some(1001), None).is_err()) {
        return skip("only root can give folders to another user");
    }
    let refused = home.seqera("agent start").run();
    assert_ne!(refused.code, Some(0), "{refused:?}");
    says(&refused, "belongs to uid 1001, not to you (uid 0): run without sudo");
    for folder in &folders {
        assert_eq!(std::fs::read_dir(folder).expect("it is there").count(), 0, "{}", folder.display());
    }
    // As `su` does it, which gives root a home but keeps the runtime folder.
    let [own, runtime, _] = folders;
    chown(&own, Some(0), None).expect("root may");
    let refused = home.seqera("agent start").without_env("XDG_STATE_HOME").run();
    assert_ne!(refused.code, Some(0), "{refused:?}");
    says(
        &refused,
        &format!("{} belongs to uid 1001, not to you (uid 0): run without sudo", runtime.display()),
    );
    assert_eq!(std::fs::read_dir(&runtime).expect("it is there").count(), 0);
}
