//! One owner of a session, whatever the file system and the environment are like: a refresh token that is spent
//! twice ends the session for everybody.

use std::path::PathBuf;
use std::time::Duration;

use seqera_tests::namespaces::may_make;
use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Sandbox, binaries, eventually};

const LIMIT: Duration = Duration::from_secs(60);

/// The folder of this host below `run/`.
fn run_dir(home: &Home) -> PathBuf {
    let mut hosts =
        std::fs::read_dir(home.config_dir().join("run")).expect("an agent has run here").flatten();
    hosts.next().expect("the folder of this host").path()
}

/// A home with a session on disk, no running agent, and a file system that cannot lock, as NFS without a lock
/// daemon: what cannot be opened for writing cannot be locked either.
fn signed_in_without_locks() -> (Home, Sandbox) {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    home.stop_agent(home.agent_pid().expect("the login started an agent"));
    let lock = run_dir(&home).join("agent.lock");
    std::fs::remove_file(&lock).expect("the agent left its lock");
    std::fs::create_dir(&lock).expect("the folder can be made");
    (home, sandbox)
}

#[test]
fn where_files_cannot_be_locked_an_ssh_session_and_a_cron_job_share_one_owner() {
    let (home, sandbox) = signed_in_without_locks();
    let token = home.token("work");
    let first = home.agent_pid();
    // A cron job has no runtime folder, and does not find the socket in it.
    let job = |args: &str| home.seqera(args).without_env("XDG_RUNTIME_DIR");
    assert_eq!(job("token --profile work").run().ok().line(), token);
    let second = home.program(&binaries().agent).without_env("XDG_RUNTIME_DIR").run().fails_with(1);
    assert!(second.stderr.contains(&format!("pid {}", first.expect("an agent runs"))), "{}", second.stderr);
    assert_eq!((sandbox.count("refresh_attempts"), sandbox.count("reuses")), (1, 0));
    let doctor = home.seqera("agent status").run().ok();
    assert!(doctor.stderr.contains("agent.owner") || doctor.stdout.contains("agent.owner"), "{doctor:?}");
}

#[test]
fn an_owner_that_was_killed_is_replaced_although_nothing_could_be_locked() {
    let (home, sandbox) = signed_in_without_locks();
    home.token("work");
    let first = home.agent_pid().expect("an agent runs");
    let killed = std::process::Command::new("kill").args(["-9", &first.to_string()]).status();
    assert!(killed.expect("kill").success());
    let token = home.token("work");
    assert_ne!(home.agent_pid(), Some(first));
    assert_eq!(sandbox.user_info(&token).status, 200);
    assert_eq!(sandbox.count("reuses"), 0);
}

#[test]
fn a_configuration_folder_that_is_removed_under_the_agent_makes_no_second_owner() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    let first = home.agent_pid().expect("the login started an agent");
    let lock = run_dir(&home).join("agent.lock");
    std::fs::remove_dir_all(home.config_dir()).expect("the folder can be removed");
    eventually(LIMIT, "the lock is taken again", || lock.exists().then_some(()));
    let other = home.root().join("other-runtime");
    std::fs::create_dir(&other).expect("the folder can be made");
    let second = home.program(&binaries().agent).env("XDG_RUNTIME_DIR", &other).run().fails_with(1);
    assert!(second.stderr.contains(&format!("pid {first}")), "{}", second.stderr);
    home.token("work");
    assert_eq!(sandbox.count("reuses"), 0);
}

#[test]
fn a_container_with_the_folder_read_only_spends_nothing_and_the_host_stays_signed_in() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    if !may_make(&home, &["--mount"]) {
        return;
    }
    home.login("work", &sandbox, ADA);
    home.stop_agent(home.agent_pid().expect("the login started an agent"));
    let before = sandbox.count("refresh_attempts");
    let inside = home.root().join("container");
    std::fs::create_dir(&inside).expect("the folder can be made");
    // A mount namespace of its own, where the folder is read-only and the runtime folder is another one.
    let config = home.config_dir();
    let script = format!(
        "mount --bind '{0}' '{0}' && mount -o remount,bind,ro '{0}' && XDG_RUNTIME_DIR='{1}' seqera token --profile work",
        config.display(),
        inside.display()
    );
    let run = home.program("unshare").args(["--mount", "sh", "-c", &script]).run().fails_with(5);
    assert!(run.stderr.contains("Read-only file system"), "{}", run.stderr);
    assert!(run.stderr.contains("SEQERA_CREDENTIAL_STORE=memory"), "{}", run.stderr);
    assert_eq!(sandbox.count("refresh_attempts"), before, "the stored token was spent");
    let token = home.token("work");
    assert_eq!(sandbox.user_info(&token).status, 200);
    assert_eq!(sandbox.count("reuses"), 0);
}
