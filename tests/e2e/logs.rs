//! `seqera agent logs` while an agent writes.

use std::time::Duration;

use seqera_tests::Home;

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn what_the_agent_writes_is_followed_as_it_comes() {
    let home = Home::new();
    home.seqera("agent start").run().ok();
    let mut follow = home.seqera("agent logs --follow -n 0").start();
    let mut number = 0;
    // Each call leaves a line. The first lines may be written before the follower looks.
    let line = seqera_tests::within(LIMIT, || {
        number += 1;
        home.seqera("agent status").run().ok();
        follow.stdout().lines().find(|line| line.contains("Control/Info")).map(str::to_owned)
    });
    assert!(
        line.is_some_and(|line| line.contains("outcome=Ok")),
        "after {number} calls: {}",
        follow.stdout()
    );
    assert!(follow.is_running(), "it goes on until it is interrupted");
}

#[test]
fn the_log_of_an_agent_is_found_wherever_it_was_told_to_write() {
    let home = Home::new();
    let file = home.root().join("elsewhere.log");
    let _agent = home.start_agent_with(&[("SEQERA_LOG_FILE", file.to_str().expect("a plain path"))]);
    let seen = home.seqera("agent logs -o json").run().json();
    assert_eq!(seen["file"], file.to_str().expect("a plain path"));
    assert!(seen["lines"].to_string().contains("serving"), "{seen}");
}

#[test]
fn the_log_of_an_agent_that_writes_to_the_journal_is_looked_up_there() {
    let home = Home::new();
    let _agent = home.start_agent_with(&[("JOURNAL_STREAM", "8:1")]);
    let refused = home.seqera("agent logs").run().fails_with(1);
    assert!(refused.stderr.contains("journalctl --user --unit seqera-agent"), "{}", refused.stderr);
}

#[test]
fn a_follower_ends_when_its_reader_has_gone_even_if_nothing_more_is_written() {
    let home = Home::new();
    home.seqera("agent start").run().ok();
    for format in ["", "-o json"] {
        // The agent writes nothing after this. The pipeline ends when both of its programs have ended.
        let script = format!("seqera agent logs -f {format} | head -1");
        let run = home.shell(&script).run().ok();
        assert_eq!(run.stdout.lines().count(), 1, "{run:?}");
        assert_eq!(run.stderr, "");
    }
}
