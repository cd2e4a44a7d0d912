//! Clocks that jump or are wrong, and their time zone. Debug builds add the seconds in a file to the wall
//! clock.

use std::path::PathBuf;
use std::time::Duration;

use seqera_tests::sandbox::ADA;
use seqera_tests::wait::Stopwatch;
use seqera_tests::{Home, Sandbox, eventually};
use serde_json::json;

/// A home whose agent's wall clock can be moved.
struct Clockwork {
    home: Home,
    file: PathBuf,
}

impl Clockwork {
    fn new(seconds: i64) -> Self {
        let mut home = Home::new();
        let file = home.root().join("clock-offset");
        home.set("SEQERA_AGENT_CLOCK_OFFSET", &file);
        let clockwork = Self { home, file };
        clockwork.set(seconds);
        clockwork
    }

    /// From now on the wall clock is ahead by so many seconds.
    fn set(&self, seconds: i64) {
        self.write(&seconds.to_string());
    }

    /// From now on both clocks stand still.
    fn hold(&self) {
        self.write("held");
    }

    fn write(&self, text: &str) {
        // By rename, so that the agent never reads half a number.
        let new = self.file.with_extension("new");
        let done = std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, &self.file));
        done.expect("the offset can be written");
    }
}

#[test]
fn an_expired_token_is_never_handed_out_after_the_wall_clock_jumped_ahead() {
    let (clock, sandbox) = (Clockwork::new(0), Sandbox::calm());
    clock.home.login("work", &sandbox, ADA);
    let first = clock.home.token("work");
    clock.set(2 * 3600);
    // As after a suspend: the sandbox kept running, so its token is an hour too old.
    assert_ne!(clock.home.token("work"), first);
    assert_eq!(sandbox.count("refresh_attempts"), 1);
}

#[test]
fn a_jump_ahead_starts_the_renewal_within_half_a_minute_with_nobody_asking() {
    let (clock, sandbox) = (Clockwork::new(0), Sandbox::calm());
    clock.home.login("work", &sandbox, ADA);
    let watch = Stopwatch::start();
    clock.set(2 * 3600);
    sandbox.wait_for("refresh", 1);
    assert!(watch.elapsed() < Duration::from_secs(35), "it took {:?}", watch.elapsed());
}

#[test]
fn a_wall_clock_that_is_set_back_makes_no_token_live_longer() {
    let (clock, sandbox) = (Clockwork::new(0), Sandbox::start(&json!({"access_lifetime": 3})));
    sandbox.fault(json!({"on": "refresh", "times": 0, "kind": "status", "code": 503}));
    clock.home.login("work", &sandbox, ADA);
    let first = clock.home.token("work");
    clock.set(-3600);
    let dead = || (sandbox.user_info(&first).status == 401).then_some(());
    eventually(Duration::from_secs(20), "the end of the token", dead);
    clock.home.seqera("token --profile work --timeout 1s").run().fails_with(4);
}

/// A machine that sleeps with both of its clocks, as virtual ones do (WSL 2).
#[test]
fn what_both_clocks_think_fresh_and_the_api_refuses_is_renewed_at_the_first_report() {
    let (clock, sandbox) = (Clockwork::new(0), Sandbox::start(&json!({"access_lifetime": 8})));
    // From before the first token on, so that no renewal comes in between on a slow machine.
    clock.hold();
    clock.home.login("work", &sandbox, ADA);
    let first = clock.home.token("work");
    let dead = || (sandbox.user_info(&first).status == 401).then_some(());
    eventually(Duration::from_secs(30), "the end of the token", dead);
    let renewals = sandbox.count("refresh_attempts");
    assert_eq!(clock.home.token("work"), first, "both clocks say that it is fresh");
    let second = clock.home.seqera("token --profile work --force-new").run().ok().line().to_owned();
    assert_eq!(sandbox.user_info(&second).status, 200);
    assert_eq!(sandbox.count("refresh_attempts"), renewals + 1);
    assert_eq!(clock.home.token("work"), second);
}

#[test]
fn a_clock_that_is_ten_minutes_off_neither_prevents_a_login_nor_shortens_a_token() {
    for offset in [-600, 600] {
        let (clock, sandbox) = (Clockwork::new(offset), Sandbox::calm());
        clock.home.login("work", &sandbox, ADA);
        let token = clock.home.token("work");
        assert_eq!(clock.home.token("work"), token, "offset {offset}");
        assert_eq!(sandbox.count("refresh_attempts"), 0, "expires_in counts from its receipt: {offset}");
    }
}

#[test]
fn people_read_times_in_the_zone_of_this_machine_and_programs_in_utc() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    let utc = home.status("work")["logged_in_at"].as_str().expect("a time").to_owned();
    let (date, clock) = utc.trim_end_matches('Z').split_once('T').expect("RFC 3339");
    let (hour, rest) = clock.split_once(':').expect("a time of day");
    let nine_ahead = (hour.parse::<u8>().expect("an hour") + 9) % 24;
    // POSIX writes the offset with the opposite sign. No zone files are needed for these.
    let shown_in =
        [("UTC0", format!(" {date} {clock} UTC")), ("JST-9", format!(" {nine_ahead:02}:{rest} +09:00"))];
    for (zone, shown) in shown_in {
        let run = home.seqera("status --profile work").env("TZ", zone).run().ok();
        let line = run.stdout.lines().find(|line| line.starts_with("Signed in: "));
        assert!(line.is_some_and(|line| line.ends_with(&shown)), "{zone}: {line:?} at {utc}");
    }
}
