//! What each limit is called. The limits of a process are its own, so that each test runs itself again as the process
//! that has them.

use std::io;
use std::process::Command;

use super::*;

const CHILD: &str = "SEQERA_TEST_LIMITS";

/// True in the process that has the limits. Elsewhere the test `name` has been run in one that has them.
#[expect(clippy::disallowed_methods, reason = "distinguishes the two processes of the test")]
fn is_limited(name: &str, limits: &str) -> bool {
    if std::env::var_os(CHILD).is_some() {
        return true;
    }
    let script = format!("{limits}; exec \"$0\" --exact limits::tests::{name} --nocapture --test-threads=1");
    let run = Command::new("sh")
        .args(["-c", &script])
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert!(
        run.status.success(),
        "{}{}",
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr)
    );
    false
}

fn error(number: rustix::io::Errno) -> io::Error {
    number.into()
}

#[test]
fn too_few_descriptors_are_named_with_their_limit() {
    if is_limited("too_few_descriptors_are_named_with_their_limit", "ulimit -n 12") {
        assert_eq!(open_files(), 12);
        let limit = short_of_files(16).unwrap();
        assert_eq!(limit, "ulimit -n is 12: no more files and sockets can be opened");
        assert_eq!(behind(&error(rustix::io::Errno::MFILE)), Some(limit.clone()));
        assert!(narrow().contains(&limit));
        assert_eq!(short_of_files(1), None, "those that were opened are closed again");
    }
}

#[test]
fn a_limit_of_files_or_memory_or_time_is_named() {
    let limits = "ulimit -f 8; ulimit -t 600; ulimit -v 200000";
    if is_limited("a_limit_of_files_or_memory_or_time_is_named", limits) {
        let full = behind(&error(rustix::io::Errno::FBIG)).unwrap();
        assert!(full.starts_with("ulimit -f allows "), "{full}");
        let memory = behind(&error(rustix::io::Errno::NOMEM)).unwrap();
        assert_eq!(memory, "ulimit -v is 200000: there is no memory left");
        let all = narrow();
        assert!(all.contains(&full) && all.contains(&memory), "{all:?}");
        assert!(all.iter().any(|limit| limit.starts_with("ulimit -t is 600:")), "{all:?}");
        // Threads need address space, and the system's error is the same as for too many of them.
        assert_eq!(behind_start(&error(rustix::io::Errno::AGAIN)), Some(memory));
    }
}

#[test]
fn soft_limits_are_raised_to_the_hard_ones() {
    if is_limited("soft_limits_are_raised_to_the_hard_ones", "ulimit -Sn 20; ulimit -Sf 1; ulimit -St 600") {
        raise();
        assert!(open_files() > 20);
        let all = narrow();
        assert!(!all.iter().any(|limit| limit.starts_with("ulimit -t is 600")), "{all:?}");
    }
}

#[test]
fn a_disk_that_is_full_is_no_limit_of_the_process_and_other_failures_are_none() {
    assert_eq!(behind(&error(rustix::io::Errno::NOSPC)).as_deref(), Some("the disk is full"));
    assert_eq!(behind(&error(rustix::io::Errno::DQUOT)).as_deref(), Some("your disk quota is used up"));
    for other in [rustix::io::Errno::ACCESS, rustix::io::Errno::NOENT, rustix::io::Errno::AGAIN] {
        assert_eq!(behind(&error(other)), None, "{other}");
    }
    assert!(
        behind_start(&error(rustix::io::Errno::AGAIN)).unwrap().contains("no more processes and threads")
    );
    assert_eq!(short_of_threads(2), None);
}
