//! Cases and properties of the state machine.

use std::time::SystemTime;

use proptest::prelude::*;

use super::*;
use crate::sessions::verdict::StoreTrouble;
use crate::token::AccessToken;

const HALF: Jitter = Jitter::HALF;

fn granted(sent: Moment, access: Result<Access, Unservable>, keep_alive: Duration) -> JobOutcome {
    JobOutcome::Renewed(Outcome::Granted(Fresh { sent, access, keep_alive }))
}

/// The outcome of a job that fails in this way.
fn failure(trouble: Trouble, why: &str) -> JobOutcome {
    let text = why.to_owned();
    JobOutcome::Renewed(match trouble {
        Trouble::Transient(retry_after) => Outcome::Transient(why.into(), retry_after),
        Trouble::Unknown => Outcome::Unknown(why.into()),
        Trouble::Misconfigured => Outcome::Misconfigured(why.into()),
        Trouble::Unclear => Outcome::Unclear(why.into()),
        Trouble::Store => return JobOutcome::NoSecret(StoreTrouble::Failed, text.into()),
        Trouble::Locked => return JobOutcome::NoSecret(StoreTrouble::Locked, text.into()),
        Trouble::Reported => unreachable!("a report is the failure of no job"),
    })
}

fn at(seconds: u64) -> Moment {
    let mono = Duration::from_secs(seconds);
    Moment { wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000) + mono, mono }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn access(name: &str, lifetime: u64) -> Access {
    Access { token: AccessToken::new(name), lifetime: secs(lifetime) }
}

/// Signed in at 0 with a token of 100 s, whose renewal is due between 40 and 50.
fn session() -> Session {
    Session::begin(
        1,
        Beginning {
            kind: Kind::Renewable,
            held: Some(Held::renewable(access("first", 100), at(0), HALF)),
            can_renew: true,
            keep_alive_at: Some(at(10_800)),
            interrupted: None,
        },
    )
}

fn fixed(held: bool) -> Session {
    let held = held.then(|| Held::fixed(AccessToken::new("pat"), at(0), None));
    let kind = Kind::Fixed;
    Session::begin(1, Beginning { kind, held, can_renew: false, keep_alive_at: None, interrupted: None })
}

fn ask(min_valid: u64, patience: u64) -> Ask {
    Ask { min_valid: secs(min_valid), patience: secs(patience), ..Ask::default() }
}

fn report(session: &Session) -> Ask {
    Ask { rejected: session.held().map(|held| held.sha256.clone()), ..ask(0, 30) }
}

fn renewed(session: &mut Session, name: &str, lifetime: u64, now: u64) {
    session.started(Job::Renew);
    let outcome = granted(at(now), Ok(access(name, lifetime)), secs(10_800));
    session.on_outcome(at(now), outcome, HALF);
}

fn failed(session: &mut Session, trouble: Trouble, now: u64) {
    session.started(Job::Renew);
    session.on_outcome(at(now), failure(trouble, "status 502"), HALF);
}

const START: Option<Job> = Some(Job::Renew);

#[test]
fn fresh_is_answered_and_in_the_window_it_is_renewed_behind() {
    let mut session = session();
    assert_eq!(session.on_request(at(10), &ask(0, 30)), Decision::Answer(None));
    assert_eq!(session.on_request(at(60), &ask(0, 30)), Decision::Answer(START));
    session.started(Job::Renew);
    assert_eq!(session.on_request(at(60), &ask(0, 30)), Decision::Answer(None));
}

#[test]
fn less_than_min_valid_waits_for_one_renewal_and_takes_its_result() {
    let mut session = session();
    assert_eq!(session.on_request(at(20), &ask(90, 30)), Decision::Wait(START));
    session.started(Job::Renew);
    assert_eq!(session.on_request(at(20), &ask(90, 30)), Decision::Wait(None));
    renewed(&mut session, "short", 50, 21);
    assert_eq!(session.on_request(at(40), &ask(90, 30)), Decision::Answer(None));
}

#[test]
fn after_a_failure_a_valid_token_is_answered_and_an_expired_one_never() {
    let mut session = session();
    failed(&mut session, Trouble::Transient(Some(secs(60))), 60);
    assert_eq!(session.on_request(at(61), &ask(90, 30)), Decision::Answer(None));
    assert!(matches!(
        session.on_request(at(101), &ask(0, 5)),
        Decision::Refuse(Refusal::NotNow(_, pause)) if pause == secs(19)
    ));
    assert_eq!(session.on_request(at(101), &ask(0, 30)), Decision::Wait(None), "due within its patience");
    assert_eq!(session.on_tick(at(119), Waiting::Nobody), None);
    assert_eq!(session.on_tick(at(120), Waiting::Nobody), START);
}

/// A session without a valid token at 100 s, whose renewal has failed in this way six times, the last time then.
/// With this jitter the back-off is half of 32 s then, unless the failure itself sets the pause.
fn in_back_off(trouble: Trouble) -> Session {
    let mut session = session();
    (0..6).for_each(|n| failed(&mut session, trouble, 95 + n));
    session
}

#[test]
fn a_new_caller_without_a_token_is_tried_for_at_once_and_at_most_every_five_seconds() {
    let wait = Decision::Wait(None);
    let start = Decision::Wait(START);
    // What failed; seconds after the failure; the patience; whether an attempt has begun for the caller.
    for (trouble, later, patience, tried, expected) in [
        (Trouble::Transient(None), 5, 0, false, Some(&start)),
        (Trouble::Transient(None), 15, 30, false, Some(&start)),
        (Trouble::Transient(None), 1, 4, false, Some(&wait)),
        (Trouble::Transient(None), 1, 3, false, None),
        (Trouble::Transient(None), 0, 30, true, Some(&wait)),
        (Trouble::Transient(None), 0, 15, true, None),
        (Trouble::Transient(None), 6, 9, true, None),
        (Trouble::Transient(None), 16, 0, true, Some(&start)),
        (Trouble::Unknown, 5, 0, false, Some(&start)),
        (Trouble::Transient(Some(secs(20))), 6, 10, false, None),
        (Trouble::Transient(Some(secs(20))), 6, 14, false, Some(&wait)),
        (Trouble::Transient(Some(secs(2))), 2, 0, false, Some(&start)),
        (Trouble::Misconfigured, 6, 30, false, None),
        (Trouble::Misconfigured, 6, 60, false, Some(&wait)),
        (Trouble::Unclear, 6, 9, false, None),
        (Trouble::Unclear, 6, 10, false, Some(&wait)),
    ] {
        let caller = Ask { tried, ..ask(0, patience) };
        let decision = in_back_off(trouble).on_request(at(100 + later), &caller);
        let case = format!("{trouble:?}, {later} s later, patience {patience}, tried {tried}: {decision:?}");
        match expected {
            Some(expected) => assert_eq!(decision, *expected, "{case}"),
            None => assert!(matches!(decision, Decision::Refuse(Refusal::NotNow(..))), "{case}"),
        }
    }
}

#[test]
fn the_ticker_wakes_for_a_new_caller_and_keeps_its_back_off_for_the_others() {
    for (trouble, waiting, due) in [
        (Trouble::Transient(None), Waiting::New, 105),
        (Trouble::Transient(None), Waiting::Tried, 116),
        (Trouble::Transient(None), Waiting::Nobody, 116),
        (Trouble::Transient(Some(secs(20))), Waiting::New, 120),
        (Trouble::Misconfigured, Waiting::New, 160),
        (Trouble::Unclear, Waiting::New, 116),
    ] {
        let mut session = in_back_off(trouble);
        assert_eq!(session.on_tick(at(due - 1), waiting), None, "{trouble:?} {waiting:?}");
        assert_eq!(session.on_tick(at(due), waiting), START, "{trouble:?} {waiting:?}");
    }
}

#[test]
fn an_answer_of_the_token_endpoint_ends_the_back_off_of_connection_failures_and_discovery_does_not() {
    let transient = |why: Why| Outcome::Transient(why, None);
    let answers = [Outcome::Transient, |why, _| Outcome::Unclear(why), |why, _| Outcome::Misconfigured(why)];
    for answer in answers {
        let mut session = in_back_off(Trouble::Transient(None));
        let mut next = |outcome: Outcome<Fresh>, now: u64| {
            session.started(Job::Renew);
            session.on_outcome(at(now), JobOutcome::Renewed(outcome), HALF);
            session.next_due(Waiting::Nobody).map(|due| due.since(at(now)))
        };
        assert_eq!(next(transient("discovery: status 503".into()), 200), Some(secs(30)), "still growing");
        next(answer("status 400".into(), None).answered(), 300);
        assert_eq!(next(transient("connection refused".into()), 400), Some(Duration::from_millis(500)));
        // Answers that fail have a back-off of their own, which a failure to connect does not end.
        assert_eq!(next(transient("status 503".into()).answered(), 500), Some(secs(1)));
    }
}

#[test]
fn an_answer_that_cannot_be_served_is_an_answer_too() {
    let mut session = in_back_off(Trouble::Transient(None));
    let odd = Err(Unservable::Odd("no access token".into()));
    session.started(Job::Renew);
    session.on_outcome(at(200), granted(at(200), odd, secs(600)), HALF);
    failed(&mut session, Trouble::Transient(None), 300);
    assert_eq!(session.on_tick(at(301), Waiting::Nobody), START, "the back-off is half a second again");
}

#[test]
fn a_wall_clock_jump_makes_the_token_unservable() {
    let mut session = session();
    let ahead = Moment { wall: at(1000).wall, mono: at(1).mono };
    assert!(session.servable(ahead).is_none());
    assert_eq!(session.on_request(ahead, &ask(0, 30)), Decision::Wait(START));
    assert_eq!(session.on_tick(ahead, Waiting::Nobody), START, "and it is renewed at the next tick");
}

#[test]
fn only_rejected_ends_a_session() {
    let all =
        [Trouble::Transient(None), Trouble::Unknown, Trouble::Misconfigured, Trouble::Store, Trouble::Locked];
    for trouble in all {
        let mut session = session();
        for n in 0..50 {
            failed(&mut session, trouble, 100 + n * 100);
        }
        assert_eq!(*session.standing(), Standing::SignedIn, "{trouble:?}");
    }
}

#[test]
fn a_rejected_session_serves_its_last_token_until_the_api_refuses_it() {
    let mut session = session();
    session.started(Job::Renew);
    session.on_outcome(at(60), JobOutcome::Renewed(Outcome::Rejected("invalid_grant".into())), HALF);
    assert_eq!(session.on_request(at(70), &ask(0, 30)), Decision::Answer(None));
    let report = report(&session);
    assert!(matches!(session.on_request(at(70), &report), Decision::Refuse(Refusal::Expired(_))));
    assert!(matches!(session.on_request(at(70), &ask(0, 30)), Decision::Refuse(Refusal::Expired(_))));
    assert_eq!(session.next_due(Waiting::Tried), None);
}

#[test]
fn an_interrupted_renewal_is_told_apart_from_an_expired_login() {
    let mut session = session();
    session.interrupted = true;
    session.started(Job::Renew);
    session.on_outcome(at(1), JobOutcome::Renewed(Outcome::Rejected("invalid_grant".into())), HALF);
    assert!(matches!(session.standing(), Standing::Expired(why) if why.contains("interrupted")));
}

#[test]
fn unclear_refusals_show_as_expired_after_ten_minutes_and_are_tried_hourly() {
    let mut session = session();
    for now in [100, 400] {
        failed(&mut session, Trouble::Unclear, now);
        assert_eq!(*session.standing(), Standing::SignedIn);
    }
    failed(&mut session, Trouble::Unclear, 700);
    assert!(matches!(session.on_request(at(701), &ask(0, 30)), Decision::Refuse(Refusal::Expired(_))));
    assert_eq!(session.on_tick(at(701 + 3000), Waiting::Nobody), None);
    assert_eq!(session.on_tick(at(700 + 3600), Waiting::Nobody), START);
    renewed(&mut session, "back", 100, 4301);
    assert_eq!(*session.standing(), Standing::SignedIn);
}

#[test]
fn a_report_counts_for_the_current_token_only_and_starts_one_renewal_a_minute() {
    let mut session = session();
    let first = report(&session);
    assert_eq!(session.on_request(at(5), &first), Decision::Wait(START));
    session.started(Job::Renew);
    assert_eq!(session.on_request(at(5), &first), Decision::Wait(None));
    renewed(&mut session, "second", 100, 6);
    assert_eq!(
        session.on_request(at(7), &first),
        Decision::Answer(None),
        "an older hash gets the current token"
    );
    let second = report(&session);
    let patient = Ask { patience: secs(60), ..second };
    assert_eq!(session.on_request(at(8), &patient), Decision::Wait(None), "not before a minute has passed");
    let hurried = Ask { patience: secs(3), ..ask(0, 0) };
    let Decision::Refuse(Refusal::NotNow(failure, pause)) = session.on_request(at(9), &hurried) else {
        panic!("nothing is answered before the minute is over")
    };
    assert_eq!((failure.trouble, pause), (Trouble::Reported, secs(56)));
    assert_eq!(session.on_tick(at(65), Waiting::Nobody), START);
}

#[test]
fn the_rejected_token_is_not_answered_when_the_renewal_fails() {
    let mut session = session();
    let report = report(&session);
    session.on_request(at(5), &report);
    failed(&mut session, Trouble::Transient(Some(secs(600))), 6);
    assert!(matches!(session.on_request(at(7), &report), Decision::Refuse(Refusal::NotNow(..))));
    assert!(matches!(session.on_request(at(7), &ask(0, 30)), Decision::Refuse(Refusal::NotNow(..))));
}

#[test]
fn another_account_in_the_answer_stops_the_serving() {
    let mut session = session();
    session.started(Job::Renew);
    let other = Err(Unservable::OtherAccount("sub changed".into()));
    session.on_outcome(at(60), granted(at(60), other, secs(600)), HALF);
    assert!(matches!(session.on_request(at(61), &ask(0, 1)), Decision::Refuse(Refusal::NotNow(..))));
}

#[test]
fn a_token_without_life_is_never_served() {
    let mut session = Session::begin(
        1,
        Beginning {
            kind: Kind::Renewable,
            held: None,
            can_renew: true,
            keep_alive_at: None,
            interrupted: None,
        },
    );
    renewed(&mut session, "dead", 0, 5);
    assert!(session.servable(at(5)).is_none());
    assert!(session.failure().is_some());
}

#[test]
fn a_fixed_credential_is_loaded_when_asked_for_and_checked_once_when_reported() {
    let mut session = fixed(false);
    assert_eq!(session.next_due(Waiting::Nobody), None);
    assert_eq!(session.on_request(at(1), &ask(0, 30)), Decision::Wait(Some(Job::Load)));
    session.started(Job::Load);
    session.on_outcome(at(1), JobOutcome::Loaded(Held::fixed(AccessToken::new("pat"), at(1), None)), HALF);
    assert_eq!(session.on_request(at(2), &ask(999_999, 30)), Decision::Answer(None));
    let report = report(&session);
    assert_eq!(session.on_request(at(3), &report), Decision::Wait(Some(Job::Check)));
    session.started(Job::Check);
    session.on_outcome(at(4), JobOutcome::Checked(Check::Unsure("403".into())), HALF);
    assert_eq!(
        session.on_request(at(5), &report),
        Decision::Answer(None),
        "403 does not end it, nor ask again"
    );
    session.on_request(at(90), &report);
    session.started(Job::Check);
    session.on_outcome(at(91), JobOutcome::Checked(Check::Refused), HALF);
    assert!(matches!(session.on_request(at(92), &ask(0, 30)), Decision::Refuse(Refusal::Expired(_))));
}

#[test]
fn a_store_that_failed_is_told_at_once_and_asked_again_for_a_later_caller() {
    let mut session = fixed(false);
    session.started(Job::Load);
    session.on_outcome(at(1), failure(Trouble::Locked, "locked"), HALF);
    let decision = session.on_request(at(1), &ask(0, 30));
    assert!(
        matches!(decision, Decision::Refuse(Refusal::NotNow(failure, _)) if failure.trouble == Trouble::Locked)
    );
    assert_eq!(session.on_request(at(2), &ask(0, 30)), Decision::Wait(Some(Job::Load)));
    assert_eq!(session.next_due(Waiting::Nobody), None, "nobody waits: nothing to do");
    assert_eq!(session.on_tick(at(3), Waiting::Tried), Some(Job::Load));
}

#[test]
fn nobody_signed_in_is_refused_and_never_due() {
    let mut session = Session::signed_out(3);
    assert_eq!(session.on_request(at(1), &ask(0, 30)), Decision::Refuse(Refusal::SignedOut));
    assert_eq!(session.next_due(Waiting::Tried), None);
}

proptest! {
    /// Whatever happens in whatever order, no expired or refused token is served and no two renewals run at once.
    #[test]
    fn no_history_leads_to_a_dead_token_or_a_second_renewal(steps in proptest::collection::vec((0_u8..8, 0_u64..90), 1..200)) {
        let mut session = session();
        let mut now = 0;
        let mut running = false;
        for (step, wait) in steps {
            now += wait;
            let started = match step {
                0..=2 => session.on_request(at(now), &ask(u64::from(step) * 40, 30)),
                3 => { let report = report(&session); session.on_request(at(now), &report) }
                4 => match session.on_tick(at(now), Waiting::Nobody) { Some(job) => Decision::Wait(Some(job)), None => Decision::Wait(None) },
                _ if !running => continue,
                5 => { session.on_outcome(at(now), granted(at(now), Ok(access(&format!("t{now}"), 100)), secs(600)), HALF); running = false; continue }
                6 => { session.on_outcome(at(now), failure(Trouble::Unknown, ""), HALF); running = false; continue }
                _ => { session.on_outcome(at(now), failure(Trouble::Transient(None), ""), HALF); running = false; continue }
            };
            if let Decision::Answer(_) = &started {
                prop_assert!(session.servable(at(now)).is_some());
            }
            if let Decision::Answer(Some(job)) | Decision::Wait(Some(job)) = started {
                prop_assert!(!running, "a second job");
                session.started(job);
                running = true;
            }
        }
    }
}
