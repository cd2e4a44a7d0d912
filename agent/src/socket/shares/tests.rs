//! Who gets in, who makes room, and who is refused.

use std::time::Duration;

use super::leave::HURRIED;
use super::table::{FRESH, MOST_LEAVING};
use super::*;
use crate::error::ErrorKind;
use crate::socket::activity::Running;

/// 120 connections, 30 of them for one process; 90 and 22 calls that last.
fn shares() -> Arc<Shares> {
    Shares::new(Limits::of_descriptors(256))
}

/// A connection that is open, with a running call or without.
struct Open {
    seat: Arc<Seat>,
    activity: Arc<Activity>,
    _call: Option<Running>,
}

impl Open {
    fn with(shares: &Arc<Shares>, pid: u32, busy: bool) -> Result<Self, Admission> {
        let activity = Activity::new();
        match shares.admit(Holder::Process(pid), &activity) {
            Admission::Seat(seat) => {
                let call = busy.then(|| activity.begin());
                Ok(Self { seat, activity, _call: call })
            }
            other => Err(other),
        }
    }

    fn busy(shares: &Arc<Shares>, pid: u32) -> Result<Self, Admission> {
        Self::with(shares, pid, true)
    }

    /// A connection that has served one call.
    fn idle(shares: &Arc<Shares>, pid: u32) -> Self {
        let open = Self::with(shares, pid, false).unwrap();
        drop(open.activity.begin());
        open
    }

    fn told(&self) -> Option<Leaving> {
        self.seat.leave.asked().map(|asked| asked.how)
    }
}

fn is_seated(admission: &Result<Open, Admission>) -> bool {
    admission.is_ok()
}

#[tokio::test(start_paused = true)]
async fn at_its_share_the_oldest_idle_connection_of_a_process_makes_room() {
    let shares = shares();
    let mut idle = Vec::new();
    for _ in 0..30 {
        idle.push(Open::idle(&shares, 1));
        tokio::time::advance(Duration::from_millis(10)).await;
    }
    let other = Open::idle(&shares, 2);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(is_seated(&Open::busy(&shares, 1)));
    assert_eq!(idle[0].told(), Some(Leaving::Idle));
    assert!(idle[1..].iter().chain([&other]).all(|open| open.told().is_none()));
}

#[tokio::test(start_paused = true)]
async fn a_process_with_its_share_in_use_is_refused_and_another_gets_in() {
    let shares = shares();
    let busy: Vec<_> = (0..30).map(|_| Open::busy(&shares, 1).unwrap()).collect();
    let Err(Admission::Refused(Some(seat))) = Open::busy(&shares, 1) else { panic!("not refused") };
    let error = seat.call(CallKind::Plain).unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooMany);
    assert!(error.to_string().contains("pid 1") && error.to_string().contains("30 connections"), "{error}");
    assert_eq!(seat.leave().told().await, Leaving::Idle, "a refused connection ends after its answer");
    assert!(is_seated(&Open::busy(&shares, 2)));
    drop(busy);
    assert!(is_seated(&Open::busy(&shares, 1)));
}

#[tokio::test(start_paused = true)]
async fn only_some_connections_are_told_why_they_are_refused() {
    let shares = shares();
    let _busy: Vec<_> = (0..30).map(|_| Open::busy(&shares, 1).unwrap()).collect();
    let refused: Vec<_> = (0..100).map(|_| Open::busy(&shares, 1).err().unwrap()).collect();
    let told = refused.iter().filter(|admission| matches!(admission, Admission::Refused(Some(_))));
    assert_eq!(told.count(), MOST_REFUSED);
    assert_eq!(shares.held().0, 30 + MOST_REFUSED);
}

#[tokio::test(start_paused = true)]
async fn connections_that_were_never_used_make_room_but_not_in_their_first_second() {
    let shares = shares();
    let _half_open: Vec<_> = (0..30).map(|_| Open::with(&shares, 1, false).unwrap()).collect();
    assert!(!is_seated(&Open::busy(&shares, 1)));
    tokio::time::advance(FRESH).await;
    assert!(is_seated(&Open::busy(&shares, 1)));
}

#[tokio::test(start_paused = true)]
async fn when_all_is_full_the_biggest_holder_makes_room_for_a_process_that_has_nothing() {
    let shares = shares();
    let busy: Vec<_> = (0..4)
        .flat_map(|pid| (0..if pid == 0 { 30 } else { 29 }).map(move |_| pid))
        .map(|pid| Open::busy(&shares, pid).unwrap())
        .collect();
    let idle: Vec<_> = (10..13).map(|pid| Open::idle(&shares, pid)).collect();
    tokio::time::advance(Duration::from_secs(1)).await;
    let mut guests = Vec::new();
    for pid in 100..104 {
        guests.push(Open::busy(&shares, pid).unwrap());
    }
    assert!(idle.iter().all(|open| open.told() == Some(Leaving::Idle)), "idle ones go first");
    let cut: Vec<_> = busy.iter().filter(|open| open.told() == Some(Leaving::Busy)).collect();
    assert_eq!(cut.iter().map(|open| open.seat.holder()).collect::<Vec<_>>(), [Holder::Process(0)]);
    assert_eq!(cut[0].seat.number, 30, "the newest of the biggest holder");
}

#[tokio::test(start_paused = true)]
async fn where_everybody_holds_one_connection_the_next_waits_and_a_second_one_is_refused() {
    let shares = shares();
    let mut herd: Vec<_> = (0..120).map(|pid| Open::busy(&shares, pid).unwrap()).collect();
    assert!(matches!(Open::busy(&shares, 500), Err(Admission::Full)));
    assert!(matches!(Open::busy(&shares, 7), Err(Admission::Refused(_))));
    let freed = shares.freed();
    herd.pop();
    freed.await;
    assert!(is_seated(&Open::busy(&shares, 500)));
}

#[tokio::test(start_paused = true)]
async fn connections_on_their_way_out_are_limited_as_well() {
    let shares = shares();
    let idle: Vec<_> = (0..30).map(|_| Open::idle(&shares, 1)).collect();
    tokio::time::advance(Duration::from_secs(1)).await;
    let mut later = Vec::new();
    let seated = std::iter::from_fn(|| Open::busy(&shares, 1).ok()).take(1000).map(|open| later.push(open));
    assert_eq!(seated.count(), 30);
    assert_eq!(shares.held().0, 60);
    drop((idle, later));
    assert!(shares.is_empty());
}

/// As many idle connections as are kept, ten of each process, made one after another.
async fn as_many_as_are_kept(shares: &Arc<Shares>) -> Vec<Open> {
    let mut idle = Vec::new();
    for number in 0..60 {
        idle.push(Open::idle(shares, number / 10));
        tokio::time::advance(Duration::from_millis(10)).await;
    }
    idle
}

#[tokio::test(start_paused = true)]
async fn few_connections_are_kept_without_a_call_and_the_oldest_of_the_biggest_goes_first() {
    let shares = shares();
    let idle = as_many_as_are_kept(&shares).await;
    assert!(idle.iter().all(|open| open.told().is_none()));
    let _eleventh = Open::idle(&shares, 3);
    assert!(idle.iter().all(|open| open.told().is_none()), "it is the last that is kept");
    let _next = Open::idle(&shares, 9);
    let left: Vec<_> = (0..60).filter(|number| idle[*number].told().is_some()).collect();
    assert_eq!((left, idle[30].told()), (vec![30], Some(Leaving::Idle)));
}

#[tokio::test(start_paused = true)]
async fn who_leaves_idle_connections_behind_faster_than_they_can_go_has_them_cut() {
    let shares = shares();
    let mut all = as_many_as_are_kept(&shares).await;
    for pid in 0..200 {
        all.push(Open::idle(&shares, 100 + pid / 10));
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    let told = |how| all.iter().filter(|open| open.told() == Some(how)).count();
    assert_eq!((told(Leaving::Idle), told(Leaving::Cut)), (MOST_LEAVING, 199 - MOST_LEAVING));
}

#[tokio::test(start_paused = true)]
async fn connections_with_a_call_or_whose_first_one_may_be_on_its_way_are_kept_however_many() {
    let shares = shares();
    let busy: Vec<_> = (0..40).map(|pid| Open::busy(&shares, pid).unwrap()).collect();
    let calls: Vec<_> = busy.iter().map(|open| open.seat.call(CallKind::Plain).unwrap()).collect();
    let fresh: Vec<_> = (40..119).map(|pid| Open::with(&shares, pid, false).unwrap()).collect();
    assert!(busy.iter().chain(&fresh).all(|open| open.told().is_none()));
    // One that has said something, and not asked for anything, can be known to be idle.
    fresh[7].activity.hear();
    tokio::time::advance(Duration::from_millis(1)).await;
    let _another = Open::busy(&shares, 500).unwrap();
    assert_eq!(fresh[7].told(), Some(Leaving::Idle));
    assert_eq!(fresh.iter().filter(|open| open.told().is_some()).count(), 1);
    drop((calls, busy, fresh, _another));
    assert!(shares.is_empty());
}

#[tokio::test(start_paused = true)]
async fn of_too_many_requests_that_stay_unfinished_the_first_is_cut() {
    let shares = shares();
    let open: Vec<_> = (0..31).map(|pid| Open::busy(&shares, pid).unwrap()).collect();
    let mut unfinished: Vec<_> = open[..30].iter().map(|open| open.seat.receive()).collect();
    drop(unfinished.remove(0));
    unfinished.push(open[0].seat.receive());
    assert!(open.iter().all(|open| open.told().is_none()), "30 are waited for");
    unfinished.push(open[30].seat.receive());
    let cut: Vec<_> = (0..31).filter(|number| open[*number].told().is_some()).collect();
    assert_eq!((cut, open[1].told()), (vec![1], Some(Leaving::Cut)));
    drop((unfinished, open));
    assert!(shares.is_empty());
}

#[tokio::test]
async fn processes_of_another_namespace_share_by_their_user() {
    let peer = |pid| crate::socket::peers::Peer { uid: 1000, pid, exe: None };
    assert_eq!(peer(Some(7)).holder(), Holder::Process(7));
    assert_eq!((peer(Some(0)).holder(), peer(None).holder()), (Holder::User(1000), Holder::User(1000)));
    let shares = shares();
    let admit = || shares.admit(Holder::User(1000), &Activity::new());
    let seats: Vec<_> = (0..60).map(|_| admit()).collect();
    assert!(seats.iter().all(|admission| matches!(admission, Admission::Seat(_))));
    assert!(matches!(admit(), Admission::Refused(_)));
    assert!(is_seated(&Open::busy(&shares, 1)), "it is the share of all of them, and not everything");
}

#[tokio::test]
async fn calls_of_each_kind_have_a_share_and_a_total() {
    let shares = shares();
    let open: Vec<_> = (0..6).map(|pid| Open::busy(&shares, pid).unwrap()).collect();
    let take =
        |pid: usize, kind| -> Vec<_> { std::iter::from_fn(|| open[pid].seat.call(kind).ok()).collect() };
    let watchers = take(0, CallKind::Lasting);
    assert_eq!(watchers.len(), 22);
    assert_eq!(take(0, CallKind::Login).len(), 0, "a login lasts, too");
    let others: Vec<_> = (1..6).map(|pid| take(pid, CallKind::Lasting)).collect();
    assert_eq!(others.iter().map(Vec::len).collect::<Vec<_>>(), [22; 5]);
    let cut: Vec<_> = open.iter().map(|open| open.told().is_some()).collect();
    assert_eq!(cut.iter().filter(|cut| **cut).count(), 2, "the fourth and the fifth took the places of two");
    assert!(shares.table().total.lasting <= 90);
    assert_eq!(take(5, CallKind::Plain).len(), 2048 - 22, "watchers are calls, too");
    drop((watchers, others, open));
    let open: Vec<_> = (0..4).map(|pid| Open::busy(&shares, pid).unwrap()).collect();
    let take =
        |pid: usize| -> Vec<_> { std::iter::from_fn(|| open[pid].seat.call(CallKind::Login).ok()).collect() };
    let logins: Vec<_> = (0..4).map(|pid| take(pid).len()).collect();
    assert_eq!(logins, [4, 4, 4, 4], "a login that ends makes room");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_burst_is_told_and_that_of_a_few_calls_is_not() {
    let shares = shares();
    let is_told = || futures_util::FutureExt::now_or_never(shares.settled()).is_some();
    for _ in 0..100 {
        let open = Open::busy(&shares, 1).unwrap();
        drop(open.seat.call(CallKind::Plain).unwrap());
    }
    assert!(!is_told());
    let open = Open::busy(&shares, 1).unwrap();
    let mut calls: Vec<_> = (0..100).map(|_| open.seat.call(CallKind::Plain).unwrap()).collect();
    calls.truncate(60);
    assert!(!is_told());
    calls.truncate(40);
    assert!(is_told() && !is_told());
    drop((calls, open));
    assert!(is_told());
    assert!(shares.is_empty());
}

/// Runs calls of this kind, a hundred on each connection.
fn fill(shares: &Arc<Shares>, pid: u32, kind: CallKind, calls: usize) -> (Vec<Open>, Vec<Ticket>) {
    let open: Vec<_> = (0..calls.div_ceil(100)).map(|_| Open::busy(shares, pid).unwrap()).collect();
    let tickets = (0..calls).map(|call| open[call / 100].seat.call(kind).unwrap()).collect();
    (open, tickets)
}

#[tokio::test(start_paused = true)]
async fn when_all_calls_run_those_of_the_biggest_holder_make_room_for_a_process_that_has_none() {
    let shares = shares();
    for (kind, each) in [(CallKind::Plain, 2048), (CallKind::Lasting, 22)] {
        let crowd: Vec<_> = (1..=4).map(|pid| fill(&shares, pid, kind, each)).collect();
        let rest = if kind == CallKind::Lasting { fill(&shares, 5, kind, 2) } else { (vec![], vec![]) };
        let guest = Open::busy(&shares, 9).unwrap();
        let call = guest.seat.call(kind).unwrap();
        let told: Vec<_> = crowd.iter().flat_map(|(open, _)| open).filter_map(Open::told).collect();
        assert_eq!(told, [Leaving::Busy], "one connection is enough");
        let another = Open::busy(&shares, 10).unwrap();
        assert!(another.seat.call(kind).is_ok());
        drop((crowd, rest, guest, call, another));
        assert!(shares.is_empty(), "what was cut is not counted twice: {shares:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_has_as_many_calls_as_the_others_gets_no_more_and_a_cut_connection_none() {
    let shares = shares();
    let crowd: Vec<_> = (0..90).map(|pid| fill(&shares, pid, CallKind::Lasting, 1)).collect();
    let guest = Open::busy(&shares, 500).unwrap();
    let error = guest.seat.call(CallKind::Lasting).unwrap_err();
    assert!(error.to_string().contains("90 watchers"), "{error}");
    assert!(guest.seat.call(CallKind::Plain).is_ok(), "there is room for those");
    drop(crowd);
    let crowd: Vec<_> = (1..=4).map(|pid| fill(&shares, pid, CallKind::Lasting, 22)).collect();
    let _rest = fill(&shares, 5, CallKind::Lasting, 2);
    let _call = guest.seat.call(CallKind::Lasting).unwrap();
    let cut = crowd.iter().flat_map(|(open, _)| open).find(|open| open.told().is_some()).unwrap();
    assert_eq!(cut.seat.call(CallKind::Plain).unwrap_err().kind, ErrorKind::TooMany);
}

#[tokio::test(start_paused = true)]
async fn connections_that_go_on_calling_after_the_goodbye_are_cut_when_their_places_are_needed() {
    let shares = shares();
    let idle: Vec<_> = (0..30).map(|_| Open::idle(&shares, 1)).collect();
    tokio::time::advance(Duration::from_secs(1)).await;
    let mut later: Vec<_> = (0..30).map(|_| Open::idle(&shares, 1)).collect();
    let calls: Vec<_> = idle.iter().map(|open| open.seat.call(CallKind::Lasting)).collect();
    assert!(calls.iter().filter(|call| call.is_ok()).count() >= 20);
    tokio::time::advance(HURRIED).await;
    later.extend((0..2).map(|_| Open::idle(&shares, 1)));
    assert!(idle.iter().all(|open| open.told() == Some(Leaving::Idle)), "nobody needs their places yet");
    tokio::time::advance(HURRIED).await;
    assert!(!is_seated(&Open::busy(&shares, 1)), "none has gone yet");
    assert!(idle.iter().all(|open| open.told() == Some(Leaving::Busy)));
    drop((idle, calls));
    assert!(is_seated(&Open::busy(&shares, 1)));
    drop(later);
    assert!(shares.is_empty());
}
